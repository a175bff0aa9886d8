"""What is deleted can be brought back, leaves no row behind, and converges whatever line a plug was pulled at."""

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from appliance.backup.models import OldVersion
from appliance.db import Database, now
from appliance.drives.layout import BIN
from appliance.drives.models import DriveRole
from appliance.drives.mounts import Mount
from appliance.errors import NotFound
from appliance.jobs.models import Job
from appliance.library import bin as bins
from appliance.library import emptying, index, reading, room
from appliance.library.arrivals import Arrival, Stored
from appliance.library.ingest import Ingest
from appliance.library.models import BinnedFile, Media, StoredFile, Tombstone
from appliance.people.models import Role, User
from appliance.places import Places
from tests.hot_drive import hand_over, person
from tests.unit.test_library_ingest import photo, spooled


@pytest.fixture
def hot(db: Database, places: Places, tmp_path: Path) -> Mount:
    return hand_over(db, places, tmp_path / "hot")


@pytest.fixture
def anna(db: Database) -> User:
    return person(db, role=Role.ADMIN)


@pytest.fixture
def stored(db: Database, places: Places, hot: Mount, anna: User) -> Stored:
    """A photo of Anna."""
    arrival = Arrival(anna.id, anna.folder, "IMG_1.jpg")
    return Ingest(db, places).take(hot, spooled(hot, photo()), arrival)


def count(db: Database, what: type[StoredFile] | type[Media] | type[BinnedFile] | type[Tombstone]) -> int:
    with db.reading() as session:
        return session.scalar(select(func.count()).select_from(what)) or 0


def in_bin(hot: Mount) -> list[str]:
    return sorted(path.name for path in (hot.path / BIN).rglob("*") if path.is_file())


def aged(db: Database, **by: timedelta) -> None:
    """As if the deletions had been some time ago."""
    with db.writing() as session:
        for row in session.scalars(select(BinnedFile)):
            moment = row.binned - by["by"]
            session.execute(update(Tombstone).where(Tombstone.deleted == row.binned).values(deleted=moment))
            row.binned, row.expires = moment, row.expires - by["by"]


def test_a_deleted_photo_lies_in_the_bin_with_its_notes_and_phones_are_told(
    db: Database, hot: Mount, anna: User, stored: Stored
) -> None:
    sidecar = hot.path / (os.fsdecode(stored.path) + ".xmp")
    sidecar.write_text("<x/>")
    row = bins.put(db, hot, stored.path, user=anna.id, by=anna.id)
    assert in_bin(hot) == ["IMG_1.jpg", "IMG_1.jpg.xmp"]
    assert (hot.path / os.fsdecode(row.stored_as)).read_bytes() == photo()
    assert not sidecar.exists()
    assert (count(db, StoredFile), count(db, Media), count(db, Tombstone)) == (0, 0, 1)
    assert (row.size, row.digest) == (len(photo()), stored.digest)


def test_what_is_brought_back_is_in_the_library_again_and_no_longer_called_deleted(
    db: Database, hot: Mount, anna: User, stored: Stored
) -> None:
    sidecar = hot.path / (os.fsdecode(stored.path) + ".xmp")
    sidecar.write_text("<x/>")
    row = bins.put(db, hot, stored.path, user=anna.id, by=anna.id)
    back = bins.bring_back(db, hot, row)
    assert back == bins.BroughtBack(stored.path, is_folder=False)
    assert sidecar.read_text() == "<x/>" and in_bin(hot) == []
    assert list((hot.path / BIN).iterdir()) == []
    with db.reading() as session:
        media = session.execute(select(StoredFile.digest, Media.user_id).join(Media).where(True)).all()
    assert [tuple(each) for each in media] == [(stored.digest, anna.id)]
    assert (count(db, BinnedFile), count(db, Tombstone)) == (0, 0)
    with pytest.raises(NotFound):
        bins.bring_back(db, hot, row)


def test_a_taken_name_gets_a_number_and_nothing_is_replaced(
    db: Database, hot: Mount, anna: User, stored: Stored
) -> None:
    place = hot.path / os.fsdecode(stored.path)
    row = bins.put(db, hot, stored.path, user=anna.id, by=anna.id)
    place.write_bytes(b"somebody else's")
    back = bins.bring_back(db, hot, row)
    assert back.path.endswith(b"/IMG_1 (2).jpg")
    assert (hot.path / os.fsdecode(back.path)).read_bytes() == photo()
    assert place.read_bytes() == b"somebody else's"


def test_a_folder_goes_and_comes_back_whole(db: Database, hot: Mount, anna: User, stored: Stored) -> None:
    folder = stored.path.rpartition(b"/")[0]
    row = bins.put(db, hot, folder, user=anna.id, by=anna.id)
    assert (row.size, count(db, StoredFile), count(db, Tombstone)) == (len(photo()), 0, 1)
    assert not (hot.path / os.fsdecode(folder)).exists()
    (hot.path / os.fsdecode(folder)).mkdir()
    back = bins.bring_back(db, hot, row)
    assert back.is_folder and back.path == folder + b" (2)"
    assert (hot.path / os.fsdecode(back.path) / "IMG_1.jpg").read_bytes() == photo()
    assert count(db, Tombstone) == 0


def jobs_waiting(db: Database) -> list[str]:
    with db.reading() as session:
        return list(session.scalars(select(Job.kind)))


def test_what_was_in_a_folder_is_in_the_library_when_it_is_back(
    db: Database, hot: Mount, anna: User, stored: Stored
) -> None:
    inner = hot.path / os.fsdecode(stored.path).rpartition("/")[0] / "inner"
    inner.mkdir()
    (inner / "deep.jpg").write_bytes(photo(colour="red"))
    folder = stored.path.rpartition(b"/")[0]
    bins.bring_back(db, hot, bins.put(db, hot, folder, user=anna.id, by=anna.id))
    with db.reading() as session:
        assert sorted(session.scalars(select(StoredFile.name))) == [b"IMG_1.jpg", b"deep.jpg"]
        assert None not in session.scalars(select(StoredFile.digest)).all()
    assert count(db, Media) == 2 and jobs_waiting(db) == []


def test_a_folder_too_large_to_wait_for_is_looked_through_by_a_job(
    db: Database, hot: Mount, anna: User, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH", 1)
    folder = stored.path.rpartition(b"/")[0]
    bins.bring_back(db, hot, bins.put(db, hot, folder, user=anna.id, by=anna.id))
    assert count(db, Media) == 1 and jobs_waiting(db) == [index.JOB]


def test_nothing_but_files_and_folders_can_be_deleted_and_no_link_is_followed(
    db: Database, hot: Mount, anna: User, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("x")
    (hot.path / "Anna").mkdir()
    (hot.path / "Anna/link").symlink_to(tmp_path / "outside")
    for path in (b"Anna/link", b"Anna/link/secret", b"Anna/none", b"../outside/secret", b""):
        with pytest.raises(NotFound):
            bins.put(db, hot, path, user=anna.id, by=anna.id)
    assert (tmp_path / "outside/secret").exists() and count(db, BinnedFile) == 0


def test_of_many_those_before_a_missing_one_are_in_the_bin_and_the_rest_stays(
    db: Database, hot: Mount, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    (hot.path / "Anna").mkdir()
    for number in range(4):
        (hot.path / f"Anna/{number}").write_text("x")
    rename = os.rename

    def lost(source: bytes, *rest: bytes, **more: int) -> None:
        if source == b"2":
            (hot.path / "Anna/2").unlink()
        rename(source, *rest, **more)

    monkeypatch.setattr("appliance.library.bin.os.rename", lost)
    with pytest.raises(NotFound):
        bins.put_all(db, hot, [b"Anna/%d" % number for number in range(4)], user=anna.id, by=anna.id)
    assert in_bin(hot) == ["0", "1"] and (hot.path / "Anna/3").exists()
    assert count(db, BinnedFile) == 2


class Cut(BaseException):
    """The plug was pulled here."""


def test_after_a_cut_before_the_rename_nothing_was_deleted(
    db: Database, hot: Mount, anna: User, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> None:
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr("appliance.library.bin._move_away", cut)
        with pytest.raises(Cut):
            bins.put(db, hot, stored.path, user=anna.id, by=anna.id)
    assert count(db, BinnedFile) == 1
    assert emptying.settle(db, hot) == 0, "it may be under way still"
    aged(db, by=timedelta(hours=1))
    assert emptying.settle(db, hot) == 1
    assert (count(db, BinnedFile), count(db, Tombstone), count(db, Media)) == (0, 0, 1)


def test_after_a_cut_after_the_rename_it_is_deleted(
    db: Database, hot: Mount, anna: User, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> None:
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr("appliance.library.bin.forget", cut)
        with pytest.raises(Cut):
            bins.put(db, hot, stored.path, user=anna.id, by=anna.id)
    assert in_bin(hot) == ["IMG_1.jpg"] and count(db, Media) == 1
    aged(db, by=timedelta(hours=1))
    emptying.settle(db, hot)
    assert (count(db, BinnedFile), count(db, Tombstone), count(db, Media)) == (1, 1, 0)


def test_after_a_cut_while_bringing_back_the_file_is_there_and_the_row_goes(
    db: Database, hot: Mount, anna: User, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = bins.put(db, hot, stored.path, user=anna.id, by=anna.id)

    def cut(*_: object) -> None:
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr("appliance.library.bin.never_mind", cut)
        with pytest.raises(Cut):
            bins.bring_back(db, hot, row)
    aged(db, by=timedelta(hours=1))
    emptying.settle(db, hot)
    assert (count(db, BinnedFile), count(db, Tombstone)) == (0, 0)
    assert (hot.path / os.fsdecode(stored.path)).read_bytes() == photo()
    index.look_at(db, hot, stored.path.rpartition(b"/")[0])
    assert count(db, Media) == 1


def test_what_has_expired_is_removed_and_nothing_else(
    db: Database, places: Places, hot: Mount, anna: User, stored: Stored
) -> None:
    bins.put(db, hot, stored.path, user=anna.id, by=anna.id)
    aged(db, by=timedelta(days=31))
    (hot.path / "Anna/later").write_text("x")
    bins.put(db, hot, b"Anna/later", user=anna.id, by=anna.id)
    assert emptying.clean(db, places) == 1
    assert in_bin(hot) == ["later"]
    assert count(db, Tombstone) == 1, "phones are still told that it was deleted"


def test_what_no_row_knows_of_expires_by_the_drives_own_dates(db: Database, places: Places, hot: Mount) -> None:
    for name, days in (("old", 31), ("new", 29)):
        folder = hot.path / BIN / name
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
        moment = (now() - timedelta(days=days)).timestamp()
        os.utime(folder, (moment, moment))
    assert emptying.clean(db, places) == 1
    assert [path.name for path in (hot.path / BIN).iterdir()] == ["new"]


def test_a_full_drive_gives_up_what_a_cold_drive_has_as_well(
    db: Database, places: Places, hot: Mount, anna: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (hot.path / "Anna").mkdir()
    for name in ("copied", "not copied"):
        (hot.path / "Anna" / name).write_text(name)
    index.look_at(db, hot, b"Anna")
    with db.reading() as session:
        digest = session.scalar(select(StoredFile.digest).where(StoredFile.name == b"copied"))
    cold = hand_over(db, places, tmp_path / "cold", role=DriveRole.COLD)
    with db.writing() as session:
        facts = {"stored_as": b"x", "day": now().date(), "why": "vanished", "size": 6, "modified_ns": 1}
        session.add(OldVersion(cold_drive_id=cold.drive_id, folder_id=1, name=b"copied", digest=digest, **facts))
    bins.put_all(db, hot, [b"Anna/copied", b"Anna/not copied"], user=anna.id, by=anna.id)
    monkeypatch.setattr("appliance.library.room.free", lambda _: 0)
    assert emptying.clean(db, places) == 0, "somebody may still miss it"
    aged(db, by=timedelta(days=2))
    assert emptying.clean(db, places) == 1
    assert in_bin(hot) == ["not copied"]


def test_the_family_s_bin_is_everybody_s_and_a_person_s_is_theirs(
    db: Database, hot: Mount, anna: User, stored: Stored
) -> None:
    ben = person(db, "Ben")
    (hot.path / "Family").mkdir()
    (hot.path / "Family/x").write_text("x")
    own = bins.put(db, hot, stored.path, user=anna.id, by=anna.id)
    shared = bins.put(db, hot, b"Family/x", user=anna.id, by=anna.id)
    with db.reading() as session:
        assert bins.find(session, shared.id, ben.id).path == b"Family/x"
        with pytest.raises(NotFound):
            bins.find(session, own.id, ben.id)


def test_a_drive_that_is_only_read_keeps_everything(db: Database, hot: Mount, anna: User, stored: Stored) -> None:
    with pytest.raises(room.NotWritable):
        bins.put(db, replace(hot, read_only=True), stored.path, user=anna.id, by=anna.id)
    assert count(db, Media) == 1
