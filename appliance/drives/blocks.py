"""Which block devices root may touch.  Root decides this from the kernel's own tables, never from a request.

Touchable are disks on the USB bus, and loop devices whose backing file lies below ``EVERPX_LOOP_DRIVES`` (test
drives).  A disk that carries anything of the system (a mount outside our mount root, swap) is listed, so that people
see it, and refused.  Standard library only.
"""

import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from appliance.drives import records
from appliance.drives.programs import run
from appliance.errors import ApplianceError
from appliance.words import N_

KERNEL_NAME = re.compile(r"[a-z]{2,8}[a-z0-9]{0,12}")
COLUMNS = "NAME,KNAME,TYPE,SIZE,RO,RM,ROTA,TRAN,MODEL,VENDOR,SERIAL"  # NAME makes it a tree


class NotTouchable(ApplianceError):
    """Root will not do anything to this device."""

    code, status, template = "not_touchable", 409, N_("The station does not touch “{device}”: {why}.")
    hint = N_("Only USB drives that hold nothing of the station itself can be used.")


@dataclass(frozen=True)
class Block:
    """One place where a filesystem can be: a partition, or a disk without partitions."""

    device: str  # kernel name
    disk: str  # kernel name of the whole disk; the same as ``device`` when there are no partitions
    size: int
    sequence: int
    bus: str  # "usb" or "loop"
    model: str = ""
    vendor: str = ""
    serial: str = ""
    read_only: bool = False
    removable: bool = False
    rotational: bool | None = None
    system: str = ""  # why it is the station's own, "" when it is not

    @property
    def path(self) -> str:
        """Its device file."""
        return f"/dev/{self.device}"


def survey(mount_root: Path) -> list[Block]:
    """Every block of every disk that may be shown, in the kernel's order."""
    listed = json.loads(run(["lsblk", "-J", "-b", "-o", COLUMNS], timeout=20).stdout)["blockdevices"]
    taken = taken_devices(mount_root)
    return [block for disk in listed for block in _blocks(disk, taken)]


def find(mount_root: Path, device: str) -> Block:
    """A block that may be touched.  Raises NotTouchable; a request's word for a device is never used otherwise."""
    if not KERNEL_NAME.fullmatch(device):
        raise NotTouchable(device=device[:20], why="this is not a drive's name")
    for block in survey(mount_root):
        if device in (block.device, block.disk):
            if block.system:
                raise NotTouchable(device=device, why=block.system)
            return block
    raise NotTouchable(device=device, why="it is not plugged in, or not a USB drive")


def of_disk(mount_root: Path, disk: str) -> list[Block]:
    """All blocks of one disk that may be touched as a whole.  Raises NotTouchable."""
    find(mount_root, disk)
    return [block for block in survey(mount_root) if block.disk == disk]


def taken_devices(mount_root: Path) -> dict[str, str]:
    """Kernel names that the system itself uses, with the reason, from ``mountinfo`` and ``swaps``."""
    taken: dict[str, str] = {}
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        place = _unescape(before.split(" ")[4])
        source = _unescape(after.split(" ")[1])
        if source.startswith("/dev/") and not Path(place).is_relative_to(mount_root):
            taken[Path(os.path.realpath(source)).name] = f"it is in use at {place}"
    for line in Path("/proc/swaps").read_text().splitlines()[1:]:
        taken[Path(os.path.realpath(line.split()[0])).name] = "the station's memory uses it"
    return taken


def _blocks(disk: dict[str, Any], taken: dict[str, str]) -> list[Block]:
    name = disk["kname"]
    bus = _bus(name)
    sequence = records.sequence_of(name)
    if bus is None or sequence is None:
        return []
    whole = Block(
        device=name,
        disk=name,
        size=int(disk["size"] or 0),
        sequence=sequence,
        bus=bus,
        model=_clean(disk["model"]),
        vendor=_clean(disk["vendor"]),
        serial=_clean(disk["serial"]),
        read_only=bool(disk["ro"]),
        removable=bool(disk["rm"]),
        rotational=disk["rota"],
    )
    if bus == "loop":
        backing = Path(_backing_file(name))
        whole = replace(whole, model=backing.stem, serial=backing.name, rotational=None)
    parts = [child for child in disk.get("children", []) if child["type"] == "part"]
    users = [name, *(child["kname"] for child in disk.get("children", [])), *_holders(name)]
    whole = replace(whole, system=next((taken[user] for user in users if user in taken), ""))
    return [replace(whole, device=p["kname"], size=int(p["size"] or 0)) for p in parts] or [whole]


def _bus(disk: str) -> str | None:
    """The bus, or None when this is no disk of ours to touch."""
    place = records.SYSFS / "block" / disk
    if disk.startswith("loop"):
        allowed = os.environ.get("EVERPX_LOOP_DRIVES")
        backing = _backing_file(disk)
        inside = allowed and backing and Path(backing).is_relative_to(Path(allowed).resolve())
        return "loop" if inside else None
    return "usb" if re.search(r"/usb\d+/", str(place.resolve())) else None


def _backing_file(disk: str) -> str:
    try:
        return (records.SYSFS / "block" / disk / "loop/backing_file").read_text().rstrip("\n")
    except OSError:
        return ""


def _holders(disk: str) -> list[str]:
    """Device-mapper volumes and the like that stand on this disk or its partitions."""
    place = records.SYSFS / "block" / disk
    return [holder.name for holder in [*place.glob("holders/*"), *place.glob(f"{disk}*/holders/*")]]


def _clean(text: str | None) -> str:
    return " ".join((text or "").split())[:100]


def _unescape(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)
