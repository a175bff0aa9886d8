"""Bringing files back from a COLD drive: verified by their hash, flushed, and never over anything that differs.

A file that is already there and equal is left alone; one that differs stays, and the restored one goes beside it as
``name (restored 2026-11-22).ext``.  Safe to stop and to run again: what is back already, also beside, is found equal.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from itertools import count
from pathlib import Path
from typing import Any

from appliance import events
from appliance.backup import browse, catalogue, medium, problems
from appliance.backup.bring_back import bring, settle
from appliance.backup.browse import Copy
from appliance.drives.mounts import Mount, can_hold
from appliance.durable import flush_filesystem
from appliance.errors import NotFound, OutOfSpace
from appliance.jobs.progress import Progress
from appliance.words import N_, Message

OpenCold = Callable[[], AbstractContextManager[Mount]]
SPARE = 64 << 20  # bytes left free on HOT
NOT_THERE = N_("is no longer on the backup drive")
IN_THE_WAY = N_("was not brought back, because something else is at the place of its folder")
TOO_LARGE = N_("is larger than 4 GB, and the drive's format cannot hold that")
NOT_RIGHT = N_("is damaged on the backup drive and was not brought back")


@dataclass(frozen=True)
class Wanted:
    """What to bring back."""

    cold_drive_id: int
    hot_drive_id: int  # where it came from
    hot_tag: str
    path: bytes  # a file, a folder, or "" for the whole drive
    day: date | None = None  # as it was then
    version: int | None = None  # this one of a file's older versions


@dataclass
class Restored:
    """What was done."""

    files: int = 0
    bytes: int = 0
    equal: int = 0
    beside: int = 0
    failed: int = 0


def restore(progress: Progress, wanted: Wanted, hot: Mount, open_cold: OpenCold) -> dict[str, Any]:
    """Bring it back to ``hot``; the job's result.  Raises NotACopy, OutOfSpace, DriveGone or what the drives raise."""
    files, size = _measure(progress, wanted)
    if not files:
        raise problems.NotACopy()
    space = os.statvfs(hot.path)
    free = space.f_bavail * space.f_frsize
    if size + SPARE > free and not _mostly_there(progress, wanted, hot, size, free):
        raise OutOfSpace(drive=hot.name, needed=f"{size / 1e9:.1f} GB", free=f"{free / 1e9:.1f} GB")
    done = Restored()
    with open_cold() as cold:
        for folder, copy in _copies(progress, wanted):
            _one(progress, cold, hot, folder, copy, done)
            progress.step(N_("Bringing files back"), done.bytes, size, share=(2, 98))
    flush_filesystem(hot.path)
    _tell(progress, hot, done)
    return vars(done)


def _measure(progress: Progress, wanted: Wanted) -> tuple[int, int]:
    files = size = 0
    for _, copy in _copies(progress, wanted):
        files += 1
        size += copy.size
    return files, size


def _mostly_there(progress: Progress, wanted: Wanted, hot: Mount, size: int, free: int) -> bool:
    """Whether what is missing fits: a restore that is run again finds most files in place."""
    missing = size
    for folder, copy in _copies(progress, wanted):
        try:
            facts = os.lstat(os.fsencode(hot.path) + b"/" + catalogue.joined(folder, copy.name))
        except OSError:
            continue
        if facts.st_size == copy.size:
            missing -= copy.size
    return missing + SPARE <= free


def _copies(progress: Progress, wanted: Wanted) -> Iterator[tuple[bytes, Copy]]:
    """(folder on HOT, copy) of everything that is wanted, one folder in memory at a time."""
    if wanted.version is not None:
        yield from _version(progress, wanted, wanted.version)
        return
    found = False
    with progress.db.reading() as session:
        for folder in browse.folders_below(session, wanted.cold_drive_id, wanted.hot_drive_id, wanted.path):
            with progress.db.reading() as inner:
                copies = browse.files_of(
                    inner, wanted.cold_drive_id, wanted.hot_drive_id, wanted.hot_tag, folder, wanted.day
                )
            for copy in copies:
                found = True
                yield folder, copy
    if not found and wanted.path:
        yield from _single(progress, wanted)


def _single(progress: Progress, wanted: Wanted) -> Iterator[tuple[bytes, Copy]]:
    """A path that is no folder: the file, or where it vanished its newest version; on a day, only what was there."""
    folder, _, name = wanted.path.rpartition(b"/")
    with progress.db.reading() as session:
        copies = browse.files_of(session, wanted.cold_drive_id, wanted.hot_drive_id, wanted.hot_tag, folder, wanted.day)
        match = [copy for copy in copies if copy.name == name]
        if not match and wanted.day is None:
            match = browse.versions_of(session, wanted.cold_drive_id, wanted.hot_tag, wanted.path)[:1]
    for copy in match:
        yield folder, copy


def _version(progress: Progress, wanted: Wanted, version: int) -> Iterator[tuple[bytes, Copy]]:
    """One older version; nothing when it went for good since somebody chose it."""
    try:
        with progress.db.reading() as session:
            copy = browse.version_of(session, wanted.cold_drive_id, wanted.hot_tag, wanted.path, version)
    except NotFound:
        return
    yield wanted.path.rpartition(b"/")[0], copy


def _one(progress: Progress, cold: Mount, hot: Mount, folder: bytes, copy: Copy, done: Restored) -> None:
    target = _inside(hot, folder, copy.name)
    done.bytes += copy.size
    if not can_hold(hot.filesystem, copy.size):
        _complain(progress, folder, copy, TOO_LARGE, done)
        return
    try:
        _make_folders(hot, target.parent)
    except (NotADirectoryError, FileExistsError):
        _complain(progress, folder, copy, IN_THE_WAY, done)
        return
    place, is_there = _place(target, copy)
    if is_there:
        done.equal += 1
        return
    source = Path(os.fsdecode(os.fsencode(cold.path) + b"/" + copy.place))
    try:
        fresh = bring(source, hot, copy.digest, copy.modified_ns)
    except FileNotFoundError:
        cold.check()
        _complain(progress, folder, copy, NOT_THERE, done)
        return
    if fresh is None:
        _complain(progress, folder, copy, NOT_RIGHT, done)
        return
    if os.path.lexists(place):  # somebody put it there meanwhile
        place, _ = _place(target, copy)
    settle(fresh, place)
    done.files += 1
    done.beside += place != target
    progress.got_on()


def _inside(hot: Mount, folder: bytes, name: bytes) -> Path:
    return Path(os.fsdecode(os.fsencode(hot.path) + b"/" + catalogue.joined(folder, name)))


def _make_folders(hot: Mount, folder: Path) -> None:
    """Like ``mkdir -p`` below the drive's top, but never through a link that leads elsewhere.  Raises OSError."""
    at = hot.path
    for part in folder.relative_to(hot.path).parts:
        at = at / part
        if at.is_symlink() or (at.exists() and not at.is_dir()):
            raise NotADirectoryError(20, "something else is in the way", str(at))
        at.mkdir(exist_ok=True)


def _is_equal(target: Path, copy: Copy) -> bool:
    try:
        facts = target.lstat()
        return facts.st_size == copy.size and medium.digest_of_copy(os.fsencode(target)) == copy.digest
    except OSError:
        return False


def _place(target: Path, copy: Copy) -> tuple[Path, bool]:
    """Where a copy goes without overwriting anything, and whether its very bytes are there already."""
    for candidate in _names(target):
        if not os.path.lexists(candidate):
            return candidate, False
        if _is_equal(candidate, copy):
            return candidate, True
    raise AssertionError("there is always another number")


def _names(target: Path) -> Iterator[Path]:
    """Its own name, then ``photo (restored 2026-11-22).jpg``, then numbered."""
    yield target
    today = datetime.now().astimezone().date().isoformat()
    for number in count(1):
        tail = f" (restored {today})" if number == 1 else f" (restored {today}, {number})"
        stem = target.stem.encode("utf-8", "surrogateescape")[: 250 - len(tail) - len(os.fsencode(target.suffix))]
        yield target.with_name(os.fsdecode(stem.decode("utf-8", "ignore") + tail + target.suffix))


def _complain(progress: Progress, folder: bytes, copy: Copy, why: str, done: Restored) -> None:
    done.failed += 1
    shown = catalogue.joined(folder, copy.name).decode("utf-8", "backslashreplace")
    progress.log(N_("“{file}” {why}"), {"file": shown, "why": Message(why)})


def _tell(progress: Progress, hot: Mount, done: Restored) -> None:
    with progress.db.writing() as session:
        template = N_("{files} files were brought back to {drive}; {equal} were there already, {failed} could not be.")
        events.record(
            session,
            "backup.restored",
            template,
            actor_id=progress.asked_by,
            drive=hot.name,
            files=done.files,
            equal=done.equal,
            failed=done.failed,
        )
