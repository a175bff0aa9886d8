"""Files arriving on real filesystems: ext4, btrfs and exFAT; full, write-protected and pulled drives."""

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from appliance.db import Database
from appliance.drives.layout import INCOMING
from appliance.drives.mounts import Mount
from appliance.errors import ApplianceError, OutOfSpace
from appliance.library import room, spool
from appliance.library.arrivals import Arrival
from appliance.library.ingest import Ingest
from appliance.people.models import User
from appliance.places import Places
from tests.component.loop_drives import LoopDrives
from tests.hot_drive import hand_over, person

pytestmark = pytest.mark.component
NAMES = [
    "IMG_1.jpg",
    "CON.jpg",
    "a:b?.txt",
    "dot.",
    "👩‍👩‍👧 café.heic",
    "x" * 300 + ".jpg",
    "../../escape",
    ".hidden",
    "UPPER.JPG",
]


class Station:
    """A door onto a drive with a real filesystem."""

    def __init__(self, db: Database, places: Places, loops: LoopDrives) -> None:
        self.db, self.places, self.loops = db, places, loops
        self.anna: User = person(db)
        self.door = Ingest(db, places)
        self.mounted: list[Path] = []

    def drive(self, filesystem: str, megabytes: int = 128) -> Mount:
        """A new drive of this kind, mounted and handed over."""
        device = self.loops.make(filesystem, filesystem, megabytes)
        path = self.places.mounts / "HOT-1"
        path.mkdir(parents=True)
        fuse = filesystem == "exfat" and "exfat" not in Path("/proc/filesystems").read_text()
        command = ["mount.exfat-fuse"] if fuse else ["mount", "-t", filesystem]
        subprocess.run([*command, f"/dev/{device}", str(path)], check=True, capture_output=True, timeout=60)
        self.mounted.append(path)
        return hand_over(self.db, self.places, path)

    def send(self, hot: Mount, name: str, content: bytes) -> Path:
        """An upload; where it is."""
        parts = iter([content])
        body = spool.receive(hot, lambda count: next(parts, b""), len(content))
        try:
            stored = self.door.take(hot, body, Arrival(self.anna.id, self.anna.folder, name))
        except (ApplianceError, OSError):
            spool.discard(hot, body)
            raise
        return hot.path / os.fsdecode(stored.path)


@pytest.fixture
def station(db: Database, places: Places, loops: LoopDrives) -> Iterator[Station]:
    """Drives are let go at the end, whatever has become of them."""
    made = Station(db, places, loops)
    yield made
    for path in made.mounted:
        subprocess.run(["umount", str(path)], check=False, capture_output=True, timeout=60)


@pytest.mark.parametrize("filesystem", ["ext4", "btrfs", "exfat"])
def test_every_name_is_stored_once_and_never_over_another(
    station: Station, filesystem: str, program: Callable[[str], str]
) -> None:
    hot = station.drive(filesystem)
    stored: dict[Path, bytes] = {}
    for turn in range(3):
        for name in NAMES:
            content = os.urandom(random.randint(0, 50_000)) + bytes([turn])
            path = station.send(hot, name, content)
            assert path not in stored
            stored[path] = blake3(content).digest()
            assert station.send(hot, "again " + name[:50], content) == path
    for path, digest in stored.items():
        assert blake3(path.read_bytes()).digest() == digest
        assert path.is_relative_to(hot.path / "Anna" / "Files")
    assert len(list((hot.path / "Anna" / "Files").iterdir())) == len(stored) == 3 * len(NAMES)
    assert list((hot.path / INCOMING).iterdir()) == []


@pytest.mark.parametrize("filesystem", ["ext4", "exfat"])
def test_capitals_and_remounting_change_nothing(station: Station, filesystem: str) -> None:
    hot = station.drive(filesystem)
    first, second = station.send(hot, "photo.txt", b"one"), station.send(hot, "PHOTO.TXT", b"two")
    assert (first.read_bytes(), second.read_bytes()) == (b"one", b"two")
    before = first.stat().st_mtime_ns
    subprocess.run(["umount", str(hot.path)], check=True, timeout=60)
    device = station.loops.devices[filesystem]
    fuse = filesystem == "exfat" and "exfat" not in Path("/proc/filesystems").read_text()
    command = ["mount.exfat-fuse"] if fuse else ["mount", "-t", filesystem]
    subprocess.run([*command, f"/dev/{device}", str(hot.path)], check=True, capture_output=True, timeout=60)
    assert (first.read_bytes(), second.read_bytes()) == (b"one", b"two")
    assert first.stat().st_mtime_ns == before


def test_a_full_drive_is_said_in_words_and_keeps_what_it_has(station: Station) -> None:
    hot = station.drive("ext4", 32)
    kept = station.send(hot, "first.bin", os.urandom(1_000_000))
    with pytest.raises(OutOfSpace):
        room.choose([hot], 100_000_000)
    with pytest.raises(OutOfSpace):  # one that did not say how large it is
        station.send(hot, "endless.bin", os.urandom(60_000_000))
    with pytest.raises(OutOfSpace):
        for number in range(100_000):
            station.send(hot, f"{number}.bin", os.urandom(500_000))
    assert len(kept.read_bytes()) == 1_000_000
    assert list((hot.path / INCOMING).iterdir()) == []
    sizes = {path.stat().st_size for path in (hot.path / "Anna" / "Files").iterdir()}
    assert sizes == {1_000_000, 500_000}


def test_a_drive_that_is_pulled_takes_nothing_and_says_so(station: Station) -> None:
    hot = station.drive("ext4")
    station.send(hot, "first.bin", os.urandom(1_000_000))
    station.loops.pull("ext4")
    with pytest.raises(ApplianceError) as said:
        for number in range(20):
            station.send(hot, f"late {number}.bin", os.urandom(1_000_000))
    assert said.value.code in ("drive_gone", "drive_read_only")
