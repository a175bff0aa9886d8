"""Bringing back: one file, a folder, a day, a whole drive; and the drill that proves it works."""

import os
import sqlite3
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from backup_bed import Bed, files_below
from sqlalchemy import select, update

from appliance.backup import browse, drill, problems, restore, run, service
from appliance.backup.models import BackupRun, Drill
from appliance.db import Database, now
from appliance.drives import layout
from appliance.drives.models import DriveRole
from appliance.errors import NotFound
from appliance.places import Places

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


def bring(bed: Bed, path: bytes, *, day: date | None = None, to: Any = None) -> dict[str, Any]:
    wanted = restore.Wanted(bed.cold.drive_id, bed.hot.drive_id, bed.hot.tag, path, day)
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
    assert bring(bed, b"Anna")["beside"] == 1  # again: nothing is overwritten, and nothing is lost
    assert not any((bed.hot.path / layout.INCOMING).iterdir())


def test_everything_as_of_a_day_comes_back(bed: Bed) -> None:
    first = files_below(bed.hot.path)
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
    bed.write("Anna/more.jpg", b"more")
    bed.run()
    for drive in (bed.hot, bed.cold):
        copy = sqlite3.connect(drive.path / layout.STATION_COPY / "everpx.db")
        assert copy.execute("pragma integrity_check").fetchone() == ("ok",)
        assert copy.execute("select count(*) from cold_file").fetchone() == (14,)
        for table in ("sign_in", "api_token", "throttle"):
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
