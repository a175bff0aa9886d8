"""Giving stations their identity: one built disk, and for each station a data partition, a label, a line in the record.

A station's image is the common part, packed once, followed by its own data partition: parts of a ``.gz`` stand one
behind the other in one file.  So a station takes seconds, and its slots are the built ones to the byte.
"""

import datetime
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from image.build.arch import ARCHES
from image.build.disk import packed, write_at
from image.build.label import written
from image.build.layout import MIB, Partition, divided
from image.build.programs import BuildFailed, run
from image.build.station import Station, made

OWNER = 800  # the station's user: rootfs/usr/lib/sysusers.d/everpx.conf
LARGEST_DISK = 2**28  # blocks of 4 KiB: the data partition can grow to 1 TiB
RECORD = "stations.jsonl"


@dataclass(frozen=True)
class Built:
    """What a build left."""

    folder: Path
    facts: dict[str, object]

    @property
    def data(self) -> Partition:
        """Where the data partition lies."""
        return divided(ARCHES[str(self.facts["arch"])])[7]


def found(folder: Path) -> Built:
    """A finished build.  Raises BuildFailed where there is none."""
    try:
        return Built(folder, json.loads((folder / "build.json").read_text()))
    except FileNotFoundError:
        raise BuildFailed(f"{folder} holds no built image. Run ./build-image.sh --arch … first.") from None


def stamp(built: Built, out: Path, *, raw: bool = False) -> Station:
    """One more station into ``out``: image and its hash, label, a line in the record.  ``raw`` leaves it unpacked."""
    now = datetime.datetime.now(datetime.UTC)
    out.mkdir(parents=True, exist_ok=True)
    station = made(now)
    image = out / f"{station.station_id}.img{'' if raw else '.gz'}"
    unfinished = image.with_name(f".{image.name}")
    unfinished.touch(0o600)  # it will hold the station's secrets
    with tempfile.TemporaryDirectory(prefix="stamp-", dir=out) as folder:
        data = Path(folder) / "data.img"
        data_partition(station, data, Path(folder) / "files", built.data.size // MIB)
        if raw:
            run(["cp", "--sparse=always", "--reflink=auto", built.folder / "disk.img", unfinished])
            write_at(unfinished, built.data, data)
        else:
            packed(data, built.data.size, data.with_suffix(".gz"))
            digest = _joined([built.folder / "disk.img.gz", data.with_suffix(".gz")], unfinished)
            image.with_name(f"{image.name}.sha256").write_text(f"{digest}  {image.name}\n")
    written(station.station_id, station.claim_code, out / f"{station.station_id}-label")
    _note(out / RECORD, station, built, image, now)
    unfinished.rename(image)
    return station


def _joined(parts: list[Path], whole: Path) -> str:
    """Copy files into one, one behind the other; its SHA-256, by which a download or a copy can be checked."""
    digest = hashlib.sha256()
    with whole.open("wb") as out:
        for part in parts:
            with part.open("rb") as content:
                while piece := content.read(MIB):
                    digest.update(piece)
                    out.write(piece)
    return digest.hexdigest()


def data_partition(station: Station, image: Path, files: Path, size: int) -> None:
    """An ext4 of so many MiB with the station's files, made to grow."""
    for name, (content, mode) in station.files.items():
        place = files / name
        place.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        place.write_bytes(content)
        place.chmod(mode)
        if name.startswith("everpx/"):
            os.chown(place, OWNER, OWNER)
            os.chown(place.parent, OWNER, OWNER)
    grow = f"resize={LARGEST_DISK},root_owner=0:0,lazy_itable_init=1"
    words = [
        "mke2fs",
        "-q",
        "-t",
        "ext4",
        "-b",
        "4096",
        "-i",
        "16384",
        "-J",
        "size=16",
        "-L",
        "everpx-data",
        "-E",
        grow,
    ]
    run([*words, "-d", files, image, f"{size}M"])


def _note(record: Path, station: Station, built: Built, image: Path, now: datetime.datetime) -> None:
    """One line of JSON for the maker: enough to know a station again, nothing that opens one."""
    line = {
        "station_id": station.station_id,
        "public_key": station.public_key,
        "claim_hash": station.claim_hash,
        "model": built.facts["model"],
        "version": built.facts["version"],
        "image": image.name,
        "made": now.isoformat(timespec="seconds"),
    }
    with record.open("a") as out:
        out.write(json.dumps(line) + "\n")
        out.flush()
        os.fsync(out.fileno())
