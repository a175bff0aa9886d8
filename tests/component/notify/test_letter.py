"""The monthly letter: its figures are those of a real library with real copies, and it comes once a month."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from appliance.db import Database, now
from appliance.drives.models import Drive, DriveRole, DriveState
from appliance.jobs import schedule
from appliance.jobs.models import Schedule
from appliance.library import index
from appliance.people import service as people
from appliance.people.audit import By
from appliance.people.models import User
from appliance.places import Places
from console.translations import catalogue
from console.translations.speaking import Speaker
from plugins.notify import calendar, jobs, letter, writing
from plugins.notify.models import DeliveryKind, NotifyDelivery
from tests.backup_bed import Bed
from tests.callers import PASSWORD
from tests.component.notify.steps import add
from tests.photos import jpeg

pytestmark = pytest.mark.component


@pytest.fixture
def bed(db: Database, places: Places, anna: User, tmp_path: Path) -> Bed:
    """Two drives, 25 photos of Anna's and 3 of Ben's, known to the station."""
    made = Bed(db, places, tmp_path / "hot", tmp_path / "cold")
    with db.writing() as session:
        people.add(session, By(), name="Ben", password=PASSWORD)
    for number in range(28):
        made.write(f"{'Anna' if number < 25 else 'Ben'}/Photos/{number}.jpg", jpeg(number))
    walk(made)
    return made


def walk(bed: Bed) -> None:
    with bed.db.reading() as session:
        owners = index.Owners(session)
    index.walk(bed.progress(), bed.hot, owners, ZoneInfo("UTC"))


def written(bed: Bed, name: str = "Anna", language: str = "en") -> str:
    with bed.db.reading() as session:
        user = session.scalars(select(User).where(User.name == name)).one()
        return writing.write(letter.write(session, bed.places, user, now()), Speaker(language)).plain


def test_copies_are_counted_as_they_are(bed: Bed, tmp_path: Path) -> None:
    assert "28 of 28 are on one drive only." in written(bed)
    assert "3 of 3 are on one drive only." in written(bed, "Ben")
    bed.run()
    assert "All 28 photos and videos have 2 copies." in written(bed) and "28 came in this month." in written(bed)
    bed.cold = bed.drive(tmp_path / "cold2", DriveRole.COLD, 2, "ext4")
    assert "All 28 photos and videos have 2 copies." in written(bed)  # there are two drives, and one copy
    assert "COLD-2 has no proven copy yet." in written(bed)
    bed.run()
    assert "All 28 photos and videos have 3 copies." in written(bed)
    assert "All 3 photos and videos have 3 copies." in written(bed, "Ben")
    catalogue.compile_all()
    assert "28" in written(bed, "Anna", "zh") and "copies" not in written(bed, "Anna", "zh")
    bed.write("Anna/Photos/new.jpg", jpeg(100))
    walk(bed)
    assert "1 of 29 is on one drive only." in written(bed)
    assert "All 3 photos and videos have 3 copies." in written(bed, "Ben")
    bed.run()  # onto the second only
    assert "All 29 photos and videos have 2 copies." in written(bed)
    with bed.db.writing() as session:
        session.get_one(Drive, bed.cold.drive_id).state = DriveState.RETIRED
    assert "have 3 copies" not in written(bed) and "COLD-2" not in written(bed)


def test_drives_have_an_age_and_a_member_hears_nothing_of_them(bed: Bed) -> None:
    for days, said in (
        (0, "COLD-1 (COLD-1) is new."),
        (20, "COLD-1 (COLD-1) is new: it came 20 days ago."),
        (100, "COLD-1 (COLD-1) is 3 months old."),
        (4 * 365 + 30, "COLD-1 (COLD-1) is 4 years old."),
    ):
        with bed.db.writing() as session:
            session.get_one(Drive, bed.cold.drive_id).handed_over = now() - timedelta(days=days)
        assert said in written(bed)
    assert "COLD-1" not in written(bed, "Ben") and "HOT-1" not in written(bed, "Ben")


def planned(db: Database) -> datetime:
    with db.reading() as session:
        row = session.scalars(select(Schedule).where(Schedule.lock == calendar.LOCK)).one()
    assert row.next_due is not None
    return row.next_due


def started(db: Database, moment: datetime) -> int:
    with db.writing() as session:
        return len([job for job in schedule.start_due(session, moment) if job.kind == "notify.letter"])


def test_it_is_due_on_the_first_by_the_stations_clock_and_caught_up_once(db: Database, places: Places) -> None:
    with db.writing() as session:
        schedule.TIME_ZONE.set(session, "Asia/Shanghai")
        calendar.ensure(session)
        calendar.ensure(session)
    first = planned(db)
    there = first.astimezone(ZoneInfo("Asia/Shanghai"))
    assert (there.day, there.hour, there.minute) == (1, 8, 30) and first > now()
    assert started(db, datetime(1970, 1, 1, 0, 30, tzinfo=UTC)) == 0  # a clock that is not set yet
    assert started(db, first - timedelta(minutes=1)) == 0
    late = first + timedelta(days=3)  # it was off, over the first of the month
    assert started(db, late) == 1
    assert started(db, late + timedelta(hours=3)) == 0 and planned(db) > late + timedelta(days=20)


def test_no_month_gets_two(bed: Bed, anna: User) -> None:
    add(bed.db, bed.places, anna, "mail", address="anna@example.org")
    for _ in range(3):
        jobs.write_letter(bed.progress("notify.letter"))
    with bed.db.reading() as session:
        (row,) = session.scalars(select(NotifyDelivery).where(NotifyDelivery.kind == DeliveryKind.LETTER))
    assert row.content["subject"]["template"] == "Monthly letter: {first}"
