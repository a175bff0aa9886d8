"""A complete file in the spool becomes a file of a person, durably, once, and never over another."""

import io
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from blake3 import blake3
from PIL import Image
from sqlalchemy import func, select

from appliance.db import Database
from appliance.drives.layout import INCOMING
from appliance.drives.mounts import DriveGone, Mount
from appliance.errors import OutOfSpace
from appliance.library import ingest, room
from appliance.library.arrivals import Arrival, Stored, WrongContent
from appliance.library.ingest import Ingest
from appliance.library.models import Media, MediaMonth, StoredFile
from appliance.people.models import User
from appliance.places import Places
from tests.hot_drive import hand_over, person

CLIENT = datetime(2021, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.fixture
def hot(db: Database, places: Places, tmp_path: Path) -> Mount:
    """An empty HOT drive."""
    return hand_over(db, places, tmp_path / "hot")


@pytest.fixture
def anna(db: Database) -> User:
    """A member."""
    return person(db)


@pytest.fixture
def door(db: Database, places: Places) -> Ingest:
    """The way in."""
    return Ingest(db, places)


def photo(date: str = "2023:07:05 10:11:12", colour: str = "teal") -> bytes:
    """A JPEG with a date."""
    exif = Image.Exif()
    exif[0x0132] = date
    out = io.BytesIO()
    Image.new("RGB", (32, 24), colour).save(out, "jpeg", exif=exif)
    return out.getvalue()


def spooled(hot: Mount, content: bytes, name: bytes = b"spool") -> bytes:
    """Content that has arrived."""
    (hot.path / INCOMING / os.fsdecode(name)).write_bytes(content)
    return name


def arrival(user: User, name: str = "IMG_1.jpg", **more: object) -> Arrival:
    """What a phone says."""
    return Arrival(user.id, user.folder, name, **({"modified": CLIENT} | more))  # type: ignore[arg-type]


def files(hot: Mount) -> list[str]:
    """Everything on the drive that is for people."""
    every = (p.relative_to(hot.path) for p in hot.path.rglob("*") if p.is_file())
    return sorted(str(p) for p in every if not str(p).startswith((".", "everpx")))


def waiting(hot: Mount) -> list[str]:
    """What is left in the spool."""
    return sorted(p.name for p in (hot.path / INCOMING).iterdir())


def test_a_photo_lands_in_the_month_it_was_taken(db: Database, hot: Mount, anna: User, door: Ingest) -> None:
    stored = door.take(hot, spooled(hot, photo()), arrival(anna))
    assert files(hot) == ["Anna/Photos/2023/2023-07/IMG_1.jpg"] and waiting(hot) == []
    assert (hot.path / os.fsdecode(stored.path)).read_bytes() == photo()
    assert stored.digest == blake3(photo()).digest() and not stored.known
    with db.reading() as session:
        media = session.get_one(Media, stored.media_id)
        assert (media.month, media.taken_from, media.kind.value) == (202307, "exif", "photo")
        row = session.get_one(StoredFile, stored.file_id)
        assert row.digest == stored.digest and row.size == len(photo())
        assert row.modified_ns == (hot.path / os.fsdecode(stored.path)).stat().st_mtime_ns
        assert row.modified_ns == CLIENT.timestamp() * 1e9
        assert session.scalar(select(MediaMonth.count)) == 1


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("clip.mp4", b"\0\0\0\x18ftypisom\0\0\0\0isomavc1" + bytes(100), "Anna/Videos/2021/2021-05/clip.mp4"),
        ("page.jpg", b"<!doctype html><script>", "Anna/Files/page.jpg"),
        ("CON.jpg", b"\xff\xd8\xff\xe0 broken", "Anna/Photos/2021/2021-05/CON_.jpg"),
        ("IMG_20190102_030405.jpg", b"\xff\xd8\xff", "Anna/Photos/2019/2019-01/IMG_20190102_030405.jpg"),
        ("../../../etc/passwd", b"text", "Anna/Files/_.._.._.._etc_passwd"),
        ("👩‍👩‍👧 ?.txt", b"text", "Anna/Files/👩‍👩‍👧 _.txt"),
        ("", b"", "Anna/Files/Unnamed"),
    ],
)
def test_what_it_is_decides_where_it_goes(
    name: str, content: bytes, place: str, hot: Mount, anna: User, door: Ingest
) -> None:
    door.take(hot, spooled(hot, content), arrival(anna, name))
    assert files(hot) == [place]


def test_a_chosen_folder_stays_below_the_persons_files(hot: Mount, anna: User, door: Ingest) -> None:
    door.take(hot, spooled(hot, b"text"), arrival(anna, "a.txt", folder="../Taxes/..\\2026./con"))
    assert files(hot) == ["Anna/Files/Taxes/2026/con_/a.txt"]


def test_the_same_bytes_are_stored_once(db: Database, hot: Mount, anna: User, door: Ingest) -> None:
    first = door.take(hot, spooled(hot, photo()), arrival(anna))
    again = door.take(hot, spooled(hot, photo()), arrival(anna, "copy of it.jpg"))
    assert again.known and again.media_id == first.media_id and again.path == first.path
    assert len(files(hot)) == 1 and waiting(hot) == []


def test_a_row_whose_file_is_gone_does_not_swallow_an_upload(hot: Mount, anna: User, door: Ingest) -> None:
    first = door.take(hot, spooled(hot, photo()), arrival(anna))
    (hot.path / os.fsdecode(first.path)).unlink()
    again = door.take(hot, spooled(hot, photo()), arrival(anna))
    assert not again.known and again.file_id == first.file_id
    assert files(hot) == ["Anna/Photos/2023/2023-07/IMG_1.jpg"]


def test_two_people_keep_their_own_copies(db: Database, hot: Mount, anna: User, door: Ingest) -> None:
    ben = person(db, "Ben")
    door.take(hot, spooled(hot, photo()), arrival(anna))
    assert not door.take(hot, spooled(hot, photo()), arrival(ben)).known
    assert files(hot) == ["Anna/Photos/2023/2023-07/IMG_1.jpg", "Ben/Photos/2023/2023-07/IMG_1.jpg"]


def test_other_photos_of_the_same_name_are_numbered(hot: Mount, anna: User, door: Ingest) -> None:
    for number in range(40):
        content = photo(colour=f"#0000{number:02x}") + bytes([number])
        door.take(hot, spooled(hot, content), arrival(anna, "image.jpg"))
    stored = [p for p in (hot.path / "Anna/Photos/2023/2023-07").iterdir()]
    assert len(stored) == 40 and len({p.read_bytes() for p in stored}) == 40
    assert "Anna/Photos/2023/2023-07/image (2).jpg" in files(hot)


def test_what_a_power_cut_left_uncommitted_is_found_again(db: Database, hot: Mount, anna: User, door: Ingest) -> None:
    folder = hot.path / "Anna/Photos/2023/2023-07"
    folder.mkdir(parents=True)
    (folder / "IMG_1.jpg").write_bytes(photo())  # renamed, and then the plug was pulled
    stored = door.take(hot, spooled(hot, photo()), arrival(anna))
    assert files(hot) == ["Anna/Photos/2023/2023-07/IMG_1.jpg"] and waiting(hot) == []
    with db.reading() as session:
        row = session.get_one(StoredFile, stored.file_id)
        assert row.modified_ns == (folder / "IMG_1.jpg").stat().st_mtime_ns


def test_a_wrong_hash_keeps_nothing_and_names_the_file(db: Database, hot: Mount, anna: User, door: Ingest) -> None:
    with pytest.raises(WrongContent, match="IMG_1"):
        door.take(hot, spooled(hot, photo()), arrival(anna, digest=blake3(b"other").digest()))
    assert files(hot) == [] and waiting(hot) == []
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(StoredFile)) == 0


def test_a_folder_that_leads_elsewhere_is_not_followed(tmp_path: Path, hot: Mount, anna: User, door: Ingest) -> None:
    (tmp_path / "elsewhere").mkdir()
    (hot.path / "Anna").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        door.take(hot, spooled(hot, photo()), arrival(anna))
    assert list((tmp_path / "elsewhere").iterdir()) == [] and waiting(hot) == ["spool"]


def test_a_drive_that_is_gone_is_never_an_empty_folder(hot: Mount, anna: User, door: Ingest) -> None:
    spooled(hot, photo())
    hot.path.rename(hot.path.with_name("unplugged"))
    hot.path.mkdir()
    with pytest.raises((DriveGone, OSError)):
        door.take(hot, b"spool", arrival(anna))
    assert not (hot.path / "Anna").exists()


def test_many_at_once_are_all_stored_and_twins_once(db: Database, hot: Mount, anna: User, door: Ingest) -> None:
    results: list[Stored] = []

    def send(number: int) -> None:
        content = photo(colour=f"#{number // 2:06x}") + bytes([number // 2])
        spool = spooled(hot, content, b"spool%d" % number)
        results.append(door.take(hot, spool, arrival(anna, f"IMG_{number // 2}.jpg")))

    threads = [threading.Thread(target=send, args=(n,)) for n in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 24 and len(files(hot)) == 12 and waiting(hot) == []
    assert len({r.media_id for r in results}) == 12
    assert sum(r.known for r in results) >= 11
    with db.reading() as session:
        assert session.scalar(select(MediaMonth.count)) == 12


def test_one_bad_file_does_not_fail_its_neighbours(hot: Mount, anna: User, door: Ingest, db: Database) -> None:
    ben = person(db, "Ben")
    (hot.path / "Ben").write_text("a file where a folder should be")
    errors: list[BaseException] = []

    def send(user: User, number: int) -> None:
        try:
            door.take(hot, spooled(hot, photo() + bytes([number]), b"s%d" % number), arrival(user, f"{number}.jpg"))
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=send, args=((anna, ben)[n % 2], n)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 4
    assert len(files(hot)) == 5 and len(waiting(hot)) == 4


def test_a_full_drive_is_said_before_anything_is_written(hot: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutOfSpace, match="needed"):
        room.check(hot, 10**16)
    assert room.choose([hot], 1000) is hot


def test_a_commit_that_fails_acknowledges_nothing(
    hot: Mount, anna: User, door: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest.catalogue, "record", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        door.take(hot, spooled(hot, photo()), arrival(anna))
    monkeypatch.undo()
    again = door.take(hot, spooled(hot, photo()), arrival(anna))
    assert files(hot) == ["Anna/Photos/2023/2023-07/IMG_1.jpg"] and again.media_id
