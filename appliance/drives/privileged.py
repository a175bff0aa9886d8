"""Root's verbs for drives.  A request carries kernel names, UUIDs and tags, never a path; root finds the rest itself.

What may be touched at all is decided in ``blocks``; folders that stand in for drives answer the same verbs from a
broker without root.  Imports the standard library and its own kind only: no database, no web (a contract test).
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from appliance.broker.protocol import verb
from appliance.broker.services import let_go_of
from appliance.drives import attaching, blocks, folder_drives, formatting, owning, peek, records, smart
from appliance.durable import flush_filesystem
from appliance.places import places

UUID = re.compile(r"[0-9A-Za-z-]{1,64}")
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,10}")  # what exFAT can hold
DEVICE = re.compile(rf"{blocks.KERNEL_NAME.pattern}|{records.FOLDER_PREFIX}{folder_drives.NAME.pattern}")

BUSY_AFTER_S = 1.0
_turn = threading.Lock()  # guards the table below
_turns: dict[str, threading.Lock] = {}


def _need(pattern: re.Pattern[str], text: str, what: str) -> None:
    if not pattern.fullmatch(text):
        raise ValueError(f"this is not {what}")


@dataclass(frozen=True)
class Nothing:
    """A verb that needs no words."""


@dataclass(frozen=True)
class Device:
    """A partition, or a disk without partitions."""

    device: str

    def __post_init__(self) -> None:
        _need(DEVICE, self.device, "a device")


@dataclass(frozen=True)
class Disk:
    """A whole disk."""

    disk: str

    def __post_init__(self) -> None:
        _need(DEVICE, self.disk, "a disk")


@dataclass(frozen=True)
class Tag:
    """A drive that is mounted."""

    tag: str

    def __post_init__(self) -> None:
        _need(records.TAG, self.tag, "a tag")


@dataclass(frozen=True)
class Mount(Device):
    """What to mount, as what, and the UUID it must still have."""

    tag: str
    filesystem_uuid: str
    read_only: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _need(records.TAG, self.tag, "a tag")
        _need(UUID, self.filesystem_uuid, "a filesystem's UUID")


@dataclass(frozen=True)
class Visit(Device):
    """Which drive that is not ours to read, and the UUID it must still have."""

    filesystem_uuid: str

    def __post_init__(self) -> None:
        super().__post_init__()
        _need(UUID, self.filesystem_uuid, "a filesystem's UUID")


@dataclass(frozen=True)
class Format(Disk):
    """What to erase; serial and size are those that a person confirmed."""

    filesystem: str
    label: str
    expected_serial: str
    expected_size: int

    def __post_init__(self) -> None:
        super().__post_init__()
        _need(LABEL, self.label, "a label")
        if self.filesystem not in formatting.MAKE:
            raise ValueError("this filesystem is not offered")


@dataclass(frozen=True)
class Repair(Device):
    """What to check and repair."""

    filesystem_uuid: str

    def __post_init__(self) -> None:
        super().__post_init__()
        _need(UUID, self.filesystem_uuid, "a filesystem's UUID")


@dataclass(frozen=True)
class Own(Tag):
    """Which mounted drive to make usable; ``everything``: with all that lies on it."""

    everything: bool = False


@verb("drives.survey")
def survey(request: Nothing) -> dict[str, Any]:
    """Every drive that may be shown, with what was seen on it; devices not looked at yet are looked at now."""
    here = places()
    root = attaching.mount_root(here.mounts)
    drives = folder_drives.survey(here.folder_drives)
    if not folder_drives.allowed():
        for block in blocks.survey(root):
            drives.append(asdict(block) | {"seen": None if block.system else _seen_soon(root, block)})
    return {"drives": drives}


@verb("drives.look")
def look(request: Device) -> dict[str, Any]:
    """Look at a device again, whatever was seen before."""
    root = _root()
    if _is_folder(request.device):
        return folder_drives.look(_folder(request.device))
    block = blocks.find(root, request.device)
    with _alone(block.disk):
        records.forget_look(root, block.device)
    return _seen(root, block)


@verb("drives.mount")
def mount(request: Mount) -> dict[str, Any]:
    """Mount a drive at the place of its tag."""
    root = _root()
    wanted = {"tag": request.tag, "filesystem_uuid": request.filesystem_uuid, "read_only": request.read_only}
    with _alone(request.tag):
        if _is_folder(request.device):
            return asdict(folder_drives.mount(root, _folder(request.device), **wanted))  # type: ignore[arg-type]
        block = blocks.find(root, request.device)
        with _alone(block.disk):
            return asdict(attaching.mount(root, block, **wanted))  # type: ignore[arg-type]


@verb("drives.visit")
def visit(request: Visit) -> dict[str, Any]:
    """Mount a drive that is not ours, to read it; ``drives.unmount`` ends it."""
    root = _root()
    if _is_folder(request.device):
        folder = _folder(request.device)
        return asdict(folder_drives.visit(root, folder, filesystem_uuid=request.filesystem_uuid))
    block = blocks.find(root, request.device)
    with _alone(attaching.guest_tag(block)), _alone(block.disk):
        return asdict(attaching.visit(root, block, filesystem_uuid=request.filesystem_uuid))


@verb("drives.unmount")
def unmount(request: Tag) -> dict[str, Any]:
    """Flush and unmount."""
    root = _root()
    let_go_of(request.tag)
    with _alone(request.tag):
        record = records.read(root, request.tag)
        if record is not None and _is_folder(record.device):
            return {"was_mounted": folder_drives.unmount(root, record)}
        return {"was_mounted": attaching.unmount(root, request.tag)}


@verb("drives.flush")
def flush(request: Tag) -> dict[str, Any]:
    """Bring everything written so far onto the medium."""
    root = _root()
    record = attaching.live(root, request.tag)
    if _is_folder(record.device):
        flush_filesystem(Path(record.path))
    else:
        attaching.flush(root, request.tag)
    return {}


@verb("drives.standby")
def standby(request: Disk) -> dict[str, Any]:
    """Let a disk's motor rest."""
    if _is_folder(request.disk):
        return {"asleep": False}
    return {"asleep": smart.standby(blocks.find(_root(), request.disk).disk)}


@verb("drives.smart")
def ask_smart(request: Disk) -> dict[str, Any]:
    """What the disk says of its own health."""
    if _is_folder(request.disk):
        return dict(smart.UNKNOWN)
    block = blocks.find(_root(), request.disk)
    return smart.ask(block.disk, block.sequence)


@verb("drives.format")
def format_disk(request: Format) -> dict[str, Any]:
    """Erase a drive and make a filesystem on it."""
    root = _root()
    with _alone(request.disk):
        if _is_folder(request.disk):
            folder = _folder(request.disk)
            if folder.name != request.expected_serial:
                raise formatting.NotTheConfirmedDrive()
            if record := records.live_mount_of(root, request.disk):
                raise attaching.DriveBusy(program="The station", tag=record.tag)
            folder_drives.wipe(folder)
            return {"device": request.disk} | folder_drives.look(folder)
        target = formatting.format_disk(
            root,
            request.disk,
            filesystem=request.filesystem,
            label=request.label,
            serial=request.expected_serial,
            size=request.expected_size,
        )
    return {"device": target} | _seen(root, blocks.find(root, target))


@verb("drives.repair")
def repair(request: Repair) -> dict[str, Any]:
    """Check and repair an unmounted drive."""
    root = _root()
    if _is_folder(request.device):
        return {"said": "", "dirty": False}
    with _alone(blocks.find(root, request.device).disk):
        said = formatting.repair(root, request.device, request.filesystem_uuid)
    return {"said": said, "dirty": _seen(root, blocks.find(root, request.device))["dirty"]}


@verb("drives.adopt_folder")
def adopt_folder(request: Device) -> dict[str, Any]:
    """Give a folder drive the UUID that every filesystem has."""
    return {"filesystem_uuid": folder_drives.adopt(_folder(request.device))}


@verb("drives.own")
def own(request: Own) -> dict[str, Any]:
    """Make a mounted drive writable for the station's own user."""
    record = attaching.live(_root(), request.tag)
    user = None if _is_folder(record.device) else attaching.station_user()
    ids = (-1, -1) if user is None else (user.pw_uid, user.pw_gid)
    return dict(owning.own(record, *ids, everything=request.everything))


def _root() -> Path:
    return attaching.mount_root(places().mounts)


def _is_folder(device: str) -> bool:
    return device.startswith(records.FOLDER_PREFIX)


def _folder(device: str) -> Path:
    return folder_drives.find(places().folder_drives, device)


def _seen(root: Path, block: blocks.Block) -> dict[str, Any]:
    """What lies on a device: from the last look since it was plugged in, else from a new one."""
    with _alone(block.disk):
        facts = records.last_look(root, block.device, block.sequence)
        if facts is None:
            facts = peek.look(root, block)
            records.remember_look(root, block.device, block.sequence, facts)
    return facts


def _seen_soon(root: Path, block: blocks.Block) -> dict[str, Any]:
    """Like :func:`_seen`, but a disk that another verb works on for minutes does not keep the list waiting."""
    lock = _lock_of(block.disk)
    if lock.acquire(timeout=BUSY_AFTER_S):
        lock.release()
        return _seen(root, block)
    return records.last_look(root, block.device, block.sequence) or {"busy": True, "for_files": True}


@contextmanager
def _alone(what: str) -> Iterator[None]:
    """One verb at a time for one disk or tag; the daemon answers every caller in a thread of its own."""
    with _lock_of(what):
        yield


def _lock_of(what: str) -> threading.Lock:
    with _turn:
        return _turns.setdefault(what, threading.Lock())
