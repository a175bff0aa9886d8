"""Looking at a filesystem without changing a bit of it: what it is, whether it is ours, what lies at its top.

The device is mounted read-only without replaying its journal, at a place only root can enter, and unmounted again.
Standard library only.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance.drives import marker, records
from appliance.drives.blocks import Block
from appliance.drives.programs import installed, run
from appliance.errors import ApplianceError

MOST_NAMES = 200
KNOWN = ("ext4", "ext3", "ext2", "exfat", "btrfs", "vfat", "ntfs")
#: Types of partition that are never a family's: EFI system, Microsoft reserved, Apple recovery and the like.
NOT_FOR_FILES = frozenset(
    {
        "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
        "e3c9e316-0b5c-4db8-817d-f92df00215ae",
        "de94bba4-06d1-4d40-a16a-bfd50179d6ac",
    }
)
#: ``tz=UTC``: a FAT's times are what a clock showed, and whoever reads them knows where that hung.
LOOK_OPTIONS = {"vfat": ["tz=UTC"], "ext4": ["noload"], "ext3": ["noload"], "btrfs": ["rescue=nologreplay"]}
GUARDS = ["nodev", "nosuid", "noexec"]
EXT_SUPERBLOCK, EXT_NEEDS_RECOVERY = 1024, 0x4
BTRFS_SUPERBLOCK, BTRFS_LOG_ROOT = 64 * 1024, 96  # the log tree's address, 0 when there is none
NTFS_UNCLEAN = (14, 15)  # ntfs-3g.probe: hibernated, not cleanly unmounted


def probe(device: str) -> dict[str, str]:
    """What blkid reads from the device itself, never from a cache: TYPE, UUID, LABEL, PART_ENTRY_TYPE …"""
    said = run(["blkid", "-p", "-o", "export", f"/dev/{device}"], timeout=30, fine=(0, 2, 8)).stdout
    pairs = (line.split("=", 1) for line in said.splitlines() if "=" in line)
    return {key: re.sub(r"\\(.)", r"\1", value) for key, value in pairs}


def look(mount_root: Path, block: Block) -> dict[str, Any]:
    """Everything that can be seen on a device; ``problem`` says in English why something could not be."""
    try:
        probed, problem = probe(block.device), ""
    except ApplianceError as error:
        probed, problem = {}, str(error)[:300]
    filesystem = {"ntfs3": "ntfs", "fuseblk": ""}.get(probed.get("TYPE", ""), probed.get("TYPE", ""))
    facts: dict[str, Any] = {
        "filesystem": filesystem,
        "filesystem_uuid": probed.get("UUID", ""),
        "label": probed.get("LABEL", ""),
        "for_files": probed.get("PART_ENTRY_TYPE", "") not in NOT_FOR_FILES,
        "dirty": None,
        "unfinished": False,
        "problem": problem,
        "marker": None,
        "names": [],
        "names_total": 0,
        "used": None,
        "free": None,
        "capacity": None,
    }
    if filesystem not in KNOWN:
        return facts
    mounted = records.live_mount_of(mount_root, block.device)
    try:
        if mounted is None or mounted.read_only:
            facts["dirty"] = is_dirty(block.device, filesystem)
            facts["unfinished"] = is_unfinished(block.device, filesystem)
        if mounted is not None:
            facts |= contents(Path(mounted.path))
        else:
            with peeking(mount_root, block.device, filesystem) as place:
                facts |= contents(place)
    except (ApplianceError, OSError) as error:
        facts["problem"] = str(error)[:300]
    return facts


def contents(place: Path) -> dict[str, Any]:
    """What lies at the top of a mounted filesystem, its marker, and how full it is."""
    space = os.statvfs(place)
    with os.scandir(place) as listing:
        names = sorted(entry.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for entry in listing)
    names = [name for name in names if name not in ("lost+found", records.FOLDER_MARK)]
    return {
        "marker": marker.raw(place),
        "names": names[:MOST_NAMES],
        "names_total": len(names),
        "used": (space.f_blocks - space.f_bfree) * space.f_frsize,
        "free": space.f_bavail * space.f_frsize,
        "capacity": space.f_blocks * space.f_frsize,
    }


@contextmanager
def peeking(mount_root: Path, device: str, filesystem: str) -> Iterator[Path]:
    """A device mounted read-only for a moment, where only root can see it."""
    place = mount_root / ".look" / device
    place.parent.mkdir(mode=0o700, exist_ok=True)
    place.mkdir(mode=0o700, exist_ok=True)
    while os.path.ismount(place):  # a killed look
        run(["umount", str(place)])
    run(mount_command(device, filesystem, place, ["ro", *GUARDS, *LOOK_OPTIONS.get(filesystem, [])]), timeout=120)
    try:
        yield place
    finally:
        run(["umount", str(place)], timeout=120)
        with contextlib.suppress(OSError):
            place.rmdir()


def mount_command(device: str, filesystem: str, place: Path, options: list[str]) -> list[str]:
    """The command that mounts; the kernel's own driver where there is one, else FUSE."""
    kernel_types = {line.split()[-1] for line in Path("/proc/filesystems").read_text().splitlines()}
    ours = ",".join(options)
    if filesystem == "exfat" and "exfat" not in kernel_types and installed("mount.exfat-fuse"):
        return ["mount.exfat-fuse", f"/dev/{device}", str(place), "-o", ours]
    if filesystem == "ntfs" and "ntfs3" not in kernel_types and installed("ntfs-3g"):
        return ["ntfs-3g", f"/dev/{device}", str(place), "-o", ours]
    if filesystem == "vfat" and "ro" in options and "vfat" not in kernel_types and installed("fusefat"):
        known = [option for option in options if not option.startswith("tz=")]  # it knows no other clock
        return ["fusefat", "-o", ",".join([*known, "allow_other"]), f"/dev/{device}", str(place)]
    kernel_name = {"ntfs": "ntfs3", "ext3": "ext4", "ext2": "ext4"}.get(filesystem, filesystem)
    return ["mount", "-t", kernel_name, "-o", ours, f"/dev/{device}", str(place)]


def is_dirty(device: str, filesystem: str) -> bool | None:
    """Whether another computer left the filesystem unclean; None when that cannot be told.

    ext4 and btrfs repair an interrupted write by themselves, so only errors found by a check count there.
    """
    if filesystem.startswith("ext"):
        said = run(["dumpe2fs", "-h", f"/dev/{device}"], timeout=60).stdout
        state = re.search(r"^Filesystem state:\s*(.*)$", said, re.MULTILINE)
        return None if state is None else state[1].strip() != "clean"
    if filesystem == "ntfs":
        if not installed("ntfs-3g.probe"):
            return None
        said_ntfs = run(["ntfs-3g.probe", "--readwrite", f"/dev/{device}"], timeout=60, fine=range(256))
        return said_ntfs.returncode in NTFS_UNCLEAN
    if filesystem in ("exfat", "vfat"):
        with open(f"/dev/{device}", "rb", buffering=0) as boot_sector:
            return fat_dirty(boot_sector.read(512), filesystem)
    return False


def is_unfinished(device: str, filesystem: str) -> bool:
    """Whether writes wait in the journal for the next mount; until then a look may show what was before them."""
    with open(f"/dev/{device}", "rb", buffering=0) as file:
        start = file.read(EXT_SUPERBLOCK + 1024)
        if filesystem in ("ext3", "ext4"):
            features = start[EXT_SUPERBLOCK + 0x60 :][:4]
            return bool(int.from_bytes(features, "little") & EXT_NEEDS_RECOVERY)
        if filesystem == "btrfs":
            file.seek(BTRFS_SUPERBLOCK)
            return any(file.read(BTRFS_LOG_ROOT + 8)[BTRFS_LOG_ROOT:])
    return False


def fat_dirty(sector: bytes, filesystem: str) -> bool:
    """The dirty bit of an exFAT or FAT boot sector."""
    if filesystem == "exfat":
        return bool(sector[106] & 0x02)
    is_fat32 = sector[22:24] == b"\0\0"  # a FAT32 has no 16-bit size of its table
    return bool(sector[0x41 if is_fat32 else 0x25] & 0x01)
