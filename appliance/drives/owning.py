"""Making a freshly mounted drive usable for the station's own user, on filesystems that know owners.

A drive that was adopted may belong to user 1000 of somebody's computer.  Only the top folder and what the station
itself needs change hands, unless a person asked for everything.  No path of the drive is ever followed through a
link: it is other people's data.  Standard library only.
"""

import contextlib
import os
import stat
from pathlib import Path

from appliance.drives.layout import INCOMING, PRIVATE
from appliance.drives.records import Record


def own(record: Record, user: int, group: int, *, everything: bool) -> dict[str, int]:
    """Give the top folder and our private ones to the station; count what it cannot read all the same."""
    if record.read_only:
        return {"unreadable": 0, "changed": 0}
    top = os.open(record.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        has_owners = record.filesystem not in ("exfat", "vfat", "ntfs", "folder") and os.geteuid() == 0
        if has_owners:
            os.fchown(top, user, group)
            os.fchmod(top, stat.S_IMODE(os.fstat(top).st_mode) | 0o700)
        for name in (PRIVATE, INCOMING):
            _folder(top, name, user if has_owners else -1, group if has_owners else -1)
        os.fsync(top)
        if not has_owners:
            return {"unreadable": 0, "changed": 0}
        return _walk(top, user, group, everything)
    finally:
        os.close(top)


def _folder(top: int, name: str, user: int, group: int) -> None:
    """Make a private folder, each step of its path without following a link."""
    at = os.dup(top)
    try:
        for part in Path(name).parts:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o700, dir_fd=at)
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = inner
            if user >= 0:
                os.fchown(at, user, group)
                os.fchmod(at, 0o700)
    finally:
        os.close(at)


def _walk(top: int, user: int, group: int, everything: bool) -> dict[str, int]:
    unreadable = changed = 0
    device = os.fstat(top).st_dev
    for _, folders, files, here in os.fwalk(".", dir_fd=top):
        if os.fstat(here).st_dev != device:
            folders.clear()
            continue
        for name in [*folders, *files]:
            if name == "lost+found" and os.fstat(here).st_ino == os.fstat(top).st_ino:
                if name in folders:
                    folders.remove(name)
                continue
            facts = os.stat(name, dir_fd=here, follow_symlinks=False)
            if facts.st_uid != user and everything:
                os.chown(name, user, group, dir_fd=here, follow_symlinks=False)
                changed += 1
            elif not _can_read(facts, user, group):
                unreadable += 1
    return {"unreadable": unreadable, "changed": changed}


def _can_read(facts: os.stat_result, user: int, group: int) -> bool:
    """Whether the station's user can read a file, or list a folder."""
    if stat.S_ISLNK(facts.st_mode):
        return True
    shift = 6 if facts.st_uid == user else 3 if facts.st_gid == group else 0
    needed = 0o5 if stat.S_ISDIR(facts.st_mode) else 0o4
    return (facts.st_mode >> shift) & needed == needed
