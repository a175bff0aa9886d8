"""Folders that stand in for drives where there is no root: every sub-folder of ``EVERPX_DATA/folder-drives`` is one.

Renaming or removing the folder is unplugging it.  The same verbs answer, from a broker that runs as an ordinary user;
as root there are no folder drives at all.  "Formatting" empties the folder and gives it a new ``.folder-drive-id``.
Standard library only.
"""

import os
import re
import zlib
from pathlib import Path
from typing import Any

from appliance.drives import attaching, peek, records
from appliance.drives.blocks import NotTouchable
from appliance.drives.records import FOLDER_MARK, FOLDER_PREFIX, Record, folder_uuid
from appliance.durable import flush_filesystem, write_atomically

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,60}")


def allowed() -> bool:
    """Root never works on folders that an ordinary user can rearrange."""
    return os.geteuid() != 0


def survey(parent: Path) -> list[dict[str, Any]]:
    """Every folder drive as the broker's survey shows it."""
    if not allowed() or not parent.is_dir():
        return []
    return [_facts(folder) for folder in sorted(parent.iterdir()) if _is_drive(folder)]


def _is_drive(folder: Path) -> bool:
    return bool(NAME.fullmatch(folder.name)) and folder.is_dir() and not folder.is_symlink()


def _facts(folder: Path) -> dict[str, Any]:
    device = FOLDER_PREFIX + folder.name
    space = os.statvfs(folder)
    return {
        "device": device,
        "disk": device,
        "sequence": 0,
        "bus": "folder",
        "model": folder.name,
        "vendor": "",
        "serial": folder.name,
        "size": space.f_blocks * space.f_frsize,
        "read_only": not os.access(folder, os.W_OK),
        "removable": True,
        "rotational": None,
        "system": "",
        "seen": look(folder),
    }


def look(folder: Path) -> dict[str, Any]:
    """What a look at a device says, for a folder."""
    facts: dict[str, Any] = {"filesystem": "folder", "filesystem_uuid": folder_uuid(folder), "label": folder.name}
    try:
        facts |= peek.contents(folder) | {"problem": ""}
    except OSError as error:
        facts |= {"problem": str(error), "marker": None, "names": [], "names_total": 0}
        facts |= {"used": None, "free": None, "capacity": None}
    return facts | {"dirty": False, "for_files": True}


def find(parent: Path, device: str) -> Path:
    """The folder that a device name stands for.  Raises NotTouchable."""
    name = device.removeprefix(FOLDER_PREFIX)
    folder = parent / name
    if not allowed() or not NAME.fullmatch(name) or not _is_drive(folder):
        raise NotTouchable(device=device[:70], why="there is no such folder")
    return folder.resolve()


def mount(root: Path, folder: Path, *, tag: str, filesystem_uuid: str, read_only: bool) -> Record:
    """Note that a folder is in use; there is nothing to attach."""
    if not filesystem_uuid or folder_uuid(folder) != filesystem_uuid:
        raise attaching.WrongFilesystem()
    record = Record(
        tag=tag,
        device=FOLDER_PREFIX + folder.name,
        sequence=0,
        filesystem="folder",
        filesystem_uuid=filesystem_uuid,
        path=str(folder),
        device_number=folder.stat().st_dev,
        read_only=read_only,
        boot=records.boot_id(),
    )
    records.write(attaching.mount_root(root), record)
    return record


def visit(root: Path, folder: Path, *, filesystem_uuid: str) -> Record:
    """Note that a folder of somebody else is being read."""
    tag = f"{records.GUEST}{zlib.crc32(folder.name.encode()) or 1}"
    return mount(root, folder, tag=tag, filesystem_uuid=filesystem_uuid, read_only=True)


def unmount(root: Path, record: Record) -> bool:
    """Flush, and note that the folder is no longer in use."""
    if record.is_live(root):
        flush_filesystem(Path(record.path))
    records.remove(root, record.tag)
    return True


def adopt(folder: Path) -> str:
    """Give a folder its UUID if it has none yet; the one thing written before it is handed over."""
    import uuid  # the idle daemon does not carry what only stations without root need

    if not folder_uuid(folder):
        write_atomically(folder / FOLDER_MARK, f"{uuid.uuid4()}\n".encode(), mode=0o644)
    return folder_uuid(folder)


def wipe(folder: Path) -> str:
    """Empty a folder and give it a new UUID."""
    import shutil

    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    return adopt(folder)
