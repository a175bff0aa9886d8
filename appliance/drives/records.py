"""What root wrote down about each mount and each device it has looked at: small JSON files beside the mount points.

``RUN/drives/HOT-1.json``      how HOT-1 is mounted (there exactly while root believes it is)
``RUN/drives/HOT-1/``          its mount point, mode 000 while nothing is mounted there
``RUN/drives/.seen/sdb1.json`` what root last saw on a device; forgotten when the device was formatted

Root writes them, everybody reads them; none of them survives a reboot (the boot id is part of each), and none is
believed for a device that was pulled and plugged in again (the kernel's sequence number of the disk is, too).
Standard library only.
"""

import contextlib
import json
import os
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from appliance.durable import write_atomically

SYSFS = Path("/sys")
FOLDER_PREFIX = "folder:"  # the "device" of a folder that stands in for a drive
FOLDER_MARK = ".folder-drive-id"  # its UUID; a folder without it has not been formatted
TAG = re.compile(r"(HOT|COLD)-[1-9][0-9]{0,5}|GUEST-[1-9][0-9]{0,11}")
NOT_SERVED = frozenset({".everpx", "everpx-drive.json", "lost+found"})  # the station's own, see layout
GUEST = "GUEST-"  # a drive that is not ours and is only read; its number means this plugging-in of this partition


@dataclass(frozen=True)
class Record:
    """One mount, as root made it."""

    tag: str
    device: str  # kernel name, or "folder:<name>"
    sequence: int  # the disk's diskseq at that time; 0 for a folder
    filesystem: str
    filesystem_uuid: str  # read from the device right before it was mounted
    path: str
    device_number: int  # st_dev inside the mount
    read_only: bool
    boot: str

    def is_live(self, root: Path) -> bool:
        """Whether this mount is there right now: same boot, same device still plugged in, same st_dev."""
        if self.boot != boot_id():
            return False
        try:
            inside = Path(self.path).stat().st_dev
            outside = root.stat().st_dev
        except OSError:
            return False
        if inside != self.device_number:
            return False
        if self.device.startswith(FOLDER_PREFIX):
            return folder_uuid(Path(self.path)) == self.filesystem_uuid
        return inside != outside and sequence_of(self.device) == self.sequence


def boot_id() -> str:
    """This boot's random name; constant where the kernel has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "one"


def sequence_of(device: str) -> int | None:
    """The number the kernel gave to this plugging-in of a device's disk; None when it is not there.

    A device of no size is not there either: that is what a card reader without a card looks like.
    """
    place = f"{SYSFS}/class/block/{device}"
    try:
        if _number(f"{place}/size") * 512 < SMALLEST:
            return None
        try:
            return _number(f"{place}/diskseq")
        except FileNotFoundError:  # only the disk has one, and a partition lies inside it
            return _number(f"{place}/../diskseq")
    except (OSError, ValueError):
        return None


def _number(path: str) -> int:
    """What the kernel says in a file of one number; asked for each upload, so without Python's layers of files."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return int(os.read(fd, 32))
    finally:
        os.close(fd)


SMALLEST = 1024 * 1024  # bytes; nothing smaller is a drive


def folder_uuid(folder: Path) -> str:
    """The UUID that marks a folder as a drive, "" when it has none."""
    try:
        return (folder / FOLDER_MARK).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def write(root: Path, record: Record) -> None:
    """Note a mount that was just made."""
    write_atomically(root / f"{record.tag}.json", json.dumps(asdict(record)).encode(), mode=0o644)


def read(root: Path, tag: str) -> Record | None:
    """The note about a tag, None when there is none that can be read."""
    stored = _load(root / f"{tag}.json")
    if stored is None or set(stored) != {f.name for f in fields(Record)}:
        return None
    return Record(**stored)


def remove(root: Path, tag: str) -> None:
    """Forget a mount that is no more."""
    (root / f"{tag}.json").unlink(missing_ok=True)


def all_records(root: Path) -> list[Record]:
    """Every note about a mount, live or not."""
    with contextlib.suppress(OSError):
        names = sorted(p.stem for p in root.glob("*.json") if TAG.fullmatch(p.stem))
        return [record for name in names if (record := read(root, name))]
    return []


def live_mount_of(root: Path, device: str) -> Record | None:
    """The live mount of a device, if it has one."""
    return next((r for r in all_records(root) if r.device == device and r.is_live(root)), None)


def remember_look(root: Path, device: str, sequence: int, facts: dict[str, Any]) -> None:
    """Keep what was seen on a device, so that nobody has to wake it to look again."""
    folder = root / ".seen"
    folder.mkdir(mode=0o755, exist_ok=True)
    kept = {"boot": boot_id(), "sequence": sequence, "facts": facts}
    write_atomically(folder / f"{device.replace('/', '_')}.json", json.dumps(kept).encode(), mode=0o644)


def last_look(root: Path, device: str, sequence: int) -> dict[str, Any] | None:
    """What was seen on a device since it was plugged in; None when nobody looked yet."""
    kept = _load(root / ".seen" / f"{device.replace('/', '_')}.json")
    if kept is None or kept.get("boot") != boot_id() or kept.get("sequence") != sequence:
        return None
    facts: dict[str, Any] = kept["facts"]
    return facts


def forget_look(root: Path, device: str) -> None:
    """What was seen is no longer so."""
    (root / ".seen" / f"{device.replace('/', '_')}.json").unlink(missing_ok=True)


def _load(path: Path) -> dict[str, Any] | None:
    try:
        stored = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return stored if isinstance(stored, dict) else None
