"""Messages by the API: everybody's own, nothing secret comes back, and what failed is sent again."""

from datetime import timedelta
from typing import Any

import pytest

from appliance.db import Database, now
from appliance.events import Event
from appliance.health import service as health
from appliance.health.models import Severity
from appliance.health.service import Finding
from appliance.people.models import User
from appliance.words import Message
from plugins.notify import outbox
from plugins.notify.models import NotifyDelivery, NotifyTold
from tests.callers import Caller

ROOM = "/plugins/notify"
MAIL = {"kind": "mail", "given": {"address": "ben@example.org"}}
TOKEN = "tk_nobody_may_read_this"
NTFY = {"kind": "ntfy", "given": {"server": "https://ntfy.example.org", "topic": "hidden-topic", "token": TOKEN}}


def failed(db: Database, *, slow: bool = True, moment: Any = None) -> None:
    """One try that comes to nothing."""
    moment = moment or now()
    with db.writing() as session:
        outbox.plan(session, moment)
        envelope = outbox.take(session, moment)
        assert envelope is not None
        outbox.failed(session, envelope, Message("No."), slow=slow, moment=moment)


def test_a_way_is_added_changed_tried_and_removed(member: Caller, admin: Caller, db: Database) -> None:
    made = member("POST", f"{ROOM}/ways", MAIL)
    assert (made.status_code, made.json["shown"], made.json["least"]) == (201, "ben@example.org", "warning")
    way = f"{ROOM}/ways/{made.json['id']}"
    changed = member("PUT", way, {"given": {"address": "b@example.org"}, "least": "danger", "letter": False}).json
    assert (changed["shown"], changed["least"], changed["solved"], changed["letter"]) == (
        "b@example.org", "danger", True, False,
    )  # fmt: skip
    tried = member("POST", f"{way}/test")
    assert (tried.status_code, tried.json["state"], tried.json["kind"]) == (202, "waiting", "test")
    assert member("POST", f"{way}/test").json["id"] == tried.json["id"]  # one that waits is not sent twice
    assert [one["id"] for one in member("GET", f"{ROOM}/deliveries").json] == [tried.json["id"]]
    for method, path, body in (("PUT", way, {"given": {}}), ("DELETE", way, None), ("POST", f"{way}/test", None)):
        assert admin(method, path, body).status_code == 404, path  # not even an admin: they are Ben's
    assert admin("GET", f"{ROOM}/ways").json == [] and admin("GET", f"{ROOM}/deliveries").json == []
    assert member("DELETE", way).status_code == 204 and member("GET", f"{ROOM}/ways").json == []


def test_nothing_secret_comes_back_out(member: Caller, admin: Caller, db: Database) -> None:
    made = member("POST", f"{ROOM}/ways", NTFY).json
    assert made["given"] == {"server": "https://ntfy.example.org"}
    kept = member("PUT", f"{ROOM}/ways/{made['id']}", {"given": {"server": "https://ntfy.example.org"}})
    assert kept.status_code == 200  # the topic stays although it was not said again
    server = {"host": "smtp.example.org", "user": "box", "password": TOKEN, "sender": "box@example.org"}
    told = admin("PUT", f"{ROOM}/station/mail-server", server)
    assert told.json["mail_server"] == "smtp.example.org:465"
    alive = admin("PUT", f"{ROOM}/station/sign-of-life", {"address": f"https://hc.example.org/{TOKEN}", "hours": 3})
    assert (alive.json["signal"], alive.json["signal_hours"]) == ("hc.example.org", 3)
    everything = [member("GET", f"{ROOM}{path}").text for path in ("/ways", "/deliveries", "/kinds", "/rules")]
    everything += [admin("GET", f"{ROOM}/station").text, told.text, alive.text, kept.text]
    with db.reading() as session:
        everything += [str(event.message.as_json()) for event in session.query(Event)]
    assert all(TOKEN not in text and "hidden-topic" not in text for text in everything)


def test_a_member_reaches_only_outside_and_does_not_set_up_the_station(member: Caller) -> None:
    for given in ({"kind": "webhook", "given": {}}, {"kind": "other", "given": {"address": "json://example.org"}}):
        assert member("POST", f"{ROOM}/ways", given).status_code == 403
    for host in ("127.0.0.1", "192.168.1.1", "[::1]", "2130706433", "localhost"):
        answer = member("POST", f"{ROOM}/ways", {"kind": "ntfy", "given": {"server": f"http://{host}", "topic": "t"}})
        assert answer.json["problems"].keys() == {"server"}, host
    assert {one["kind"] for one in member("GET", f"{ROOM}/kinds").json} == {"mail", "ntfy", "telegram"}
    assert member("PUT", f"{ROOM}/station/mail-server", {"host": "a", "sender": "a@b"}).status_code == 403


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"kind": "pigeon", "given": {}}, 404),
        ({"kind": "mail", "given": {}}, {"address"}),
        ({"kind": "mail", "given": {"address": "a@b\r\nBcc: c@d"}}, {"address"}),
        ({"kind": "mail", "given": {"address": "a@b, c@d"}}, {"address"}),
        ({"kind": "mail", "given": {"address": "a@example.org", "solved": "on"}}, {"given.solved"}),
        ({"kind": "mail", "given": {"address": "a" * 5000 + "@example.org"}}, {"address"}),
        ({"kind": "mail", "given": {"address": "a@example.org"}, "least": "panic"}, {"least"}),
        ({"kind": "ntfy", "given": {"server": "https://a.example/path", "topic": "t"}}, {"server"}),
        ({"kind": "ntfy", "given": {"server": "https://u:p@a.example", "topic": "🦜"}}, {"server", "topic"}),
    ],
)
def test_what_cannot_be_is_refused(body: dict[str, Any], wrong: Any, member: Caller) -> None:
    answer = member("POST", f"{ROOM}/ways", body)
    if isinstance(wrong, int):
        assert answer.status_code == wrong
    else:
        assert (answer.status_code, set(answer.json["problems"])) == (422, wrong)
    assert member("GET", f"{ROOM}/ways").json == []


def test_there_is_an_end_of_ways(member: Caller) -> None:
    answers = [member("POST", f"{ROOM}/ways", MAIL).status_code for _ in range(11)]
    assert answers == [201] * 10 + [422]


def test_nights_have_a_default_and_are_ones_own(member: Caller, admin: Caller) -> None:
    usual = {"quiet_from": "22:00", "quiet_until": "07:00", "danger_wakes": True, "remind_days": 7}
    assert member("GET", f"{ROOM}/rules").json == usual
    chosen = {"quiet_from": "", "quiet_until": "", "danger_wakes": False, "remind_days": 0}
    assert member("PUT", f"{ROOM}/rules", chosen).json == chosen
    assert admin("GET", f"{ROOM}/rules").json == usual
    wrong = member("PUT", f"{ROOM}/rules", chosen | {"quiet_from": "25:00", "remind_days": 4}).json["problems"]
    assert wrong.keys() == {"quiet_from", "remind_days", "quiet_until"}


def test_what_was_given_up_is_sent_again_with_what_is_still_so(admin: Caller, db: Database) -> None:
    admin("POST", f"{ROOM}/ways", MAIL)
    with db.writing() as session:
        for code in ("one", "two"):
            health.tell(session, Finding(code, Severity.DANGER, Message(f"Trouble {code}."), Message("Look.")))
    start = now()
    for hours in (0, 80):
        failed(db, moment=start + timedelta(hours=hours))
    (lost,) = admin("GET", f"{ROOM}/deliveries").json
    assert (lost["state"], lost["attempts"], lost["problem"], lost["next_try"]) == ("given_up", 2, "No.", None)
    with db.writing() as session:
        health.settle(session, "one")
    assert admin("POST", f"{ROOM}/deliveries/{lost['id']}/again").status_code == 202
    with db.writing() as session:
        outbox.plan(session, start + timedelta(hours=81))
    new, old = admin("GET", f"{ROOM}/deliveries").json
    assert (new["state"], new["subject"], old["id"]) == ("waiting", "Trouble two.", lost["id"])
    with db.reading() as session:
        assert session.query(NotifyTold).count() == 2  # that one is over is told in an hour


def test_what_waits_long_is_tried_now(admin: Caller, member: Caller, db: Database) -> None:
    way = admin("POST", f"{ROOM}/ways", MAIL).json
    with db.writing() as session:
        health.tell(session, Finding("one", Severity.DANGER, Message("Trouble."), Message("Look.")))
    failed(db)
    (stuck,) = admin("GET", f"{ROOM}/deliveries").json
    assert stuck["state"] == "waiting" and stuck["next_try"] > f"{now() + timedelta(hours=5):%Y-%m-%dT%H}"
    assert member("POST", f"{ROOM}/deliveries/{stuck['id']}/again").status_code == 404
    for ask in (
        lambda: admin("POST", f"{ROOM}/deliveries/{stuck['id']}/again"),
        lambda: admin("PUT", f"{ROOM}/ways/{way['id']}", {"given": {"address": "anna@example.org"}}),
        lambda: admin("PUT", f"{ROOM}/station/mail-server", {"host": "smtp.example.org", "sender": "a@example.org"}),
    ):
        ask()
        with db.writing() as session:
            row = session.get_one(NotifyDelivery, stuck["id"])
            assert row.next_try <= now()
            row.next_try = now() + timedelta(hours=6)


def test_a_test_that_fails_is_tried_a_few_times_and_no_more(member: Caller, db: Database) -> None:
    way = member("POST", f"{ROOM}/ways", MAIL).json
    member("POST", f"{ROOM}/ways/{way['id']}/test")
    start = now()
    for minutes in (0, 10, 30):
        failed(db, slow=False, moment=start + timedelta(minutes=minutes))
    (lost,) = member("GET", f"{ROOM}/deliveries").json
    assert (lost["state"], lost["attempts"]) == ("given_up", 3)
    assert member("GET", f"{ROOM}/ways").json[0]["problem"] == "No."
    assert member("POST", f"{ROOM}/deliveries/{lost['id']}/again").json["state"] == "waiting"


def test_the_letter_is_ones_own(member: Caller, admin: Caller) -> None:
    theirs, ours = (who("GET", f"{ROOM}/letter").json for who in (member, admin))
    assert theirs["subject"] == "The monthly letter from your station"
    assert [part["head"] for part in theirs["parts"]] == ["Your photos and videos"]
    assert ours["parts"][0]["lines"] == ["There are none yet."]


def test_the_station_is_set_up_and_undone(admin: Caller) -> None:
    wrong = admin("PUT", f"{ROOM}/station/mail-server", {"host": "a b", "port": 0, "sender": "x", "security": "magic"})
    assert wrong.json["problems"].keys() == {"host", "port", "sender", "security"}
    lost = {"host": "smtp.example.org", "sender": "a@example.org", "security": "plain", "user": "box", "password": "p"}
    assert admin("PUT", f"{ROOM}/station/mail-server", lost).json["problems"].keys() == {"security"}
    assert admin("PUT", f"{ROOM}/station/sign-of-life", {"hours": 5}).json["problems"].keys() == {
        "signal", "signal_hours",
    }  # fmt: skip
    for what in ("mail-server", "sign-of-life"):
        assert admin("DELETE", f"{ROOM}/station/{what}").status_code == 204
    assert admin("GET", f"{ROOM}/station").json["mail_server"] == ""


def test_a_message_speaks_the_language_that_its_reader_saw(member: Caller, db: Database, app: Any, places: Any) -> None:
    """Ben never chose one; his browser speaks Chinese."""
    from plugins.notify import service
    from plugins.notify.models import NotifyChannel

    made = member("POST", f"{ROOM}/ways", MAIL, environ_overrides={"HTTP_ACCEPT_LANGUAGE": "zh-CN,zh;q=0.9"})
    with db.reading() as session:
        row = session.get_one(NotifyChannel, made.json["id"])
        assert session.get_one(User, row.user_id).language == ""
        assert service.given_of(places, row)[service.LANGUAGE] == "zh"
