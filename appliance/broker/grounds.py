"""For every ``privileged.py``: where a drive's folders are, and how a configuration file is replaced.

Root is told a drive's tag and a folder's name below it, and finds the path itself: only on a drive that is really
there (root's own note of the mount, the kernel's number of the plugging-in), never in an empty mount point, and never
through a link.  Standard library only.
"""

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

from appliance.drives import records
from appliance.drives.layout import OLDER
from appliance.drives.programs import installed, run
from appliance.durable import write_atomically
from appliance.errors import ApplianceError
from appliance.words import N_

__all__ = ["TAG", "DriveNotHere", "FolderNotHere", "drive", "folder", "folder_problem", "installed", "run", "swap"]

TAG = re.compile(r"HOT-[1-9][0-9]{0,5}")
LONGEST_PATH = 1000  # characters


class DriveNotHere(ApplianceError):
    """The drive that holds what shall be served is not in use."""

    code, status, template = "drive_not_here", 409, N_("{tag} is not connected.")


class FolderNotHere(ApplianceError):
    """The folder that shall be served is not on its drive."""

    code, status, template = "folder_not_here", 409, N_("There is no folder “{folder}” on {tag}.")


def folder_problem(path: str) -> str | None:
    """Why a name below a drive cannot be one ("" is the whole drive); None when it can."""
    names = path.split("/")
    if len(path) > LONGEST_PATH or any(ord(sign) < 32 or ord(sign) == 127 for sign in path):
        return N_("This name has signs that are not possible here.")
    if path and any(name in ("", ".", "..") for name in names):
        return N_("Choose a folder on the drive.")
    if names[0] in records.NOT_SERVED:
        return N_("This folder is the station’s own.")
    return None


def drive(tag: str) -> Path:
    """Where a drive is in use right now.  Raises DriveNotHere."""
    root = Path(os.environ.get("EVERPX_RUN", "/run/everpx")) / "drives"
    record = records.read(root, tag)
    if not TAG.fullmatch(tag) or record is None or not record.is_live(root):
        raise DriveNotHere(tag=tag)
    return Path(record.path)


def older_versions(tag: str) -> Path | None:
    """Where a COLD drive that is in use right now keeps older versions; None when it rests."""
    root = Path(os.environ.get("EVERPX_RUN", "/run/everpx")) / "drives"
    record = records.read(root, tag) if records.TAG.fullmatch(tag) else None
    return Path(record.path) / OLDER if record is not None and record.is_live(root) else None


def device_number(tag: str) -> int | None:
    """``st_dev`` inside a drive, as noted when it was mounted; None when nothing is."""
    record = records.read(Path(os.environ.get("EVERPX_RUN", "/run/everpx")) / "drives", tag)
    return record.device_number if record else None


def filesystem(tag: str) -> str:
    """What a drive that is in use is formatted with, "" when it is not here."""
    record = records.read(Path(os.environ.get("EVERPX_RUN", "/run/everpx")) / "drives", tag)
    return record.filesystem if record else ""


def folder(tag: str, path: str) -> Path:
    """A folder on a drive.  Raises DriveNotHere, FolderNotHere (also for a link, or another drive inside)."""
    place = top = drive(tag)
    if folder_problem(path) is not None:
        raise FolderNotHere(tag=tag, folder=path)
    for name in path.split("/") if path else ():
        place = place / name
        try:
            facts = place.lstat()
        except OSError:
            raise FolderNotHere(tag=tag, folder=path) from None
        if not stat.S_ISDIR(facts.st_mode) or facts.st_dev != top.stat().st_dev:
            raise FolderNotHere(tag=tag, folder=path)
    return place


def swap(path: Path, text: str, put_in_force: Callable[[], None], check: Callable[[Path], None] | None = None) -> bool:
    """Replace a configuration file whole; False when it was so already and nothing was done.

    ``check`` gets the new file under another name and raises before anything changes; when ``put_in_force`` raises,
    the old file is back, is put in force again, and the error goes on.
    """
    new = text.encode()
    old = path.read_bytes() if path.exists() else None
    if old == new:
        return False
    if check is not None:
        trial = path.with_name(f".{path.name}.trial")
        try:
            write_atomically(trial, new, mode=0o644)
            check(trial)
        finally:
            trial.unlink(missing_ok=True)
    write_atomically(path, new, mode=0o644)
    try:
        put_in_force()
    except (ApplianceError, OSError):
        if old is None:
            path.unlink(missing_ok=True)
        else:
            write_atomically(path, old, mode=0o644)
            put_in_force()
        raise
    return True
