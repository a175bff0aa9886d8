"""Importing from a folder: the report first, then what is new, once; cancelled or killed it comes to the same."""

import os
import random
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from blake3 import blake3
from sqlalchemy import select

from appliance.db import Database
from appliance.errors import Conflict
from appliance.jobs import service as jobs
from appliance.jobs.models import Job, JobState, Wish
from appliance.library.models import StoredFile, Tombstone
from appliance.places import Places
from plugins.importer import service
from plugins.importer.models import FileState, RunState
from tests.component.importing import Importing, report
from tests.folder_root import FolderRoot
from tests.photos import jpeg

pytestmark = pytest.mark.component
DAY = datetime(2019, 7, 1, 12, 30)  # noqa: DTZ001 - a camera's clock


@pytest.fixture
def at(db: Database, places: Places, folder_root: FolderRoot) -> Importing:
    """The station."""
    return Importing(db, places, folder_root)


@pytest.fixture
def old(at: Importing) -> Path:
    """A folder with photos, and things that are none."""
    folder = at.hot.path / "Old computer"
    (folder / "Summer").mkdir(parents=True)
    for number in range(6):
        (folder / "Summer" / f"IMG_{number}.jpg").write_bytes(jpeg(number, DAY))
    (folder / "scan.jpg").write_bytes(jpeg(50))
    (folder / "again.jpg").write_bytes(jpeg(0, DAY))
    (folder / "letter.txt").write_bytes(b"Dear all")
    (folder / "page.jpg").write_bytes(b"<html>")
    (folder / "link.jpg").symlink_to("/etc/passwd")
    return folder


def test_the_report_comes_before_anything_is_written(at: Importing, old: Path) -> None:
    run = at.folder("Old computer")
    assert report(run) == {"new": 7, "twice": 1, "undated": 1, "left_out": 2}
    assert run.state is RunState.READY and at.files() == 0 and at.names() == [] and at.left_behind() == []


def test_what_is_new_comes_in_once_with_its_date_and_its_bytes(at: Importing, old: Path) -> None:
    before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file() and not path.is_symlink()}
    run = at.bring(at.folder("Old computer"))
    assert run.state is RunState.DONE and run.result["done"] == 7
    assert [name for name in at.names() if "2019" in name] == [
        *[f"Photos/2019/2019-07/IMG_{n}.jpg" for n in range(1, 6)],
        "Photos/2019/2019-07/again.jpg",
    ]
    assert {media.taken_from for media in at.photos()} == {"exif", "client"}
    with at.db.reading() as session:
        digests = set(session.scalars(select(StoredFile.digest)))
    assert digests == {blake3(jpeg(n, DAY)).digest() for n in range(6)} | {blake3(jpeg(50)).digest()}
    assert at.left_behind() == []
    assert before == {path: path.read_bytes() for path in before}

    again = at.folder("Old computer")
    assert report(again) == {"known": 8, "left_out": 2}
    assert at.bring(again).result["done"] == 0 and len(at.photos()) == 7


def test_what_was_deleted_here_is_counted_and_left_until_asked_for(at: Importing, old: Path) -> None:
    with at.db.writing() as session:
        session.add(Tombstone(user_id=at.anna.id, digest=blake3(jpeg(3, DAY)).digest()))
    run = at.folder("Old computer")
    assert report(run) == {"new": 6, "twice": 1, "deleted": 1, "undated": 1, "left_out": 2}
    assert at.bring(run).result["done"] == 6 and len(at.photos()) == 6
    assert at.bring(at.folder("Old computer"), deleted_too=True).result["done"] == 1 and len(at.photos()) == 7


def test_what_changed_since_the_report_comes_in_as_it_is_now(at: Importing, old: Path) -> None:
    run = at.folder("Old computer")
    (old / "Summer" / "IMG_2.jpg").unlink()
    with (old / "Summer" / "IMG_4.jpg").open("ab") as file:  # it is new again, at another size
        file.write(b"more")
    assert at.bring(run).result["done"] == 6 and len(at.photos()) == 6
    with at.db.reading() as session:
        rows = {os.fsdecode(row.path): row for row in service.details(session, run.source_id, FileState.DONE)}
    assert "Summer/IMG_2.jpg" not in rows and "Summer/IMG_4.jpg" in rows


def test_cancelling_keeps_what_came_in_and_leaves_nothing_half_done(at: Importing, old: Path) -> None:
    many(old, 2000)
    run = at.start(at.folder("Old computer"))
    process = at.work_apart(run)
    until(lambda: at.files() >= 10)
    with at.db.writing() as session:
        jobs.wish(session, run.job_id or 0, Wish.CANCEL)
    process.wait(60)
    with at.db.reading() as session:
        assert session.get_one(Job, run.job_id or 0).state is JobState.CANCELLED
    came = at.files()
    assert at.run(run.id).state is RunState.STOPPED and 10 <= came < 2000 and at.left_behind() == []
    at.bring(at.run(run.id))
    assert len(at.photos()) == 2007
    with pytest.raises(Conflict), at.db.writing() as session:
        service.start_import(session, run.id, deleted_too=False, asked_by=None)


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_any_moment_it_goes_on_and_comes_to_the_same(at: Importing, old: Path, seed: int) -> None:
    many(old, 150)
    chance = random.Random(seed)
    run = at.start(at.folder("Old computer"))
    for _ in range(4):
        process = at.work_apart(run)
        files = at.files()
        until(lambda: at.files() > files + 5 or process.poll() is not None)  # noqa: B023
        time.sleep(chance.random() * 0.15)
        process.kill()
        process.wait()
        with at.db.writing() as session:
            jobs.recover(session)
    process = at.work_apart(run)
    process.wait(60)
    assert at.run(run.id).state is RunState.DONE
    assert len(at.photos()) == 157 == len(at.names()) and at.left_behind() == []
    assert {blake3(path.read_bytes()).digest() for path in (at.hot.path / "Anna").rglob("*.jpg")} == {
        blake3(path.read_bytes()).digest() for path in old.rglob("*.jpg") if path.name not in ("page.jpg", "link.jpg")
    }
    assert report(at.folder("Old computer")) == {"known": 158, "left_out": 2}


def many(folder: Path, count: int) -> None:
    for number in range(count):
        (folder / f"P{number:04d}.jpg").write_bytes(jpeg(1000 + number, datetime(2020, 1 + number % 12, 3, tzinfo=UTC)))


def until(what: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)
