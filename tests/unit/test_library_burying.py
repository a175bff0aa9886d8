"""Whatever way a photo is deleted, and however early: the phone that has it is told not to send it again."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from blake3 import blake3
from sqlalchemy import select

from appliance.db import Database
from appliance.drives.layout import CLIENTS_BIN
from appliance.drives.mounts import Mount
from appliance.errors import NotFound
from appliance.jobs.models import Job
from appliance.library import bin as bins
from appliance.library import burying, emptying, index, put_aside, reading, tombstones
from appliance.library.models import BinnedFile, StoredFile, Unburied
from appliance.people.models import Role, User
from appliance.places import Places
from tests.hot_drive import hand_over, person
from tests.unit.test_library_bin import aged
from tests.unit.test_library_ingest import photo


@pytest.fixture
def hot(db: Database, places: Places, tmp_path: Path) -> Mount:
    return hand_over(db, places, tmp_path / "hot")


@pytest.fixture
def anna(db: Database) -> User:
    return person(db, role=Role.ADMIN)


@pytest.fixture
def unread(hot: Mount, db: Database, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A large film's place is a photo that came from a computer and that nobody has read."""
    path = hot.path / "Anna/Photos/came.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(photo())
    monkeypatch.setattr(reading, "SMALL", 0)
    index.look_at(db, hot, b"Anna/Photos")
    return path


def is_told(db: Database, anna: User, content: bytes) -> bool:
    digest = blake3(content).digest()
    with db.reading() as session:
        return tombstones.deleted(session, anna.id, [digest]) == {digest}


def waits(db: Database) -> int:
    with db.reading() as session:
        return len(session.scalars(select(Unburied)).all())


def test_a_photo_that_nobody_had_read_is_read_in_the_bin(db: Database, hot: Mount, anna: User, unread: Path) -> None:
    with db.reading() as session:
        assert session.scalars(select(StoredFile.digest)).one() is None
    row = bins.put(db, hot, b"Anna/Photos/came.jpg", user=anna.id, by=anna.id)
    assert not is_told(db, anna, photo())
    with db.reading() as session:
        assert session.scalars(select(Job.kind)).all() == [reading.JOB]
    burying.read_all(db, hot)
    assert is_told(db, anna, photo()) and waits(db) == 0
    with db.reading() as session:
        binned = session.get_one(BinnedFile, row.id)
    assert binned.digest == blake3(photo()).digest(), "so that room is made only of what a COLD drive has, too"
    bins.bring_back(db, hot, binned)
    assert not is_told(db, anna, photo())


def test_photos_of_a_folder_are_read_where_they_lie_now(db: Database, hot: Mount, anna: User, unread: Path) -> None:
    inner = unread.parent / "inner"
    inner.mkdir()
    (inner / "deep.jpg").write_bytes(photo(colour="red"))
    index.look_below(db, hot, b"Anna/Photos")
    bins.put(db, hot, b"Anna/Photos", user=anna.id, by=anna.id)
    assert waits(db) == 2
    burying.read_all(db, hot)
    assert is_told(db, anna, photo()) and is_told(db, anna, photo(colour="red"))


def test_nothing_is_removed_for_good_before_it_was_read(db: Database, hot: Mount, anna: User, unread: Path) -> None:
    row = bins.put(db, hot, b"Anna/Photos/came.jpg", user=anna.id, by=anna.id)
    assert emptying.erase(db, hot, [row]) == 1
    assert is_told(db, anna, photo()) and waits(db) == 0


def test_what_waits_is_read_every_day_whatever_job_was_lost(
    db: Database, places: Places, hot: Mount, anna: User, unread: Path
) -> None:
    bins.put(db, hot, b"Anna/Photos/came.jpg", user=anna.id, by=anna.id)
    aged(db, by=timedelta(days=40))
    assert emptying.clean(db, places) == 1
    assert is_told(db, anna, photo())


def test_brought_back_before_it_was_read_nobody_is_told(db: Database, hot: Mount, anna: User, unread: Path) -> None:
    row = bins.put(db, hot, b"Anna/Photos/came.jpg", user=anna.id, by=anna.id)
    bins.bring_back(db, hot, row)
    assert waits(db) == 0
    burying.read_all(db, hot)
    assert not is_told(db, anna, photo()) and unread.read_bytes() == photo()


def test_a_photo_deleted_on_a_computer_counts_although_its_row_went_first(
    db: Database, hot: Mount, anna: User, unread: Path
) -> None:
    aside = hot.path / "Anna" / CLIENTS_BIN / "Photos"
    aside.mkdir(parents=True)
    unread.rename(aside / "came.jpg")
    (aside / "letter.txt").write_text("no photo")
    index.look_at(db, hot, b"Anna/Photos")  # the watch was faster
    assert put_aside.gather(db, hot, b"Anna", anna.id) == 2
    burying.read_all(db, hot)
    assert is_told(db, anna, photo()) and not is_told(db, anna, b"no photo") and waits(db) == 0


def test_a_photo_that_cannot_be_read_waits_for_nobody(db: Database, hot: Mount, anna: User, unread: Path) -> None:
    row = bins.put(db, hot, b"Anna/Photos/came.jpg", user=anna.id, by=anna.id)
    (hot.path / os.fsdecode(row.stored_as)).unlink()
    burying.read_all(db, hot)
    assert waits(db) == 0 and not is_told(db, anna, photo())


def test_what_was_not_put_into_the_bin_leaves_nothing(db: Database, hot: Mount, anna: User, unread: Path) -> None:
    with pytest.raises(NotFound):
        bins.put(db, hot, b"Anna/Photos/never.jpg", user=anna.id, by=anna.id)
    assert waits(db) == 0
