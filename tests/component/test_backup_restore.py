"""Bringing back: one file, a folder, a day, a whole drive; and the drill that proves it works."""

import os
import sqlite3
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, text, update

from appliance.backup import browse, drill, problems, restore, run, service
from appliance.backup.models import BackupRun, ColdFile, Drill
from appliance.db import Database, now
from appliance.drives import layout
from appliance.drives.models import DriveRole
from appliance.errors import NotFound
from appliance.people.models import DevicePassword, User
from appliance.places import Places
from tests.backup_bed import Bed, files_below

pytestmark = pytest.mark.component


@pytest.fixture
def bed(db: Database, places: Places, tmp_path: Path, program: Callable[[str], str]) -> Bed:
    program("rsync")
    made = Bed(db, places, tmp_path / "hot", tmp_path / "cold")
    for number in range(12):
        made.write(f"Anna/Photos/{number % 3}/{number}.jpg", b"first %d" % number * 30)
    made.write("Ben/note.txt", b"a note")
    made.run()
    return made


def bring(
    bed: Bed, path: bytes, *, day: date | None = None, version: int | None = None, to: Any = None
) -> dict[str, Any]:
    wanted = restore.Wanted(bed.cold.drive_id, bed.hot.drive_id, bed.hot.tag, path, day, version)
    return restore.restore(bed.progress("backup.restore"), wanted, to or bed.hot, bed.open_cold)


def test_one_file_comes_back(bed: Bed) -> None:
    lost = bed.hot.path / "Anna/Photos/1/4.jpg"
    modified = lost.stat().st_mtime_ns
    lost.unlink()
    assert bring(bed, b"Anna/Photos/1/4.jpg")["files"] == 1
    assert lost.read_bytes() == b"first 4" * 30
    assert lost.stat().st_mtime_ns == modified
    assert bed.run().get("nothing_to_do")


def test_a_folder_comes_back_beside_what_differs(bed: Bed) -> None:
    before = files_below(bed.hot.path)
    bed.write("Anna/Photos/0/0.jpg", b"edited since")
    (bed.hot.path / "Anna/Photos/0/3.jpg").unlink()
    done = bring(bed, b"Anna")
    assert (done["files"], done["beside"], done["equal"], done["failed"]) == (2, 1, 10, 0)
    assert (bed.hot.path / "Anna/Photos/0/0.jpg").read_bytes() == b"edited since"
    (beside,) = (bed.hot.path / "Anna/Photos/0").glob("0 (restored *).jpg")
    assert beside.read_bytes() == b"first 0" * 30
    assert (bed.hot.path / "Anna/Photos/0/3.jpg").read_bytes() == before[b"Anna/Photos/0/3.jpg"]
    again = bring(bed, b"Anna")  # what lies beside is found, too
    assert (again["files"], again["beside"], again["equal"]) == (0, 0, 12)
    beside.write_bytes(b"edited beside")
    assert bring(bed, b"Anna")["beside"] == 1  # nothing is overwritten, and nothing is lost
    assert beside.read_bytes() == b"edited beside"
    assert not any((bed.hot.path / layout.INCOMING).iterdir())


def test_everything_as_of_a_day_comes_back(bed: Bed) -> None:
    first = files_below(bed.hot.path)
    as_if_days_ago(bed, 2)
    bed.write("Anna/Photos/0/0.jpg", b"edited")
    (bed.hot.path / "Ben/note.txt").unlink()
    bed.run()
    yesterday = now().date() - timedelta(days=1)
    with bed.db.reading() as session:
        shelf = browse.browse(session, bed.cold.drive_id, "HOT-1", b"Ben", yesterday)
        assert [copy.name for copy in shelf.files] == [b"note.txt"]
        assert browse.browse(session, bed.cold.drive_id, "HOT-1", b"Ben").files == []
    bring(bed, b"", day=yesterday)
    back = files_below(bed.hot.path)
    assert back[b"Ben/note.txt"] == first[b"Ben/note.txt"]
    assert first[b"Anna/Photos/0/0.jpg"] in back.values()
    assert back[b"Anna/Photos/0/0.jpg"] == b"edited"


def as_if_days_ago(bed: Bed, days: int) -> None:
    """Everything that the copy knows happened so long ago."""
    with bed.db.writing() as session:
        shift = f"-{days} days"
        for table, column in (("cold_file", "since"), ("old_version", "since"), ("old_version", "put_away")):
            session.execute(text(f"update {table} set {column} = datetime({column}, :shift) || '.0'"), {"shift": shift})
        session.execute(text("update old_version set day = date(day, :shift)"), {"shift": shift})


def held_on(bed: Bed, day: date | None, path: bytes = b"Ben") -> dict[bytes, int]:
    """The files of a folder as the copy had them, with their sizes."""
    with bed.db.reading() as session:
        shelf = browse.browse(session, bed.cold.drive_id, "HOT-1", path, day)
    return {copy.name: copy.size for copy in shelf.files}


def test_a_day_shows_what_the_copy_held_on_it_and_nothing_that_came_later(bed: Bed, tmp_path: Path) -> None:
    as_if_days_ago(bed, 4)
    bed.write("Ben/note.txt", b"edited")
    bed.write("Ben/short lived.txt", b"came and went")
    bed.write("Cleo/new.txt", b"a person who came later")
    bed.run()
    as_if_days_ago(bed, 2)  # the first copy is six days old now
    (bed.hot.path / "Ben/short lived.txt").unlink()
    bed.write("Ben/newest.txt", b"newest")
    bed.run()
    today = datetime.now(ZoneInfo("UTC")).date()
    held = [held_on(bed, today - timedelta(days=days)) for days in (7, 6, 3, 2, 0)]
    first, second = {b"note.txt": 6}, {b"note.txt": 6, b"short lived.txt": 13}
    assert held == [{}, first, first, second, {b"note.txt": 6, b"newest.txt": 6}]
    with bed.db.reading() as session:
        tops = [browse.browse(session, bed.cold.drive_id, "HOT-1", b"", today - timedelta(days=n)) for n in (7, 3, 2)]
    assert [top.folders for top in tops] == [[], [b"Anna", b"Ben"], [b"Anna", b"Ben", b"Cleo"]]
    fresh = bed.drive(tmp_path / "hot-2", DriveRole.HOT, 2, "ext4")
    bring(bed, b"", day=today - timedelta(days=3), to=fresh)
    assert len(files_below(fresh.path)) == 13
    assert files_below(fresh.path)[b"Ben/note.txt"] == b"a note"
    with pytest.raises(problems.NotACopy):
        bring(bed, b"Ben/newest.txt", day=today - timedelta(days=1))


def test_what_was_copied_before_it_was_noted_counts_as_always_there(bed: Bed) -> None:
    with bed.db.writing() as session:
        session.execute(update(ColdFile).values(since=None))
    assert held_on(bed, date(2020, 1, 1)) == {b"note.txt": 6}
    (bed.hot.path / "Ben/note.txt").unlink()
    bed.run()
    assert held_on(bed, date(2020, 1, 1)) == {b"note.txt": 6}


def test_equal_bytes_copied_again_were_held_all_the_time(bed: Bed) -> None:
    as_if_days_ago(bed, 3)
    os.utime(bed.hot.path / "Ben/note.txt", (1, 1))
    bed.run()
    assert held_on(bed, now().date() - timedelta(days=2)) == {b"note.txt": 6}


def test_bytes_that_rotted_are_no_older_version(bed: Bed) -> None:
    as_if_days_ago(bed, 3)
    with bed.db.writing() as session:
        session.execute(update(ColdFile).values(proven=now() - timedelta(days=200)))
    rotten = bed.cold.path / "HOT-1/Ben/note.txt"
    facts = rotten.stat()
    rotten.write_bytes(b"A note")
    os.utime(rotten, ns=(facts.st_mtime_ns, facts.st_mtime_ns))
    assert bed.run()["repaired"] == 1
    with bed.db.reading() as session:
        assert browse.versions_of(session, bed.cold.drive_id, "HOT-1", b"Ben/note.txt") == []
    (bed.hot.path / "Ben/note.txt").unlink()
    assert bring(bed, b"Ben/note.txt", day=now().date() - timedelta(days=2))["files"] == 1


def test_both_versions_of_one_day_can_be_brought_back(bed: Bed) -> None:
    for words in (b"second", b"the third"):
        bed.write("Ben/note.txt", words)
        bed.run()
    with bed.db.reading() as session:
        found = browse.versions_of(session, bed.cold.drive_id, "HOT-1", b"Ben/note.txt")
    later, earlier = found
    assert later.day == earlier.day
    assert later.put_away and earlier.put_away and later.put_away > earlier.put_away
    for number, (copy, content) in enumerate(((later, b"second"), (earlier, b"a note")), start=1):
        assert bring(bed, b"Ben/note.txt", version=copy.version)["files"] == 1
        back = sorted((bed.hot.path / "Ben").glob("note (restored *).txt"))
        assert len(back) == number and content in [path.read_bytes() for path in back]
    assert (bed.hot.path / "Ben/note.txt").read_bytes() == b"the third"


def test_a_version_of_another_file_is_not_brought_back(bed: Bed) -> None:
    bed.write("Ben/note.txt", b"second")
    bed.run()
    with bed.db.reading() as session:
        (old,) = browse.versions_of(session, bed.cold.drive_id, "HOT-1", b"Ben/note.txt")
    with pytest.raises(problems.NotACopy):
        bring(bed, b"Anna/Photos/1/4.jpg", version=old.version)
    with bed.db.writing() as session, pytest.raises(NotFound):
        service.restore(session, bed.cold.drive_id, "HOT-1", b"Anna/Photos/1/4.jpg", version=old.version)


def test_a_new_hot_drive_is_rebuilt_from_cold(bed: Bed, tmp_path: Path) -> None:
    before = files_below(bed.hot.path)
    fresh = bed.drive(tmp_path / "hot-2", DriveRole.HOT, 2, "ext4")
    done = bring(bed, b"", to=fresh)
    assert done["files"] == len(before)
    assert files_below(fresh.path) == before
    assert bring(bed, b"", to=fresh) | {"bytes": 0} == {"files": 0, "bytes": 0, "equal": 13, "beside": 0, "failed": 0}


def test_a_rotten_copy_is_not_brought_back_and_said(bed: Bed) -> None:
    rotten = bed.cold.path / "HOT-1/Ben/note.txt"
    rotten.write_bytes(b"A note")
    (bed.hot.path / "Ben/note.txt").unlink()
    assert bring(bed, b"Ben")["failed"] == 1
    assert not (bed.hot.path / "Ben/note.txt").exists()


def test_a_link_in_the_way_is_never_followed(bed: Bed, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (bed.hot.path / "Ben/note.txt").unlink()
    (bed.hot.path / "Ben").rmdir()
    (bed.hot.path / "Ben").symlink_to(tmp_path / "elsewhere")
    done = bring(bed, b"Ben/note.txt")
    assert done["failed"] == 1
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_was_never_copied_cannot_be_brought_back(bed: Bed) -> None:
    with pytest.raises(problems.NotACopy):
        bring(bed, b"Anna/Photos/never.jpg")
    with pytest.raises(problems.NotACopy):
        bring(bed, b"../../etc/passwd")
    with bed.db.reading() as session, pytest.raises(NotFound):
        browse.browse(session, bed.cold.drive_id, "HOT-1", b"no such folder")


def test_browsing_needs_no_cold_drive(bed: Bed) -> None:
    on = bed.times_on
    with bed.db.reading() as session:
        top = browse.browse(session, bed.cold.drive_id, "HOT-1")
        assert top.folders == [b"Anna", b"Ben"]
        assert browse.browse(session, bed.cold.drive_id, "HOT-1", b"Anna").folders == [b"Photos"]
        photos = browse.browse(session, bed.cold.drive_id, "HOT-1", b"Anna/Photos/2")
        assert [copy.name for copy in photos.files] == [b"11.jpg", b"2.jpg", b"5.jpg", b"8.jpg"]
    assert bed.times_on == on


def test_a_drill_brings_files_back_and_tells_the_truth(bed: Bed) -> None:
    target = run.Target(bed.cold.drive_id, "COLD-1")
    progress = bed.progress("backup.drill")
    assert drill.drill(progress, target, bed.hots, bed.open_cold) == {"tried": 13, "good": 13}
    (bed.cold.path / "HOT-1/Ben/note.txt").write_bytes(b"rotten")
    assert drill.drill(progress, target, bed.hots, bed.open_cold) == {"tried": 13, "good": 12}
    with bed.db.reading() as session:
        assert [(row.tried, row.good) for row in session.scalars(select(Drill))] == [(13, 13), (13, 12)]
    assert not any((bed.hot.path / layout.INCOMING).iterdir())


def test_a_run_practises_once_a_month_by_itself(bed: Bed) -> None:
    on = bed.times_on
    bed.run()
    assert bed.times_on == on  # nothing to do, nothing due: the drive stays off
    with bed.db.writing() as session:
        session.execute(update(BackupRun).values(finished=now() - timedelta(days=40)))
    bed.run()
    bed.run()
    with bed.db.reading() as session:
        assert [(row.tried, row.good) for row in session.scalars(select(Drill))] == [(13, 13)]
    assert bed.times_on == on + 1


def test_the_database_copy_opens_and_holds_no_way_in(bed: Bed) -> None:
    with bed.db.engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into throttle (key, failures, last) values ('account:anna', 3, '2026-11-22 00:00:00')"
        )
    with bed.db.writing() as session:
        anyone = session.scalars(select(User)).first() or User(name="Anna", folder="Anna", password_hash="")
        session.add(anyone)
        session.flush()
        session.add(DevicePassword(secret_hash="x", user_id=anyone.id, name="phone"))
    bed.write("Anna/more.jpg", b"more")
    bed.run()
    for drive in (bed.hot, bed.cold):
        copy = sqlite3.connect(drive.path / layout.STATION_COPY / "everpx.db")
        assert copy.execute("pragma integrity_check").fetchone() == ("ok",)
        assert copy.execute("select count(*) from cold_file").fetchone() == (14,)
        for table in ("sign_in", "api_token", "device_password", "throttle"):
            assert copy.execute(f"select count(*) from {table}").fetchone() == (0,)
        copy.close()
    assert [path.name for path in (bed.cold.path / layout.STATION_COPY).iterdir()] == ["everpx.db"]


def test_versions_of_a_file_are_listed_newest_first(bed: Bed) -> None:
    for number in range(3):
        bed.write("Ben/note.txt", b"edit %d" % number * (number + 2))
        bed.run()
    with bed.db.reading() as session:
        found = browse.versions_of(session, bed.cold.drive_id, "HOT-1", b"Ben/note.txt")
        contents = [(bed.cold.path / os.fsdecode(copy.place)).read_bytes() for copy in found]
    assert contents == [b"edit 1" * 3, b"edit 0" * 2, b"a note"]


def test_the_numbers_are_said_in_words(bed: Bed) -> None:
    from appliance.backup.plan import Numbers

    numbers = Numbers(new=412, changed=9, bytes=14_200_000_000)
    with bed.db.reading() as session:
        said = str(service.plan_words(session, bed.cold.drive_id, numbers))
        assert said == "412 new, 9 changed, 0 deleted, 14.2 GB, about 8 min"
