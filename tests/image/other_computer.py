"""Any other computer: a drive of the station is plugged in there, and what is on it is read and proven."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from blake3 import blake3

from appliance.drives.layout import MANIFEST
from tests.image.drives import SECTOR, Drive


@contextmanager
def opened(drive: Drive, folder: Path) -> Iterator[Path]:
    """A copy of a drive as it is now, mounted: its one partition, its journal replayed as any Linux does."""
    raw, place = folder / f"{drive.name}-elsewhere.img", folder / f"{drive.name}-elsewhere"
    words: list[str | Path] = ["qemu-img", "convert", "-f", drive.kind, "-O", "raw", "-U", drive.file, raw]
    subprocess.run(words, check=True, capture_output=True, timeout=300)
    place.mkdir(exist_ok=True)
    first = json.loads(_said("sfdisk", "--json", raw))["partitiontable"]["partitions"][0]
    within = f"loop,offset={first['start'] * SECTOR},sizelimit={first['size'] * SECTOR}"
    subprocess.run(["mount", "-o", within, raw, place], check=True, timeout=60)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True, timeout=60)
        raw.unlink()


def proven(drive: Drive, folder: Path) -> int:
    """I2, I3: every file that the drive's own list calls proven has the bytes that it had; how many there are."""
    with opened(drive, folder) as place:
        listed = place / MANIFEST
        lines = listed.read_bytes().splitlines() if listed.exists() else []
        for line in lines:
            digest, _, name = line.partition(b"  ")
            content = Path(os.fsdecode(os.fsencode(place) + b"/" + name)).read_bytes()
            assert blake3(content).hexdigest().encode() == digest, name
        return len(lines)


def _said(*words: str | Path) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout.strip()
