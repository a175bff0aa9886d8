"""Messages: nights, accounts with each channel, and who may be reached where."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from appliance import identity, reach
from appliance.db import Database, now
from appliance.errors import Forbidden, Invalid
from appliance.health import service as health
from appliance.health.models import Severity
from appliance.health.service import Finding
from appliance.people import service as people
from appliance.people.audit import By
from appliance.people.models import Role, User
from appliance.places import Places
from appliance.words import Message
from console.translations.speaking import Speaker
from plugins.notify import letter, outbox, service, whole_station, writing
from plugins.notify.models import DeliveryState, NotifyDelivery, NotifyRules, NotifyTold
from plugins.notify.quiet import quiet_until
from plugins.notify.ways import WAYS
from tests.callers import PASSWORD

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def anna(db: Database, places: Places, quick_passwords: None) -> User:
    identity.create(places)
    with db.writing() as session:
        user = people.add(session, By(), name="Anna", password=PASSWORD, role=Role.ADMIN)
        session.add(NotifyRules(user_id=user.id))  # told at any hour: tests run at night as well
        return user


def add(db: Database, places: Places, user: User) -> int:
    form = {"address": "anna@example.org", "least": "warning", "solved": "on"}
    with db.writing() as session:
        return service.save(session, places, By(), user, WAYS["mail"], form, None).id


def tell(db: Database, code: str, severity: Severity = Severity.WARNING) -> None:
    with db.writing() as session:
        health.tell(session, Finding(code, severity, Message("Trouble."), Message("Look.")))


def sent(db: Database, moment: datetime) -> str | None:
    """What goes out at this moment: its subject."""
    with db.writing() as session:
        outbox.plan(session, moment)
        envelope = outbox.take(session, moment)
        if envelope is None:
            return None
        outbox.arrived(session, envelope, moment)
        return str(Message.from_json(envelope.delivery.content["subject"]))


@pytest.mark.parametrize(
    ("moment", "ends"),
    [
        (datetime(2026, 1, 5, 22, 30, tzinfo=UTC), datetime(2026, 1, 6, 6, 0, tzinfo=UTC)),
        (datetime(2026, 1, 5, 12, 0, tzinfo=UTC), None),
        (datetime(2026, 3, 28, 22, 0, tzinfo=UTC), datetime(2026, 3, 29, 5, 0, tzinfo=UTC)),  # an hour shorter
        (datetime(2026, 10, 24, 21, 0, tzinfo=UTC), datetime(2026, 10, 25, 6, 0, tzinfo=UTC)),  # an hour longer
    ],
)
def test_a_night_ends_by_the_clock_on_the_wall(moment: datetime, ends: datetime | None) -> None:
    assert quiet_until("22:00", "07:00", moment, BERLIN) == ends


def test_told_once_reminded_and_told_when_it_is_over(db: Database, places: Places, anna: User) -> None:
    add(db, places, anna)
    tell(db, "trouble")
    start = now()
    assert sent(db, start) == "Trouble."
    assert sent(db, start + timedelta(days=1)) is None
    assert sent(db, start + timedelta(days=7)) == "Still so: Trouble."
    with db.writing() as session:
        health.settle(session, "trouble")
    assert sent(db, start + timedelta(days=8)) is None
    assert sent(db, start + timedelta(days=8, hours=2)) == "Solved: Trouble."
    assert sent(db, start + timedelta(days=9)) is None


def test_what_comes_and_goes_is_one_matter(db: Database, places: Places, anna: User) -> None:
    add(db, places, anna)
    start = now()
    for step in range(6):
        tell(db, "trouble")
        assert sent(db, start + timedelta(minutes=30 * step)) == (None if step else "Trouble.")
        with db.writing() as session:
            health.settle(session, "trouble")
        assert sent(db, start + timedelta(minutes=30 * step + 15)) is None


def test_a_night_holds_news_back_and_danger_goes_through(db: Database, places: Places, anna: User) -> None:
    add(db, places, anna)
    with db.writing() as session:
        form = {"quiet_from": "00:00", "quiet_until": "23:59", "danger_wakes": "on", "remind_days": "7"}
        service.save_rules(session, anna, form)
    tell(db, "trouble")
    noon = now().replace(hour=12, minute=0)
    assert sent(db, noon) is None
    tell(db, "worse", Severity.DANGER)
    assert sent(db, noon) == "2 things need you"


def test_a_letter_that_somebody_asks_for_comes_at_night_too(db: Database, places: Places, anna: User) -> None:
    add(db, places, anna)
    noon = now().replace(hour=12, minute=0)
    with db.writing() as session:
        form = {"quiet_from": "00:00", "quiet_until": "23:59", "danger_wakes": "on", "remind_days": "7"}
        service.save_rules(session, anna, form)
        (channel,) = service.channels(session, anna.id)
        text = letter.write(session, places, anna, noon)
        service.post_letter(session, channel, text, "2026-11")
        assert outbox.next_due(session, noon) is None, "the month's own waits for the morning"
        service.post_letter(session, channel, text, f"{outbox.ASKED_FOR}1")
        due = outbox.next_due(session, now())
        assert due is not None and due.key.startswith(outbox.ASKED_FOR)


def test_an_undelivered_message_is_given_up_after_days_and_not_written_anew(
    db: Database, places: Places, anna: User
) -> None:
    add(db, places, anna)
    tell(db, "trouble")
    start, tries = now(), 0
    for hour in range(6 * 24):
        moment = start + timedelta(hours=hour)
        with db.writing() as session:
            outbox.plan(session, moment)
            envelope = outbox.take(session, moment)
            if envelope is not None:
                tries += 1
                outbox.failed(session, envelope, Message("No."), slow=False, moment=moment)
    with db.reading() as session:
        states = [row.state for row in session.query(NotifyDelivery)]
    assert states == [DeliveryState.GIVEN_UP] and 10 < tries < 30


def test_a_channel_does_not_tell_of_its_own_failing(db: Database, places: Places, anna: User) -> None:
    mine = add(db, places, anna)
    other = add(db, places, anna)
    with db.writing() as session:
        finding = Finding("notify_failing", Severity.WARNING, Message("Lost."), Message(""), subject=f"channel:{mine}")
        health.tell(session, finding)
        outbox.plan(session, now())
        assert [row.channel_id for row in session.query(NotifyTold)] == [other]


def test_members_choose_from_what_reaches_outside(db: Database, places: Places, anna: User) -> None:
    with db.writing() as session:
        ben = people.add(session, By(), name="Ben", password=PASSWORD, role=Role.MEMBER)
        with pytest.raises(Forbidden):
            service.way_for(ben, "webhook")
        form = {"server": "http://127.0.0.1", "topic": "topic", "least": "warning"}
        with pytest.raises(Invalid) as caught:
            service.save(session, places, By(), ben, WAYS["ntfy"], form, None)
    assert "server" in caught.value.problems
    assert not reach.is_public("192.168.1.1") and not reach.is_public("::ffff:10.0.0.1") and reach.is_public("1.1.1.1")


def test_nothing_secret_is_kept_in_the_clear(db: Database, places: Places, anna: User) -> None:
    with db.writing() as session:
        form = {
            "server": "https://ntfy.example.org",
            "topic": "nobody-guesses",
            "token": "tk_secret",
            "least": "warning",
        }
        service.save(session, places, By(anna.id), anna, WAYS["ntfy"], form, None)
    for name in ("everpx.db", "everpx.db-wal"):
        stored = (places.data / name).read_bytes() if (places.data / name).exists() else b""
        assert b"nobody-guesses" not in stored and b"tk_secret" not in stored


def test_a_password_is_not_kept_for_another_host(db: Database, places: Places, anna: User) -> None:
    form = {"host": "a.example.org", "port": "587", "security": "starttls", "user": "box", "password": "p"}
    form |= {"sender": "a@example.org"}
    with db.writing() as session:
        whole_station.save_mail(session, places, By(), form)
        whole_station.save_mail(session, places, By(), form | {"sender": "b@example.org", "password": ""})
        assert whole_station.mail_server(session, places).password == "p"  # type: ignore[union-attr]
        whole_station.save_mail(session, places, By(), form | {"password": "", "host": "b.org"})
        assert whole_station.mail_server(session, places).password == ""  # type: ignore[union-attr]


def test_the_letter_is_written_in_the_persons_language(db: Database, places: Places, anna: User) -> None:
    with db.reading() as session:
        text = letter.write(session, places, anna, now())
    assert "There are none yet." in writing.write(text, Speaker("en")).plain
    assert "还没有。" in writing.write(text, Speaker("zh")).plain
    assert "http" not in writing.write(text, Speaker("en")).html
