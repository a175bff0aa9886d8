"""The page of photos that every drive carries: how long it takes to make, to keep up, and to open.

    python -m bench.offline_album                        100,000 photos
    python -m bench.offline_album --keep DIR --photos N  only make drives in DIR, to look at

Rows as uploads leave them, real small pictures (400 different ones, linked), real folders.  "Beyond its thumbnails" is
all but reading and packing the small pictures: a drive that has them already gets everything else anew.
"""

import argparse
import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from blake3 import blake3
from PIL import Image, ImageFilter
from sqlalchemy import insert

from appliance.album_page import build, texts
from appliance.backup.models import ColdFile, ColdFolder
from appliance.db import Database, migrate, now
from appliance.drives.marker import Marker
from appliance.drives.models import Drive, DriveRole
from appliance.drives.mounts import Mount
from appliance.durable import flush_filesystem
from appliance.jobs.models import Job, JobState
from appliance.jobs.progress import Progress
from appliance.library.models import Folder, Media, MediaKind, PreviewState, StoredFile
from appliance.library.previews import path_of
from appliance.people.models import User
from appliance.places import Places
from appliance.words import Message
from bench.common import note, result

BENCH = "offline_album"
YEARS, BEGIN = 12, datetime(2014, 12, 1, tzinfo=UTC)
PICTURES = 400


def main() -> None:
    """Measure, or only make the drives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    with folder(given.keep) as here:
        station = Station(here, given.photos)
        if given.keep:
            station.build(DriveRole.COLD)
            station.build(DriveRole.HOT)
            return
        measure(station, given.photos)


@contextmanager
def folder(kept: Path | None) -> Iterator[Path]:
    """Where the drives lie."""
    if kept:
        kept.mkdir(parents=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="everpx-bench-", dir="/var/tmp") as made:
        yield Path(made)


def measure(station: "Station", photos: int) -> None:
    """Build once with all pictures, once without reading them, once after ten new photos, once with nothing new."""
    whole = station.build(DriveRole.COLD)
    note(BENCH, f"COLD, {photos} photos, with their small pictures", seconds=round(whole, 1))
    without = station.build(DriveRole.HOT)
    target = "<= 60 s for 100,000 photos, beyond thumbnails"
    result(BENCH, "page of a HOT drive, first time", value=round(without, 1), unit="s", target=target, ok=without <= 60)
    index = station.cold.path / ".everpx/album/index.js"
    for year in (p for p in index.parent.iterdir() if p.is_dir()):
        for script in year.glob("photos-*.js"):
            script.unlink()
    again = station.build(DriveRole.COLD)
    result(
        BENCH, "page of a COLD drive, pictures there", value=round(again, 1), unit="s", target=target, ok=again <= 60
    )
    nothing = station.build(DriveRole.COLD)
    note(BENCH, "nothing new", seconds=round(nothing, 1))
    station.add(10, 90_000_000, begin=datetime(2026, 11, 30, tzinfo=UTC), days=1)
    more = station.build(DriveRole.COLD)
    target = "<= 1 s more than with nothing new"
    result(BENCH, "ten new photos", value=round(more, 1), unit="s", target=target, ok=more <= nothing + 1)
    files = [path for path in index.parent.rglob("*") if path.is_file()]
    megabytes = sum(path.stat().st_size for path in files) / 1e6
    note(BENCH, "beside the page", files=len(files), megabytes=round(megabytes))


class Station:
    """A database, a HOT and a COLD drive, and a family of three."""

    def __init__(self, here: Path, photos: int) -> None:
        self.places = Places(here / "data", here / "run")
        self.places.data.mkdir()
        migrate(self.places.database)
        self.db = Database(self.places.database)
        self.hot, self.cold = self._drive(here, DriveRole.HOT), self._drive(here, DriveRole.COLD)
        with self.db.writing() as session:
            for name in ("Anna", "Ben", "小雨"):
                session.add(User(name=name, folder=name, password_hash="x", colour="blue"))
        self.pictures = list(small_pictures(here))
        self.add(photos, 0)

    def _drive(self, here: Path, role: DriveRole) -> Mount:
        path = here / role.value
        path.mkdir()
        with self.db.writing() as session:
            facts = {"filesystem": "ext4", "filesystem_uuid": role.value, "marker_id": role.value, "size": 1}
            row = Drive(role=role, number=1, name=f"The {role.value} drive", colour="blue", **facts)
            session.add(row)
        Marker(role.value, "s", role.value, 1, role.value, row.name, "2026-11-22T00:00:00+00:00").write(path)
        return Mount(row.id, row.tag, row.name, "blue", path, path.stat().st_dev, "ext4", role.value, role.value, False)

    def add(self, photos: int, first: int, begin: datetime = BEGIN, days: int = 365 * YEARS) -> None:
        """Photos over some time, with rows as if each were copied."""
        chance = random.Random(first)
        step = timedelta(days=days) / photos
        with self.db.writing() as session:
            folders: dict[bytes, int] = {}
            for start in range(0, photos, 5000):
                files, media, copies = [], [], []
                for number in range(first + start, first + min(photos, start + 5000)):
                    taken = begin + step * (number - first)
                    person = (1, 1, 2, 3)[number % 4]
                    name = ("Anna", "Anna", "Ben", "小雨")[number % 4]
                    path = f"{name}/Photos/{taken.year}/{taken:%Y-%m}".encode()
                    if path not in folders:
                        row = Folder(drive_id=self.hot.drive_id, path=path)
                        held = session.query(Folder).filter_by(drive_id=self.hot.drive_id, path=path).first()
                        if held is None:
                            session.add(row)
                            session.flush()
                            facts = {"cold_drive_id": self.cold.drive_id, "folder_id": row.id}
                            session.add(ColdFolder(fingerprint=b"", **facts))
                        folders[path] = (held or row).id
                    digest = blake3(b"%d" % number).digest()
                    file = {"folder_id": folders[path], "name": b"IMG_%06d.jpg" % number, "size": 3_000_000}
                    file |= {"modified_ns": number, "digest": digest}
                    files.append(file | {"id": number + 1, "added": now()})
                    copies.append(file | {"cold_drive_id": self.cold.drive_id, "proven": now()})
                    facts = {"taken": taken, "month": taken.year * 100 + taken.month, "taken_from": "exif"}
                    facts |= {
                        "kind": MediaKind.PHOTO,
                        "user_id": person,
                        "file_id": number + 1,
                        "preview": PreviewState.READY,
                    }
                    facts |= {"width": 4032, "height": 3024, "camera": "Apple iPhone 15", "shared": number % 7 == 0}
                    facts["title"] = f"Beach day {number}" if chance.random() < 0.05 else ""
                    media.append(facts)
                    self._link(digest, number)
                session.execute(insert(StoredFile), files)
                session.execute(insert(Media), media)
                session.execute(insert(ColdFile), copies)

    def _link(self, digest: bytes, number: int) -> None:
        target = self.hot.path / os.fsdecode(path_of(digest, 320))
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(self.pictures[number % PICTURES], target)

    def build(self, role: DriveRole) -> float:
        """Bring a drive's page up to date; seconds, until all of it is on the medium."""
        drive = self.hot if role is DriveRole.HOT else self.cold
        with self.db.writing() as session:
            job = Job(kind="bench", title=Message("bench"), lock=f"bench:{time.time_ns()}", state=JobState.RUNNING)
            session.add(job)
        progress = Progress(self.db, lambda *_: {}, self.places, job)
        flush_filesystem(drive.path)
        began = time.perf_counter()
        texts.leave(drive, role)
        hots = [self.hot] if role is DriveRole.COLD else []
        build.build(progress, drive, role, hots=hots, flush=lambda: flush_filesystem(drive.path))
        return time.perf_counter() - began


def small_pictures(here: Path) -> Iterator[Path]:
    """Pictures as large as previews of real photos are: about 12 kB."""
    place = here / "hot" / ".everpx" / "previews" / "made"
    place.mkdir(parents=True)
    for number in range(PICTURES):
        chance = random.Random(number)
        rough = Image.frombytes("RGB", (48, 36), chance.randbytes(48 * 36 * 3)).filter(ImageFilter.GaussianBlur(1))
        image = rough.resize((427, 320), Image.Resampling.BICUBIC)
        image.save(place / f"{number}.webp", "WEBP", quality=80)
        yield place / f"{number}.webp"


if __name__ == "__main__":
    main()
