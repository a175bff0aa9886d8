"""How the disk is divided: one table for Raspberry Pi firmware, EFI machines and QEMU.  docs/image.md draws it."""

import math
from dataclasses import dataclass

from image.build.arch import Arch

SECTOR = 512
MIB = 1024 * 1024
#: the same on every disk, because a slot's files name it and slots are the same for all stations
DISK_ID = "e5e50001"


@dataclass(frozen=True)
class Partition:
    """One entry of the table, in bytes."""

    number: int
    start: int
    size: int
    kind: str

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.start + self.size


@dataclass(frozen=True)
class Sizes:
    """What each part may take, in MiB.  For life: an upgrade fits into the slots that a disk was made with."""

    selector: int = 64
    boot: int = 128
    root: int = 512
    data: int = 96  # grows to the end of the disk at the first start


def divided(arch: Arch, sizes: Sizes | None = None) -> dict[int, Partition]:
    """Every partition by its number; 5, 6 and 7 lie in 4, each a MiB behind the other for their own table entries."""
    given = sizes or Sizes()
    found: dict[int, Partition] = {}
    at = MIB
    for number, size, kind in ((1, given.selector, arch.first_partition), (2, given.boot, "0c"), (3, given.boot, "0c")):
        found[number] = Partition(number, at, size * MIB, kind)
        at = found[number].end
    container = at
    for number, size in ((5, given.root), (6, given.root), (7, given.data)):
        found[number] = Partition(number, at + MIB, size * MIB, "83")
        at = found[number].end
    found[4] = Partition(4, container, at - container, "0f")
    return dict(sorted(found.items()))


def whole(parts: dict[int, Partition]) -> int:
    """Bytes of the disk."""
    return max(part.end for part in parts.values())


def table(parts: dict[int, Partition]) -> str:
    """The words for sfdisk."""
    lines = ["label: dos", f"label-id: 0x{DISK_ID}", "unit: sectors", ""]
    for part in parts.values():
        start, size = part.start // SECTOR, part.size // SECTOR
        flag = ", bootable" if part.number == 1 else ""
        lines.append(f"disk{part.number} : start={start}, size={size}, type={part.kind}{flag}")
    return "\n".join([*lines, ""])


def fits(size: int, part: Partition) -> bool:
    """Whether so many bytes go in."""
    return size <= part.size


def rounded(size: int, to: int) -> int:
    """The next whole multiple."""
    return math.ceil(size / to) * to
