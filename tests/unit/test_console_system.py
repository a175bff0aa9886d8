"""The system pages: health, settings, plugins, history, schedules, keys, about; without JavaScript."""

import html
import json
import os
import re
import threading

import pytest
from flask import Flask

from appliance import events, plugin, settings
from appliance.db import Database
from appliance.health import look
from appliance.health import service as health
from appliance.health.models import Issue, Severity
from appliance.jobs import schedule
from appliance.jobs.models import Job, Schedule
from appliance.jobs.plan import Plan, Rhythm
from appliance.manifest import Manifest, Option
from appliance.people import service
from appliance.people.audit import By
from appliance.people.models import ApiToken, Role
from appliance.places import Places
from appliance.plugin import PluginRow
from appliance.settings import SettingRow
from appliance.words import Message
from console import anew
from tests.browsers import Browser
from tests.callers import PASSWORD


@pytest.fixture
def anna(app: Flask, db: Database) -> Browser:
    """The browser of the admin."""
    with db.writing() as session:
        service.add(session, By(), name="Anna", password=PASSWORD, role=Role.ADMIN)
    return Browser(app, "Anna")


def tell(db: Database, **more: object) -> int:
    finding = health.Finding(
        code="drive_missing",
        severity=Severity.DANGER,
        message=Message("{drive} is not there.", {"drive": "HOT-1"}),
        hint=Message("Plug it in again."),
        **more,  # type: ignore[arg-type]
    )
    with db.writing() as session:
        issue = health.tell(session, finding)
        session.flush()
        return issue.id


# ---- the page of sections


def test_every_section_is_one_click_away(anna: Browser) -> None:
    page = anna.get("/system/").text
    for section in ("health", "schedules", "settings", "plugins", "history", "keys", "about"):
        assert f'href="/system/{section}"' in page
        assert anna.get(f"/system/{section}").status_code == 200


def test_the_way_to_health_says_how_much_there_is_to_look_at(anna: Browser, db: Database) -> None:
    assert "Nothing needs you." in anna.get("/system/").text
    tell(db)
    assert "1 thing to look at" in anna.get("/system/").text


# ---- health


def test_a_finding_is_a_card_with_what_happened_and_what_to_do(anna: Browser, db: Database) -> None:
    tell(db)
    page = anna.get("/system/health").text
    assert "HOT-1 is not there." in page and "Plug it in again." in page


def test_before_the_first_look_everything_is_unknown_and_never_healthy(anna: Browser) -> None:
    page = anna.get("/system/health").text
    assert "has not looked yet" in page and "unknown" in page and "healthy" not in page


def test_after_a_look_checks_are_healthy_unknown_or_point_to_what_was_found(
    anna: Browser, db: Database, places: Places
) -> None:
    look.note(places, ["station.clock", "station.own_disk"], ["station.root"])
    tell(db)
    with db.writing() as session:
        session.query(Issue).one().check = "station.own_disk"
    page = re.sub(r"<svg.*?</svg>|\s+", " ", html.unescape(anna.get("/system/health").text))
    states = dict(re.findall(r"<span>([^<]+)</span> <span class=\"state \w+\"> ?([^<]+)</span>", page))
    assert states["The clock"] == "healthy"
    assert states["The station's own disk"] == "see above"
    assert states["The part that handles drives"] == "unknown"


def test_an_issue_is_put_aside_for_a_week_and_brought_back(anna: Browser, db: Database) -> None:
    issue = tell(db)
    assert "You will be reminded in 7 days." in anna.follow(anna.post(f"/system/health/{issue}/quiet", later="1"))
    assert "Put aside" in anna.get("/system/health").text
    assert "Nothing needs you." in anna.get("/system/").text
    assert "It is back on the list." in anna.follow(anna.post(f"/system/health/{issue}/quiet"))
    assert "Put aside" not in anna.get("/system/health").text


def test_a_button_fixes_and_says_so(anna: Browser, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    body = lambda session, broker, places, drive: asked.append(drive)  # noqa: E731
    monkeypatch.setitem(health.FIXES, "test.fix", health.Fix("test.fix", "Mend {it}", body))
    issue = tell(db, fix="test.fix", fix_label=Message("Mend it"), fix_arguments={"drive": "HOT-1"})
    assert "Mend it" in anna.get("/system/health").text
    assert "looks again whether" in anna.follow(anna.post(f"/system/health/{issue}/fix"))
    assert asked == ["HOT-1"]


def test_a_finding_without_a_button_refuses_to_be_pressed(anna: Browser, db: Database) -> None:
    assert anna.post(f"/system/health/{tell(db)}/fix").status_code == 404
    assert anna.post("/system/health/99/quiet").status_code == 404


def test_looking_now_is_a_job(anna: Browser, db: Database) -> None:
    assert anna.post("/system/health/look").status_code == 303
    with db.reading() as session:
        assert session.query(Job).one().kind == "health.check"
    assert anna.post("/system/health/look").status_code == 303  # again, but there is one look at a time


# ---- settings


def test_every_declared_setting_has_one_labelled_field(anna: Browser) -> None:
    page = anna.get("/system/settings").text
    for key in settings.everything():
        assert page.count(f'id="{key}"') == 1 and f'name="{key}"' in page


def test_a_setting_is_stored_and_the_change_is_in_the_history(anna: Browser, db: Database) -> None:
    answer = anna.post("/system/settings/station", **{"station.time_zone": "Asia/Shanghai"})
    assert answer.status_code == 303 and answer.headers["Location"].endswith("#station")
    with db.reading() as session:
        assert schedule.TIME_ZONE.get(session) == "Asia/Shanghai"
        assert [str(e.message) for e in events.listing(session, room="settings")] == [
            "The setting “Time zone” was changed."
        ]
    anna.post("/system/settings/station", **{"station.time_zone": "Asia/Shanghai"})
    with db.reading() as session:
        assert len(events.listing(session, room="settings")) == 1  # nothing changed, nothing is told


def test_a_bad_value_stores_nothing_of_its_group_and_is_kept_on_the_page(anna: Browser, db: Database) -> None:
    numbers = [s for s in settings.everything().values() if type(s.default) is int and s.key.startswith("backup.")]
    form = {s.key: str(s.minimum if s.minimum is not None else 1) for s in numbers} | {numbers[0].key: "many"}
    answer = anna.post("/system/settings/backup", **form)
    assert answer.status_code == 422 and "Enter a whole number." in answer.text and 'value="many"' in answer.text
    with db.reading() as session:
        assert session.query(SettingRow).count() == 0


def test_a_value_out_of_range_or_of_no_group_is_refused(anna: Browser) -> None:
    answer = anna.post("/system/settings/station", **{"station.time_zone": "Mars/Olympus"})
    assert answer.status_code == 422 and "There is no time zone “Mars/Olympus”." in answer.text
    assert anna.post("/system/settings/nothing").status_code == 404


def test_an_unreadable_value_is_shown_with_words_and_stays_until_somebody_decides(anna: Browser, db: Database) -> None:
    with db.writing() as session:
        session.add(SettingRow(key="station.time_zone", value=17))
    assert "The stored value “17” cannot be read." in anna.get("/system/settings").text
    anna.post("/system/settings/station", **{"station.time_zone": ""})
    with db.reading() as session:
        assert session.get_one(SettingRow, "station.time_zone").value == 17
    anna.post("/system/settings/station", reset="station.time_zone")
    with db.reading() as session:
        assert session.get(SettingRow, "station.time_zone") is None


def test_a_reset_reaches_no_setting_of_another_group(anna: Browser, db: Database) -> None:
    with db.writing() as session:
        session.add(SettingRow(key="station.time_zone", value="UTC"))
    anna.post("/system/settings/console", reset="station.time_zone")
    with db.reading() as session:
        assert session.get_one(SettingRow, "station.time_zone").value == "UTC"


# ---- plugins

RADIO = Manifest(
    name="radio",
    module="plugins.radio",
    title="Radio",
    description="Plays.",
    version=1,
    options=(
        Option("station", "Which one", "text", "WDR", choices=("WDR", "BBC")),
        Option("volume", "How loud", "number", 5, minimum=0, maximum=11),
        Option("stereo", "On both sides", "switch", True),
    ),
)


@pytest.fixture
def radio(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that is there but has never been loaded."""
    monkeypatch.setattr(plugin, "found", lambda: {"radio": RADIO})


@pytest.mark.usefixtures("radio")
def test_a_plugin_is_switched_on_and_the_page_says_when_it_takes_effect(anna: Browser, db: Database) -> None:
    assert "takes effect" not in anna.get("/system/plugins").text
    page = anna.follow(anna.post("/system/plugins/radio/switch", on="1"))
    assert "Radio is switched on." in page and "The change takes effect when the console starts anew." in page
    with db.reading() as session:
        assert plugin.is_enabled(session, RADIO)
    page = anna.follow(anna.post("/system/plugins/radio/switch", on="0"))
    assert "Radio is switched off." in page and "takes effect" not in page


@pytest.mark.usefixtures("radio")
def test_what_a_plugin_is_told_is_checked_and_kept(anna: Browser, db: Database) -> None:
    bad = anna.post("/system/plugins/radio", station="Luxemburg", volume="12")
    assert bad.status_code == 422
    assert "Choose one of the listed values." in bad.text and "This number is out of range." in bad.text
    assert 'value="12"' in bad.text
    assert anna.post("/system/plugins/radio", station="BBC", volume="11").status_code == 303
    with db.reading() as session:
        assert plugin.options(session, "radio") == {"station": "BBC", "volume": 11, "stereo": False}


@pytest.mark.usefixtures("radio")
def test_a_plugins_last_error_is_shown_to_the_admin(anna: Browser, db: Database) -> None:
    with db.writing() as session:
        session.add(PluginRow(name="radio", enabled=True, last_error="ValueError: <no antenna>"))
    assert "ValueError: &lt;no antenna&gt;" in anna.get("/system/plugins").text


def test_no_such_plugin_is_told(anna: Browser) -> None:
    assert anna.get("/system/plugins/none").status_code == 404
    assert anna.post("/system/plugins/none/switch", on="1").status_code == 404


def test_without_somebody_to_start_it_again_the_console_does_not_stop(anna: Browser) -> None:
    assert "Restart the station" in anna.follow(anna.post("/system/plugins/restart"))


def test_the_console_ends_in_order_once_it_has_answered(anna: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(anew, "is_possible", lambda: True)
    monkeypatch.setattr(anew, "AFTER_S", 0.01)
    monkeypatch.setattr("console.anew.os.kill", lambda pid, number: pid == os.getpid() and ended.set())
    assert "starts anew" in anna.follow(anna.post("/system/plugins/restart"))
    assert ended.wait(10)


# ---- history


def test_the_history_pages_by_key_and_nothing_is_lost_or_shown_twice(anna: Browser, db: Database) -> None:
    with db.writing() as session:
        for number in range(120):
            events.record(session, "drive.seen", "number {n} of many", n=f"<{number}>")
    seen: list[str] = []
    address: str | None = "/system/history?room=drive"
    while address:
        page = anna.get(address).text
        seen += re.findall(r"number &lt;(\d+)&gt; of many", page)
        following = re.search(r'href="([^"]*before=\d+)"', page)
        address = following[1].replace("&amp;", "&") if following else None
    assert seen == [str(n) for n in reversed(range(120))]


def test_the_history_is_filtered_by_person_and_by_room(anna: Browser, db: Database) -> None:
    with db.writing() as session:
        events.record(session, "drive.seen", "by nobody")
        events.record(session, "drive.seen", "by Anna", actor_id=1, address="192.168.1.7")
    everything = anna.get("/system/history").text
    assert "by nobody" in everything and "192.168.1.7" in everything and "Anna signed in." in everything
    hers = anna.get("/system/history?person=1").text
    assert "by nobody" not in hers and "Anna signed in." in hers
    drives = anna.get("/system/history?person=1&room=drive").text
    assert "by Anna" in drives and "Anna signed in." not in drives


@pytest.mark.parametrize("query", ["before=x", "before=-1", f"before={'9' * 40}", "person=²", "room=%00", "room='--"])
def test_a_strange_question_to_the_history_is_harmless(anna: Browser, query: str) -> None:
    assert anna.get(f"/system/history?{query}").status_code == 200


# ---- schedules


@pytest.fixture
def nightly(db: Database) -> int:
    with db.writing() as session:
        plan = Plan(Rhythm.DAILY, hour=3)
        return schedule.upsert(session, "backup.run", "cold:1", plan, title=Message("Copy to COLD-1")).id


def test_a_schedule_is_said_in_plain_words_and_given_another_time(anna: Browser, db: Database, nightly: int) -> None:
    assert "Every day at 03:00" in anna.get("/system/schedules").text
    bad = anna.post(f"/system/schedules/{nightly}", rhythm="weekly", time="25:00")
    assert bad.status_code == 422 and "Write a time like 03:00." in bad.text
    good = anna.post(f"/system/schedules/{nightly}", rhythm="weekly", time="04:30", days=["sunday", "monday"])
    assert "Every Monday and Sunday at 04:30" in anna.follow(good)
    with db.reading() as session:
        assert session.get_one(Schedule, nightly).cron == "30 4 * * 1,0"
        assert "starts at another time now: Every Monday and Sunday" in str(events.listing(session)[0].message)


def test_no_such_schedule_is_told(anna: Browser) -> None:
    assert anna.get("/system/schedules/9").status_code == 404
    assert anna.post("/system/schedules/9", rhythm="daily", time="03:00").status_code == 404
    assert anna.post("/system/schedules/9", rhythm="never").status_code == 404


# ---- keys


def test_a_key_is_shown_once_opens_the_api_and_can_be_taken_away(anna: Browser, app: Flask, db: Database) -> None:
    refused = anna.post("/system/keys", name="Lamp", own_password="wrong")
    assert (
        refused.status_code == 422 and "This is not your password." in refused.text and 'value="Lamp"' in refused.text
    )
    page = anna.post("/system/keys", name="Lamp", own_password=PASSWORD).text
    secret = re.search(r"everpx_[\w-]{40,}", page)
    assert secret is not None and secret[0] not in anna.get("/system/keys").text
    caller = app.test_client(use_cookies=False)
    headers = {"Authorization": f"Bearer {secret[0]}"}
    assert caller.get("/api/v1/session", headers=headers).status_code == 200
    with db.reading() as session:
        token = session.query(ApiToken).one()
        told = json.dumps([e.message.as_json() for e in events.listing(session)])
    assert secret[0] not in told
    assert anna.post(f"/system/keys/{token.id}/end").status_code == 303
    assert caller.get("/api/v1/session", headers=headers).status_code == 401


def test_the_key_of_somebody_else_cannot_be_taken_away_here(anna: Browser, db: Database) -> None:
    with db.writing() as session:
        ben = service.add(session, By(), name="Ben", password=PASSWORD)
        session.add(ApiToken(token_hash="x", user_id=ben.id, name="Bens"))
    assert "Bens" not in anna.get("/system/keys").text
    assert anna.post("/system/keys/1/end").status_code == 404


# ---- about


def test_about_tells_version_number_and_licence(anna: Browser, app: Flask) -> None:
    page = anna.get("/system/about").text
    assert app.extensions["everpx"].identity.station_id in page and "GPL-3.0-or-later" in page and "0.1.0" in page
