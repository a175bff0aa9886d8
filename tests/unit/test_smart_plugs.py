"""Smart plugs without plugs: addresses that are refused, secrets, forms, meters that lie, hours and money."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from appliance import identity, plugin
from appliance.db import Database, now
from appliance.drives.models import Drive, DriveRole, PowerMove, PowerState
from appliance.errors import Invalid
from appliance.health.service import HealthContext
from appliance.places import Places
from console import charts
from plugins.smart_plugs import energy, health, secrets, service
from plugins.smart_plugs.models import PlugKind, PlugMonth, Reading, SmartPlug, Switching
from plugins.smart_plugs.protocols import reach, web, webhook
from plugins.smart_plugs.protocols.answers import PlugError

WEBHOOK = {
    "kind": "webhook",
    "name": "Hook",
    "on_url": "https://example.org/on?key=geheim",
    "off_url": "http://10.0.0.9/x",
}
MQTT = {"kind": "mqtt", "name": "Zigbee", "host": "10.0.0.5", "topic": "zigbee2mqtt/plug/set", "password": "geheim"}


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "0.0.0.0", "169.254.169.254", "::1", "fe80::1", "224.0.0.1", "8.8.8.8", "2130706433"],
)
def test_addresses_that_are_not_the_homes_are_refused(host: str) -> None:
    with pytest.raises(PlugError) as refused:
        reach.address_of(host, 80)
    assert refused.value.code in ("not_allowed", "no_answer")


def test_only_a_webhook_over_https_may_lead_out_and_only_mqtt_to_this_machine(tmp_path: Path, monkeypatch: Any) -> None:
    assert reach.address_of("8.8.8.8", 443, public=True) == "8.8.8.8"
    with pytest.raises(PlugError):
        reach.address_of("169.254.169.254", 80, public=True)
    with pytest.raises(PlugError):
        reach.address_of("127.0.0.1", 443, public=True)
    assert reach.address_of("127.0.0.1", 1883, ours=True) == "127.0.0.1"
    assert reach.address_of("10.1.2.3", 80) == "10.1.2.3"
    listed = tmp_path / "plugs"
    listed.write_text("127.0.0.1:8123\n")
    monkeypatch.setenv(reach.TEST_PLUGS, str(listed))
    assert reach.address_of("127.0.0.1", 8123) == "127.0.0.1"
    with pytest.raises(PlugError):
        reach.address_of("127.0.0.1", 8124)


@pytest.mark.parametrize("address", ["ftp://10.0.0.1/", "http://user@10.0.0.1/", "http:///x", "http://10.0.0.1:99999/"])
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(PlugError):
        web.split(address)


@pytest.mark.parametrize("body", [b"", b"maybe", b"[" * 100_000, b"\xff\xfe", b'{"state": 7}', b"null"])
def test_what_a_plug_says_is_on_off_or_unknown(body: bytes) -> None:
    try:
        assert webhook.from_text(body).on is None
    except PlugError as error:
        assert error.code == "garbage"


def test_a_question_to_this_machine_ends_in_words() -> None:
    plug = {"kind": "shelly", "key": "", "host": "127.0.0.1", "user": "", "password": "", "place": {}, "private": {}}
    argv = [sys.executable, "-m", "plugins.smart_plugs.protocols.asked"]
    asked = json.dumps({"do": "read", "plug": plug})
    done = subprocess.run(argv, input=asked, text=True, capture_output=True, timeout=60, check=True)
    assert json.loads(done.stdout)["error"] == "not_allowed"


def test_nothing_heavy_is_imported_by_what_idles() -> None:
    code = (
        "import sys, plugins.smart_plugs.hooks, plugins.smart_plugs.driver, plugins.smart_plugs.jobs;"
        "print(sorted({'kasa', 'paho', 'aiohttp', 'cryptography', 'flask'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_secrets_are_sealed_and_another_card_cannot_open_them(db: Database, places: Places, tmp_path: Path) -> None:
    with db.writing() as session:
        hook = service.add_by_hand(session, places, WEBHOOK)
        mqtt = service.add_by_hand(session, places, MQTT)
    stored = places.database.read_bytes() + Path(f"{places.database}-wal").read_bytes()
    assert b"geheim" not in stored
    assert secrets.opened(places, hook.secret)["on_url"].endswith("key=geheim")
    assert secrets.opened(places, mqtt.secret) == {"password": "geheim"}
    other = Places(data=tmp_path / "other", run=places.run)
    other.data.mkdir()
    identity.create(other)
    assert secrets.opened(other, mqtt.secret) == {}


def test_forms_name_every_problem(db: Database, places: Places) -> None:
    wrong: list[tuple[dict[str, str], set[str]]] = [
        ({"kind": "mqtt"}, {"name", "host", "topic"}),
        (MQTT | {"topic": "a/#", "port": "70000"}, {"topic", "port"}),
        ({"kind": "webhook", "name": "x", "off_url": "javascript:alert(1)"}, {"on_url", "off_url"}),
        (WEBHOOK | {"method": "DELETE"}, {"method"}),
        ({"kind": "toaster", "name": "x"}, {"kind"}),
    ]
    for form, fields in wrong:
        with db.writing() as session, pytest.raises(Invalid) as refused:
            service.add_by_hand(session, places, form)
        assert set(refused.value.problems) == fields
    with db.writing() as session:
        service.add_by_hand(session, places, MQTT)
    with db.writing() as session, pytest.raises(Invalid):
        service.add_by_hand(session, places, MQTT)
    with db.writing() as session, pytest.raises(Invalid):
        service.start_look_at(session, {"kind": "shelly", "host": "http://x y"})


def reading(hours: float, **values: Any) -> Reading:
    """One, so long after the first."""
    at = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=hours)
    return Reading(plug_id=1, at=at, **({"on": True, "watts": None, "counter_wh": None} | values))


@pytest.mark.parametrize(
    ("last", "later", "wh"),
    [
        (reading(0, counter_wh=100.0), reading(2, counter_wh=112.5), 12.5),
        (reading(0, counter_wh=900.0), reading(2, counter_wh=3.0), 3.0),  # a new month, a reset
        (reading(0, counter_wh=0.0), reading(1, counter_wh=1e9), None),  # no socket gives that
        (reading(0, watts=6.0), reading(0.5, watts=0.0), 3.0),
        (reading(0, watts=6.0), reading(9, watts=6.0), None),  # too far apart to know
        (reading(0, watts=6.0, on=False), reading(1, watts=6.0), None),
        (reading(5, counter_wh=1.0), reading(1, counter_wh=2.0), None),  # the clock was put back
    ],
)
def test_what_went_through_between_two_readings(last: Reading, later: Reading, wh: float | None) -> None:
    assert energy.since(last, later) == wh


def a_drive(session: Any, number: int, **values: Any) -> Drive:
    """A COLD drive."""
    row = Drive(marker_id=f"c{number}", role=DriveRole.COLD, number=number, name=f"Cold {number}", colour="blue",
                filesystem="ext4", filesystem_uuid=f"u{number}", size=1, **values)  # fmt: skip
    session.add(row)
    session.flush()
    return row


def test_hours_by_plug_and_by_use_and_over_the_end_of_a_month(db: Database) -> None:
    today = now()
    first = today.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    with db.writing() as session:
        plugged, by_hand = a_drive(session, 1), a_drive(session, 2)
        plug = SmartPlug(kind=PlugKind.SHELLY, key="A:0", name="Plug", has_meter=True)
        session.add(plug)
        session.flush()
        service.assign(session, plug.id, {plugged.id})
        for at, on in ((first - timedelta(hours=2), True), (first + timedelta(hours=1), False)):
            session.add(Switching(plug_id=plug.id, drive_id=plugged.id, on=on, done=True, at=at))
        began = first - timedelta(hours=5)
        for minutes, state in ((0, PowerState.SPINNING_UP), (30, PowerState.MOUNTED), (90, PowerState.FLUSHING),
                               (91, PowerState.UNMOUNTED), (200, PowerState.OFF)):  # fmt: skip
            session.add(PowerMove(drive_id=by_hand.id, state=state, at=began + timedelta(minutes=minutes)))
        session.add(PlugMonth(plug_id=plug.id, month=f"{today:%Y-%m}", wh=1500.0))
    with db.reading() as session:
        told = energy.year(session)
    before, this = told.months[-2:]
    one, two = told.drives
    assert one.by_plug and one.hours == pytest.approx({before: 2.0, this: 1.0})
    assert not two.by_plug and two.hours == pytest.approx({before: 61 / 60})
    assert told.kwh(this) == 1.5 and len(told.months) == 12


def test_bars_are_drawn_for_nothing_and_for_much() -> None:
    drawn = charts.bars([charts.Series("<b>", "is-blue", [0, 0.25, 730.0])], ["a", "b", "c"], "Label", "hours")
    assert drawn.count("<rect") == 2 and "1000 hours" in drawn and "<b>" not in drawn
    assert "1 hours" in charts.bars([charts.Series("", "", [0.001])], ["a"], "Label", "hours")


def test_home_stays_quiet_unless_a_plug_that_is_used_needs_somebody(db: Database, places: Places) -> None:
    plugin.load(db)

    def found() -> dict[str, str]:
        with db.reading() as session:
            context = HealthContext(session, lambda *_: {}, places, None)
            return {finding.code: str(finding.message) for finding in health.plugs(context)}

    with db.writing() as session:
        plug = SmartPlug(kind=PlugKind.SHELLY, key="A:0", name="Cellar", problem_code="plug_silent")
        session.add(plug)
        drive = a_drive(session, 1)
    assert found() == {}, "nothing hangs on it"
    with db.writing() as session:
        service.assign(session, plug.id, {drive.id})
    assert found() == {"plug_unheard": "The plug “Cellar” was not heard of for some days."}
    with db.writing() as session:
        row = session.scalars(select(SmartPlug)).one()
        row.answered, row.problem_code, row.is_on = now(), "", True
    assert set(found()) == {"plug_on_idle"}
    with db.writing() as session:
        session.scalars(select(Drive)).one().power_state = PowerState.MOUNTED
    assert found() == {}
