"""Archives read in place: whole Takeout sets and Apple exports come in as they were; hostile ones are named, and leave
nothing."""

import gzip
import io
import os
import struct
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from appliance.db import Database, migrate
from appliance.jobs import runner
from appliance.jobs import service as jobs
from appliance.library import index
from appliance.library.albums.models import Album, AlbumItem
from appliance.library.models import Media
from appliance.places import Places
from appliance.words import Message
from plugins.importer import service
from plugins.importer.models import FileState
from plugins.importer.sources import members
from tests.component.importing import Importing, report
from tests.folder_root import FolderRoot
from tests.photos import jpeg
from tests.takeouts import GOOGLE, album, beside, tarred, zipped

pytestmark = pytest.mark.component
DAY = datetime(2019, 7, 1, 12, tzinfo=UTC)
SET = "takeout-20260101T000000Z"


@pytest.fixture
def at(db: Database, places: Places, folder_root: FolderRoot) -> Importing:
    """The station."""
    station = Importing(db, places, folder_root)
    (station.hot.path / "Anna" / "Files" / "In").mkdir(parents=True)
    return station


@pytest.fixture
def box(at: Importing) -> Path:
    """Where the archives were put."""
    return at.hot.path / "Anna" / "Files" / "In"


def first_part() -> dict[str, bytes]:
    """A photo with everything said of it, one whose JSON is in the next part, an edited one, a live pair."""
    year = f"{GOOGLE}/Photos from 2019"
    paris = {"latitude": 48.85, "longitude": 2.35, "altitude": 0.0}
    return {
        f"{year}/metadata.json": album("Photos from 2019"),
        f"{year}/IMG_1.jpg": jpeg(1),
        f"{year}/IMG_1.jpg.json": beside(DAY, "IMG_1.jpg", description="At the café", favorited=True, geoData=paris),
        f"{year}/IMG_2.jpg": jpeg(2),
        f"{year}/IMG_2-edited.jpg": jpeg(3),
        f"{year}/IMG_3.jpg": jpeg(4, datetime(2024, 2, 2, 9)),  # noqa: DTZ001 - scanned then, taken long before
        f"{year}/IMG_3.jpg.supplemental-metadata.json": beside(datetime(1975, 6, 1, tzinfo=UTC), "IMG_3.jpg"),
        f"{GOOGLE}/Trash/IMG_9.jpg": jpeg(9),
        f"{GOOGLE}/Trash/IMG_9.jpg.json": beside(DAY, "IMG_9.jpg", trashed=True),
    }


def second_part() -> dict[str, bytes]:
    """What belongs to the first, and an album with one of its photos again."""
    year = f"{GOOGLE}/Photos from 2019"
    return {
        f"{year}/IMG_2.jpg.json": beside(DAY.replace(day=2), "IMG_2.jpg"),
        f"{GOOGLE}/Paris/metadata.json": album("Paris"),
        f"{GOOGLE}/Paris/IMG_1.jpg": jpeg(1),
        f"{GOOGLE}/Paris/IMG_1.jpg.json": beside(DAY, "IMG_1.jpg"),
        f"{GOOGLE}/Paris/IMG_5.jpg": jpeg(5),
        f"{GOOGLE}/Paris/IMG_5.jpg.json": beside(DAY.replace(day=5), "Night at the river"),
        "Takeout/archive_browser.html": b"<html>",
    }


@pytest.mark.parametrize("kind", ["zip", "tgz"])
def test_a_takeout_set_comes_in_with_dates_notes_and_albums(at: Importing, box: Path, kind: str) -> None:
    pack = zipped if kind == "zip" else tarred
    pack(box / f"{SET}-001.{kind}", first_part())
    pack(box / f"{SET}-002.{kind}", second_part())
    run = at.folder("Anna/Files/In")
    assert report(run) == {"new": 5, "twice": 1, "left_out": 2, "albums": 1}
    assert at.files() == 0 and at.left_behind() == []
    assert at.bring(run).result["done"] == 5
    photos = {media.taken.strftime("%Y-%m-%d"): media for media in at.photos()}
    assert sorted(photos) == ["1975-06-01", "2019-07-01", "2019-07-02", "2019-07-05"] and len(at.photos()) == 5
    cafe = photos["2019-07-01"]
    assert (cafe.description, cafe.favourite, cafe.latitude, cafe.country) == ("At the café", True, 48.85, "France")
    assert photos["2019-07-05"].title == "Night at the river" and not photos["2019-07-05"].written
    with at.db.reading() as session:
        (paris,) = session.scalars(select(Album))
        inside = set(session.scalars(select(AlbumItem.media_id).where(AlbumItem.album_id == paris.id)))
    assert paris.title == "Paris" and inside == {cafe.id, photos["2019-07-05"].id}

    again = at.folder("Anna/Files/In")
    assert report(again) == {"known": 6, "left_out": 2, "albums": 1}
    with at.db.writing() as session:
        session.get_one(Media, cafe.id).description = ""  # its person has taken it back
    assert at.bring(again).result["done"] == 0 and len(at.photos()) == 5
    with at.db.reading() as session:
        assert session.get_one(Media, cafe.id).description == ""
        assert len(session.scalars(select(Album)).all()) == 1


def test_dates_places_and_albums_of_an_import_survive_the_database(at: Importing, box: Path, places: Places) -> None:
    zipped(box / f"{SET}-001.zip", first_part())
    zipped(box / f"{SET}-002.zip", second_part())
    at.bring(at.folder("Anna/Files/In"))
    with at.db.reading() as session:
        (writing,) = [job for job in jobs.active(session) if job.kind == "library.notes"]
    assert runner.run(at.db, at.progress(writing), writing) is None
    before = told(at.db)
    assert len(before) == 5 and sum(row[3] is not None for row in before) == 1
    at.db.close()
    for name in ("", "-wal", "-shm"):
        places.database.with_name(places.database.name + name).unlink(missing_ok=True)
    migrate(places.database)
    fresh = Importing(Database(places.database), places, at.broker, None)
    with fresh.db.writing() as session:
        job = jobs.start(session, index.JOB, title=Message("Looking"), lock="looking")
    index.run(fresh.progress(job))
    assert told(fresh.db) == before


def told(db: Database) -> list[tuple[object, ...]]:
    """Date, its month, and place of each photo, with its albums."""
    named = select(Album.title).join(AlbumItem, AlbumItem.album_id == Album.id).where(AlbumItem.media_id == Media.id)
    columns = (Media.taken, Media.taken_from, Media.month, Media.latitude, Media.longitude, Media.place, Media.title)
    with db.reading() as session:
        rows = session.execute(select(*columns, named.limit(1).scalar_subquery()).order_by(Media.taken)).all()
        return [tuple(row) for row in rows]


def test_an_apple_export_comes_in_without_what_was_thrown_away(at: Importing, box: Path) -> None:
    details = (
        b"imgName,fileChecksum,favorite,hidden,deleted,originalCreationDate,viewCount,importDate\n"
        b'IMG_1.JPG,A,yes,no,no,"Saturday January 13,2018 9:24 AM GMT",3,"Monday May 4,2020 1:02 PM GMT"\n'
        b'IMG_2.JPG,B,no,no,yes,"Saturday January 13,2018 9:25 AM GMT",3,"Monday May 4,2020 1:02 PM GMT"\n'
    )
    top = "iCloud Photos Part 1 of 1"
    files = {
        f"{top}/Photos/Photo Details.csv": details,
        f"{top}/Photos/IMG_1.JPG": jpeg(1),
        f"{top}/Photos/IMG_2.JPG": jpeg(2),
        f"{top}/Recently Deleted/IMG_3.JPG": jpeg(3),
        f"{top}/Albums/Skiing.csv": b"Images\nIMG_1.JPG\n",
    }
    zipped(box / f"{top}.zip", files)
    run = at.folder("Anna/Files/In")
    assert report(run) == {"new": 1, "left_out": 2, "albums": 1}
    at.bring(run)
    (photo,) = at.photos()
    assert photo.favourite and photo.taken == datetime(2018, 1, 13, 9, 24, tzinfo=UTC)


def truncated_zip(box: Path) -> None:
    whole = zipped(box / "bad.zip", {"a.jpg": jpeg(1), "b.jpg": jpeg(2)}).read_bytes()
    (box / "bad.zip").write_bytes(whole[: len(whole) - 40])


def truncated_tgz(box: Path) -> None:
    whole = tarred(box / "bad.tgz", {f"{n}.jpg": os.urandom(5000) for n in range(9)}).read_bytes()
    (box / "bad.tgz").write_bytes(whole[: len(whole) * 2 // 3])


def truncated_tar(box: Path) -> None:
    whole = tarred(box / "bad.tar", {f"{n}.jpg": jpeg(n) for n in range(4)}, "w").read_bytes()
    (box / "bad.tar").write_bytes(whole[:2048])


def tar_with_a_damaged_header(box: Path) -> None:
    whole = bytearray(
        tarred(box / "bad.tar", {f"{n}.jpg": b"\xff\xd8\xff" + bytes(600) for n in range(4)}, "w").read_bytes()
    )
    whole[1536 + 20] ^= 0x55
    (box / "bad.tar").write_bytes(whole)


def protected_zip(box: Path) -> None:
    content = bytearray(zipped(box / "bad.zip", {"a.jpg": jpeg(1)}).read_bytes())
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.find(mark) + at] |= 1
    (box / "bad.zip").write_bytes(content)


def bomb_zip(box: Path) -> None:
    with zipfile.ZipFile(box / "bad.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"{number}.jpg", b"\xff\xd8\xff" + bytes(20_000_000))


def overlapping_zip(box: Path) -> None:
    """One packed file, listed a thousand times."""
    whole = zipped(box / "bad.zip", {"a.jpg": jpeg(1)}).read_bytes()
    start = whole.find(b"PK\1\2")
    end = whole.find(b"PK\5\6")
    entry = whole[start:end]
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1000, 1000, len(entry) * 1000, start, 0)
    (box / "bad.zip").write_bytes(whole[:start] + entry * 1000 + tail)


def bomb_tgz(box: Path) -> None:
    info = tarfile.TarInfo("a.jpg")
    info.size = 3_000_000_000
    with gzip.open(box / "bad.tgz", "wb", 1) as out:
        out.write(info.tobuf())
        for _ in range(60):
            out.write(bytes(1_000_000))


def tar_with_a_giant_header(box: Path) -> None:
    info = tarfile.TarInfo("long")
    info.type, info.size = b"x", 900_000_000
    with gzip.open(box / "bad.tgz", "wb", 1) as out:
        out.write(info.tobuf())
        for _ in range(20):
            out.write(bytes(1_000_000))


def no_archive(box: Path) -> None:
    (box / "bad.tgz").write_bytes(b"<html>not found</html>")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (truncated_zip, "incomplete or damaged"),
        (truncated_tgz, "incomplete or damaged"),
        (truncated_tar, "incomplete or damaged"),
        (tar_with_a_damaged_header, "incomplete or damaged"),
        (no_archive, "incomplete or damaged"),
        (protected_zip, "protected by a password"),
        (bomb_zip, "far more than can be right"),
        (overlapping_zip, ""),
        (bomb_tgz, "far more than can be right"),
        (tar_with_a_giant_header, "far more than can be right"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_bad_archive_is_named_with_the_reason_and_leaves_nothing(
    at: Importing, box: Path, make: object, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "TOTAL_SMALL", 40_000_000)  # else these would have to be of a gigabyte
    make(box)  # type: ignore[operator]
    (box / "good.jpg").write_bytes(jpeg(77))
    run = at.folder("Anna/Files/In")
    assert report(run) == {"new": 1, "unreadable": 1, "undated": 1}
    with at.db.reading() as session:
        (bad,) = service.details(session, run.source_id, FileState.UNREADABLE)
    assert os.fsdecode(bad.path).startswith("bad.") and words in str(bad.why)
    at.bring(run)
    assert len(at.photos()) == 1 and at.left_behind() == []


def test_hostile_members_are_named_and_the_others_come_in(at: Importing, box: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as nested:
        nested.writestr("a.jpg", jpeg(1))
    damaged = jpeg(60)
    with zipfile.ZipFile(box / "odd.zip", "w") as archive:
        archive.writestr("good.jpg", jpeg(2))
        archive.writestr("../../../escape.jpg", jpeg(3))
        archive.writestr("/etc/escape.jpg", jpeg(4))
        archive.writestr("C:\\escape.jpg", jpeg(5))
        archive.writestr("nested.zip", inner.getvalue())
        archive.writestr("damaged.jpg", damaged)
        link = zipfile.ZipInfo("link.jpg")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    content = (box / "odd.zip").read_bytes()
    (box / "odd.zip").write_bytes(content.replace(damaged, damaged[:-30] + bytes(30), 1))
    with tarfile.open(box / "odd.tgz", "w:gz") as tar:
        links = (("hard.jpg", tarfile.LNKTYPE, "good.jpg"), ("soft.jpg", tarfile.SYMTYPE, "/etc/passwd"))
        for name, kind, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            tar.addfile(info)
        tar.addfile(tarfile.TarInfo("dev.jpg"))
        info = tarfile.TarInfo("../out.jpg")
        info.size = len(jpeg(6))
        tar.addfile(info, io.BytesIO(jpeg(6)))
    run = at.folder("Anna/Files/In")
    at.bring(run)
    with at.db.reading() as session:
        rows = service.details(session, run.source_id, FileState.UNREADABLE)
    bad = {os.fsdecode(row.path): str(row.why) for row in rows}
    assert len(at.photos()) == 1 and at.left_behind() == []
    assert "leads out" in bad["odd.zip/../../../escape.jpg"] and "leads out" in bad["odd.tgz/../out.jpg"]
    assert "inside an archive" in bad["odd.zip/nested.zip"] and "damaged" in bad["odd.zip/damaged.jpg"]
    assert "is a link" in bad["odd.zip/link.jpg"] and "is a link" in bad["odd.tgz/soft.jpg"]
    assert not list(at.hot.path.rglob("*escape*")) and not list(at.hot.path.rglob("out.jpg"))
