"""The walk brings rows in step with the drive; the timeline shows them page by page."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, insert, select

from appliance.backup.models import ColdFile
from appliance.db import Database, now
from appliance.drives.models import DriveRole
from appliance.drives.mounts import DriveGone, Mount
from appliance.errors import NotFound
from appliance.jobs.models import Job
from appliance.jobs.progress import Progress
from appliance.library import index, timeline
from appliance.library.ingest import Ingest
from appliance.library.models import Folder, Media, MediaKind, PreviewState, StoredFile
from appliance.people.models import Role, User
from appliance.places import Places
from appliance.words import Message
from tests.hot_drive import hand_over, person
from tests.unit.test_library_ingest import arrival, photo, spooled


@pytest.fixture
def hot(db: Database, places: Places, tmp_path: Path) -> Mount:
    """An empty HOT drive."""
    return hand_over(db, places, tmp_path / "hot")


@pytest.fixture
def progress(db: Database, places: Places) -> Progress:
    """A running index job."""
    with db.writing() as session:
        job = Job(kind="library.index", title=Message("Looking"), lock="x")
        session.add(job)
    return Progress(db, lambda verb, request: {}, places, job)


def put(hot: Mount, path: str, content: bytes) -> Path:
    """A file that came to the drive by another way."""
    target = hot.path / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target


def owners_of(db: Database) -> dict[str, str]:
    """Name of each file in a timeline and whose it is."""
    with db.reading() as session:
        rows = session.execute(
            select(StoredFile.name, User.name).join_from(Media, StoredFile).join(User, User.id == Media.user_id)
        )
        return {name.decode(): user for name, user in rows}


def count(db: Database, table: Any) -> int:
    with db.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_files_that_came_another_way_are_found_and_hashed(db: Database, hot: Mount, progress: Progress) -> None:
    person(db, "Eva", Role.ADMIN)
    person(db, "Ben")
    put(hot, "Ben/Photos/a.jpg", photo())
    put(hot, "Holiday 2014/b.jpg", photo(colour="red"))  # was there when Eva took the drive over
    put(hot, "Ben/Files/letter.txt", b"text")
    put(hot, "Older versions/2026/c.jpg", photo(colour="blue"))
    (hot.path / "Ben" / "link.jpg").symlink_to("Photos/a.jpg")
    done = index.run(progress)
    assert owners_of(db) == {"a.jpg": "Ben", "b.jpg": "Eva"}
    assert (done["new"], done["hashed"]) == (3 + _marks(hot), 3 + _marks(hot))
    with db.reading() as session:
        assert not session.scalars(select(StoredFile).where(StoredFile.digest.is_(None))).all()
    again = index.run(progress)
    assert (again["new"], again["gone"], again["hashed"]) == (0, 0, 0)


def _marks(hot: Mount) -> int:
    """The mark of a folder drive lies at its top, and is a file like any other."""
    return sum(path.is_file() and path.name.startswith(".folder") for path in hot.path.iterdir())


def test_vanished_and_changed_files_are_noticed(db: Database, hot: Mount, progress: Progress) -> None:
    person(db, "Ben")
    first, second = put(hot, "Ben/a.jpg", photo()), put(hot, "Ben/deep/b.jpg", photo(colour="red"))
    index.run(progress)
    first.write_bytes(b"no photo any more")
    second.unlink()
    second.parent.rmdir()
    done = index.run(progress)
    assert (done["new"], done["gone"]) == (1, 1) and owners_of(db) == {}
    with db.reading() as session:
        assert b"Ben/deep" in session.scalars(select(Folder.path)).all()  # copies refer to it


def test_an_uploaded_file_is_not_read_again(db: Database, places: Places, hot: Mount, progress: Progress) -> None:
    anna = person(db)
    stored = Ingest(db, places).take(hot, spooled(hot, photo()), arrival(anna))
    index.run(progress)
    with db.reading() as session:
        media = session.get_one(Media, stored.media_id)
        assert media.taken_from == "exif" and media.user_id == anna.id
        assert session.get_one(StoredFile, stored.file_id).digest == stored.digest


def test_a_drive_pulled_while_it_is_read_loses_no_rows(
    db: Database, hot: Mount, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    person(db, "Ben")
    put(hot, "Ben/a.jpg", photo())
    index.run(progress)
    real = index.scan.walk

    def pulled(root: Path) -> Any:
        root.rename(root.with_name("unplugged"))
        root.mkdir()
        return real(root)

    monkeypatch.setattr(index.scan, "walk", pulled)
    with pytest.raises(DriveGone):
        index.run(progress)
    assert owners_of(db) == {"a.jpg": "Ben"}


def test_a_folder_that_cannot_be_read_keeps_its_rows(
    db: Database, hot: Mount, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    person(db, "Ben")
    put(hot, "Ben/deep/er/a.jpg", photo())
    index.run(progress)
    real = index.scan.walk

    def damaged(root: Path) -> Any:
        for listing in real(root):
            if listing.path == b"Ben/deep":
                listing.problem = OSError(5, "Input/output error")
                yield listing
                return
            yield listing

    monkeypatch.setattr(index.scan, "walk", damaged)
    assert index.run(progress)["unreadable"] == 1
    assert owners_of(db) == {"a.jpg": "Ben"}


def test_hostile_names_are_catalogued(db: Database, hot: Mount, progress: Progress) -> None:
    person(db, "Ben")
    put(hot, "Ben/x", b"")
    for name in (b"\xff\xfe.jpg", "👩‍👧.jpg".encode(), b"CON.jpg", b"dot.", b"a\nb.jpg", b"x" * 255):
        with open(os.fsencode(hot.path / "Ben") + b"/" + name, "wb") as out:
            out.write(photo())
    os.mkfifo(hot.path / "Ben" / "pipe.jpg")
    assert index.run(progress)["unreadable"] == 0
    assert count(db, Media) == 6


@pytest.fixture
def many(db: Database, hot: Mount) -> User:
    """Anna with 250 photos, several of them at the same moment."""
    anna, ben = person(db), person(db, "Ben")
    start = datetime(2024, 1, 1, tzinfo=UTC)
    with db.writing() as session:
        folder = Folder(drive_id=hot.drive_id, path=b"Anna/Photos")
        session.add(folder)
        session.flush()
        files = [
            {
                "id": n + 1,
                "folder_id": folder.id,
                "name": b"%d.jpg" % n,
                "size": 1,
                "modified_ns": 0,
                "digest": b"%032d" % n,
            }
            for n in range(300)
        ]
        session.execute(insert(StoredFile), files)
        session.execute(
            insert(Media),
            [
                {
                    "file_id": n + 1,
                    "user_id": anna.id if n < 250 else ben.id,
                    "kind": MediaKind.PHOTO,
                    "taken": start + timedelta(days=n // 5),
                    "taken_from": "exif",
                    "month": 202401 + (n // 5 >= 31),
                    "preview": PreviewState.READY,
                }
                for n in range(300)
            ],
        )
    return anna


def test_pages_show_each_item_once_newest_first(db: Database, many: User) -> None:
    seen: list[timeline.Item] = []
    with db.reading() as session:
        page = timeline.page(session, many.id)
        while page:
            assert len(page) <= 100
            seen += page
            key = timeline.key_in(str(timeline.Key(page[-1].taken, page[-1].id)))
            assert key == (page[-1].taken, page[-1].id)
            page = timeline.page(session, many.id, key)
    assert len({item.id for item in seen}) == len(seen) == 250
    assert [(i.taken, i.id) for i in seen] == sorted(((i.taken, i.id) for i in seen), reverse=True)


def test_months_and_the_way_to_one(db: Database, many: User) -> None:
    with db.reading() as session:
        assert timeline.months(session, many.id) == [(202402, 95), (202401, 155)]
        key = timeline.end_of_month(202401, ZoneInfo("UTC"))
        first = timeline.page(session, many.id, key)[0]
        assert first.taken == datetime(2024, 1, 31, tzinfo=UTC)
        newer, older = timeline.neighbours(session, many.id, first)
        assert list(newer) == [first.id + 1] and older == first.id - 1
    assert timeline.end_of_month(202613, UTC) is None and timeline.end_of_month(0, UTC) is None
    assert timeline.end_of_month(202412, UTC) == (datetime(2025, 1, 1, tzinfo=UTC), 0)


@pytest.mark.parametrize("text", ["", None, "x", "1-", "-", "9" * 40 + "-1", "1-2-3x"])
def test_a_key_that_makes_no_sense_is_none(text: str | None) -> None:
    assert timeline.key_in(text) is None


def test_an_item_tells_where_its_copies_are(db: Database, places: Places, many: User, tmp_path: Path) -> None:
    cold = hand_over(db, places, tmp_path / "cold", role=DriveRole.COLD)
    with db.writing() as session:
        file = session.get_one(StoredFile, 1)
        for name, digest in ((b"0.jpg", file.digest), (b"1.jpg", b"an earlier version")):
            session.add(
                ColdFile(
                    cold_drive_id=cold.drive_id,
                    folder_id=file.folder_id,
                    name=name,
                    size=1,
                    modified_ns=0,
                    digest=digest,
                    proven=now(),
                )
            )
    with db.reading() as session:
        found = timeline.detail(session, Media.user_id == many.id, 1)
        assert [copy.tag for copy in found.copies] == ["HOT-1", "COLD-1"]
        assert found.copies[1].path == "HOT-1/Anna/Photos/0.jpg" and found.copies[1].proven and found.name == "0.jpg"
        assert [copy.tag for copy in timeline.detail(session, Media.user_id == many.id, 2).copies] == ["HOT-1"]
        with pytest.raises(NotFound):
            timeline.detail(session, Media.user_id == many.id, 299)  # Ben's


def test_an_upload_that_arrives_during_the_walk_keeps_its_row(
    db: Database, places: Places, hot: Mount, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, door, real_walk = person(db), Ingest(db, places), index.scan.walk
    door.take(hot, spooled(hot, photo()), arrival(anna))

    def walk_then_upload(root: Path) -> Any:
        """Every folder is listed before the next uploads arrive: one in a listed folder, one in a new one."""
        listings = list(real_walk(root))
        door.take(hot, spooled(hot, photo(colour="red")), arrival(anna, "second.jpg"))
        door.take(hot, spooled(hot, photo("2019:01:02 03:04:05", "green")), arrival(anna, "third.jpg"))
        yield from listings

    monkeypatch.setattr(index.scan, "walk", walk_then_upload)
    assert index.run(progress)["gone"] == 0
    assert count(db, Media) == 3


def test_an_upload_that_was_taken_away_by_a_computer_leaves_no_row(
    db: Database, places: Places, hot: Mount, progress: Progress
) -> None:
    anna, door = person(db, "Anna", Role.ADMIN), Ingest(db, places)
    door.take(hot, spooled(hot, photo()), arrival(anna))
    index.run(progress)
    known = set(hot.path.rglob("*.jpg"))
    door.take(hot, spooled(hot, photo(colour="red")), arrival(anna, "second.jpg"))
    assert count(db, Media) == 2
    (second,) = set(hot.path.rglob("*.jpg")) - known
    second.unlink()  # and the folder is listed as it was before
    index.run(progress)
    assert count(db, Media) == 1
