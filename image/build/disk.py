"""The whole disk but for its data partition, which each station gets for itself (``stamp.py``)."""

import gzip
import shutil
from pathlib import Path

from image.build.arch import Arch
from image.build.layout import Partition, divided, fits, table, whole
from image.build.programs import BuildFailed
from image.build.tools import Tools

CHUNK = 1024 * 1024
LARGEST_PACKED = 300_000_000  # what a family downloads


def assembled(disk: Path, arch: Arch, images: dict[int, Path], tools: Tools) -> None:
    """A table and the images at their places; what is empty stays a hole in the file."""
    parts = divided(arch)
    disk.unlink(missing_ok=True)
    with disk.open("wb") as out:
        out.truncate(whole(parts))
    tools.run(["sfdisk", "--quiet", disk], stdin=table(parts))
    for number, image in images.items():
        if not fits(image.stat().st_size, parts[number]):
            raise BuildFailed(
                f"{image.name} has {image.stat().st_size} bytes, its partition {parts[number].size}. "
                "Slots never grow on a disk that is out there: something has to become smaller."
            )
        write_at(disk, parts[number], image)


def write_at(disk: Path, part: Partition, image: Path) -> None:
    """An image's content onto its partition, without writing what is empty."""
    with disk.open("r+b") as out, image.open("rb") as content:
        at = part.start
        while piece := content.read(CHUNK):
            if piece.count(0) != len(piece):
                out.seek(at)
                out.write(piece)
            at += len(piece)


def packed(disk: Path, until: int, into: Path) -> None:
    """The first bytes of a disk, as one member of a ``.gz``: members stand one behind the other in one file."""
    unfinished = into.with_name(f"unfinished-{into.name}")
    with disk.open("rb") as content, gzip.GzipFile(unfinished, "wb", compresslevel=6, mtime=0) as out:
        left = until
        while left and (piece := content.read(min(CHUNK, left))):
            out.write(piece)
            left -= len(piece)
    shutil.move(unfinished, into)


def light_enough(packed_disk: Path) -> None:
    """Raises BuildFailed for an image that has grown above what it may have."""
    size = packed_disk.stat().st_size
    if size > LARGEST_PACKED:
        raise BuildFailed(
            f"The packed image has {size / 1e6:.0f} MB and may have {LARGEST_PACKED / 1e6:.0f}. "
            "image/left-out.txt is the place for what no station uses."
        )
