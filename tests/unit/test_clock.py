"""Whether the clock may be believed, and what nobody does by a clock that may not."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance import clock
from appliance.broker.client import SocketBroker
from appliance.clock import built
from appliance.db import Database
from appliance.drives.models import Drive, DriveRole
from appliance.health import hardware, station
from appliance.health.models import Severity
from appliance.health.service import HealthContext
from appliance.jobs import schedule
from appliance.jobs.plan import Plan, Rhythm
from appliance.library import emptying
from appliance.library.models import BinnedFile
from appliance.people import service as people
from appliance.people import sign_ins
from appliance.people.audit import By
from appliance.people.models import Role, SignIn
from appliance.places import Places
from appliance.words import Message
from tests.callers import PASSWORD

Y2000, Y2099 = datetime(2000, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)


class Box:
    """A box whose clock, time server and uptime a test decides."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.time_server, self.patch = folder / "timesync", patch
        self.time_server.mkdir()
        patch.setattr(clock, "SYSTEMD", folder)
        patch.setattr(clock, "TIMESYNC", self.time_server)
        self.shows(datetime.now(UTC), up=timedelta(minutes=1))

    def shows(self, moment: datetime, up: timedelta) -> None:
        """The clock shows that, so long after the start."""

        class Shown(datetime):
            @classmethod
            def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
                return moment

        for module in (clock, hardware):
            self.patch.setattr(module, "datetime", Shown)
        for module in (emptying, sign_ins):
            self.patch.setattr(module, "now", lambda: moment)
        self.patch.setattr(clock, "uptime", up.total_seconds)

    def is_set(self) -> None:
        (self.time_server / "synchronized").touch()

    def restarts(self) -> None:
        (self.time_server / "synchronized").unlink(missing_ok=True)
        self.patch.setattr(clock, "boot_id", lambda: "another")


@pytest.fixture
def box(places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    folder = tmp_path / "systemd"
    folder.mkdir()
    yield Box(folder, monkeypatch)


def test_a_computers_clock_is_believed_unless_it_shows_what_has_passed(places: Places) -> None:
    assert not clock.SYSTEMD.is_dir() or clock.is_set() is not None
    for moment, wrong in ((Y2000, True), (built() - timedelta(days=1), True), (built() + timedelta(days=1), False)):
        shown = clock.Clock(moment, None, built())
        assert (shown.is_wrong, shown.is_trusted) == (wrong, not wrong)


@pytest.mark.parametrize("moment", [Y2000, Y2099])
def test_at_a_start_nothing_is_deleted_by_a_clock_that_nobody_set(box: Box, places: Places, moment: datetime) -> None:
    box.shows(moment, up=timedelta(minutes=1))
    shown = clock.read(places)
    assert not shown.is_trusted
    assert shown.passed <= built()
    assert shown.likely >= built()
    clock.note(places)
    assert not (places.data / "clock.json").exists(), "what it shows is not noted"


def test_a_time_server_is_believed_and_what_it_said_is_kept_for_the_next_start(box: Box, places: Places) -> None:
    moment = built() + timedelta(days=400)
    box.is_set()
    box.shows(moment, up=timedelta(minutes=1))
    assert clock.read(places).is_trusted
    clock.note(places)
    box.restarts()
    box.shows(built() + timedelta(days=30), up=timedelta(minutes=1))
    assert clock.read(places).is_wrong, "a month after the build, but a year before what has passed"
    assert clock.read(places).floor == moment


def test_a_clock_that_only_went_on_is_believed(box: Box, places: Places) -> None:
    """A home without internet: systemd begins where the last run ended."""
    moment = built() + timedelta(days=10)
    clock.believe(places, moment)
    box.restarts()
    box.shows(moment + timedelta(minutes=2), up=timedelta(minutes=1))
    assert clock.read(places).is_trusted
    for days in range(1, 40):
        box.shows(moment + timedelta(days=days), up=timedelta(days=days))
        assert clock.read(places).is_trusted, days
        clock.note(places)
    box.shows(moment + timedelta(days=80), up=timedelta(days=40))
    assert not clock.read(places).is_trusted, "it ran away"


def test_a_server_that_said_a_wrong_time_does_not_stop_the_right_one(box: Box, places: Places) -> None:
    box.is_set()
    box.shows(Y2099, up=timedelta(minutes=1))
    clock.note(places)
    box.shows(built() + timedelta(days=5), up=timedelta(minutes=2))
    assert clock.read(places).is_trusted
    clock.note(places)
    assert clock.read(places).floor == built() + timedelta(days=5)


@pytest.mark.parametrize("moment", [Y2000, Y2099])
def test_a_damaged_note_is_as_none(box: Box, places: Places, moment: datetime) -> None:
    for text in ("", "{}", '{"passed": 7}', json.dumps({"passed": moment.isoformat(), "boot": 1})):
        (places.data / "clock.json").write_text(text)
        assert clock.read(places).floor == built()


def test_on_the_image_the_kernel_is_not_asked(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """The units are ended for that question."""
    box.time_server.rmdir()
    monkeypatch.setattr(clock.sensors, "clock_status", lambda: pytest.fail("asked"))
    monkeypatch.delenv("EVERPX_SERVICES", raising=False)
    assert clock.is_set() is False


@pytest.mark.parametrize(("status", "answer"), [(0x40, False), (0x2001, True), (None, False)])
def test_on_another_computer_the_kernel_knows(
    box: Box, monkeypatch: pytest.MonkeyPatch, status: int | None, answer: bool
) -> None:
    box.time_server.rmdir()
    monkeypatch.setenv("EVERPX_SERVICES", "launcher")
    monkeypatch.setattr(clock.sensors, "clock_status", lambda: status)
    assert clock.is_set() is answer


def test_the_kernel_answers() -> None:
    assert clock.sensors.clock_status() is not None


def test_schedules_wait_for_a_clock_that_shows_what_has_passed(box: Box, places: Places, db: Database) -> None:
    clock.believe(places, built() + timedelta(days=100))
    with db.writing() as session:
        schedule.upsert(session, "backup.run", "cold:1", Plan(Rhythm.DAILY, 3), title=Message("Copy"), moment=built())
        assert schedule.due(session, Y2000) == []
        assert schedule.due(session, built() + timedelta(days=50)) == []
        assert len(schedule.due(session, built() + timedelta(days=101))) == 1
        assert len(schedule.due(session, Y2099)) == 1, "copies only add: they are made by any other clock"


def binned(db: Database, moment: datetime) -> None:
    with db.writing() as session:
        anna = people.add(session, By(), name="Anna", password=PASSWORD, role=Role.ADMIN)
        drive = Drive(
            role=DriveRole.HOT,
            number=1,
            name="Blue",
            marker_id="x",
            colour="blue",
            filesystem_uuid="x",
            filesystem="ext4",
            model="",
            serial="",
            size=1,
        )
        session.add(drive)
        session.flush()
        row = {"path": b"Anna/a", "stored_as": b".everpx/bin/x/a", "size": 1, "binned": moment}
        session.add(BinnedFile(drive_id=drive.id, user_id=anna.id, expires=moment + timedelta(days=30), **row))


def test_what_was_deleted_before_the_clock_was_set_keeps_its_days(box: Box, places: Places, db: Database) -> None:
    """Off for two months, started without internet, something deleted; then the internet comes."""
    last, today = built() + timedelta(days=1), built() + timedelta(days=61)
    clock.believe(places, last)
    box.restarts()
    box.shows(last + timedelta(minutes=5), up=timedelta(minutes=5))
    assert clock.note(places) is None
    binned(db, last + timedelta(minutes=3))
    box.is_set()
    box.shows(today, up=timedelta(minutes=10))
    jump = clock.note(places)
    assert jump is not None
    assert emptying.date_anew(db, jump) == 1
    with db.reading() as session:
        (row,) = session.query(BinnedFile)
        assert row.expires > today + timedelta(days=29)
    assert clock.note(places) is None, "once"


def test_nobody_is_signed_out_by_a_wrong_clock(box: Box, places: Places, db: Database, quick_passwords: None) -> None:
    today = built() + timedelta(days=3)
    clock.believe(places, today)
    box.shows(today, up=timedelta(minutes=1))
    with db.writing() as session:
        people.add(session, By(), name="Anna", password=PASSWORD, role=Role.ADMIN)
        token = sign_ins.sign_in(session, "Anna", PASSWORD, "10.0.0.2", "Firefox")[1]
        session.query(SignIn).update({"last_seen": today, "created": today})
    later = today + timedelta(days=31)
    for moment, is_set, known in ((Y2099, False, True), (Y2000, False, True), (later, True, False)):
        if is_set:
            box.is_set()
        box.shows(moment, up=timedelta(minutes=2))
        with db.reading() as session:
            assert (sign_ins.who(session, token) is not None) is known, moment


def test_it_is_told_and_a_person_may_say_that_the_time_is_right(box: Box, places: Places, db: Database) -> None:
    def found() -> list[tuple[str, Severity]]:
        with db.reading() as session:
            context = HealthContext(session, SocketBroker(places.broker_socket), places, None)
            return [(f.code, f.severity) for f in (*hardware.clock_not_set(context), *station.clock_wrong(context))]

    box.shows(Y2000, up=timedelta(hours=1))
    assert found() == [("clock_wrong", Severity.WARNING)]
    later = built() + timedelta(days=500)
    box.shows(later, up=timedelta(minutes=1))
    assert found() == []
    box.shows(later, up=timedelta(hours=1))
    assert found() == [("clock_not_set", Severity.WARNING)]
    with db.writing() as session:
        hardware.clock_is_right(session, SocketBroker(places.broker_socket), places)
    assert found() == []
    assert clock.read(places).is_trusted
    box.shows(later + timedelta(days=1), up=timedelta(hours=25))
    assert found() == [("clock_not_set", Severity.NOTICE)]
    box.is_set()
    assert found() == []
