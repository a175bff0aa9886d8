"""Copying files, and taking them to another HOT drive: copied, proven by their hash, and only then removed.

A batch becomes true all at once.  What is true if the plug is pulled, line by line:

1. copies lie in ``.everpx/incoming`` of the target under names that no reader knows; cleaning removes them;
2. each is flushed and read again past the page cache: it holds what was read, and what the library knows of the file;
3. the job's checkpoint names the batch, then the copies get their names and the folders are flushed: the file lies at
   both places, and the next start goes on from the checkpoint (:func:`_settle`);
4. the rows say the new place in one commit: a photo keeps its number, its albums and its words;
5. the originals go, each only while it is still the file that was copied.  Cut here, the original lies there once
   more, and the next start removes it; nothing is ever on no drive.

A file that cannot be read, or that is no longer what was stored, is left where it is and told.
"""

import contextlib
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote, unquote_to_bytes

from appliance.db import Database
from appliance.drives.layout import INCOMING
from appliance.errors import NotFound, OutOfSpace
from appliance.library import carried_rows, catalogue, folders, index, proven_copy, room
from appliance.library.beneath import make_folder, open_beneath
from appliance.library.bin import SIDECAR, split
from appliance.library.carried_plan import Errand, Load, batches, loads_of, names_for
from appliance.library.carried_rows import Carried
from appliance.library.contents import digest_of
from appliance.library.placing import place
from appliance.words import N_, Message

COARSEST_S = 2.0  # FAT keeps times no better
STAGES = {True: N_("Copying to {drive}"), False: N_("Moving to {drive}")}


class Telling(Protocol):
    """What a job offers, and somebody who waits for an answer does not need."""

    checkpoint: dict[str, Any]

    def step(self, stage: Message | str, done: float = 0, total: float = 0) -> None:
        """How far it is; may raise to stop it."""

    def keep(self, **notes: Any) -> None:
        """Commit the checkpoint."""

    def got_on(self) -> None:
        """A batch is done for good."""


class Silent:
    """For few small files: nobody is told, and nothing is kept for a later start."""

    def __init__(self) -> None:
        self.checkpoint: dict[str, Any] = {}

    def step(self, stage: Message | str, done: float = 0, total: float = 0) -> None:
        """Nobody listens."""

    def keep(self, **notes: Any) -> None:
        """For nobody."""

    def got_on(self) -> None:
        """Nobody counts."""


@dataclass
class Done:
    """What became of an errand: where the things are now, and the names of files that stayed where they were."""

    places: list[bytes] = field(default_factory=list)
    files: int = 0
    size: int = 0
    left: list[str] = field(default_factory=list)


def carry(db: Database, errand: Errand, telling: Telling) -> Done:
    """Do the errand; run again with its checkpoint it goes on where it was cut.

    Raises NotFound, OutOfSpace, NotWritable, DriveGone.
    """
    if errand.target.read_only or (errand.source.read_only and not errand.keep):
        raise room.NotWritable(drive=(errand.target if errand.target.read_only else errand.source).name)
    done = Done()
    with room.opened(errand.source) as source, room.opened(errand.target) as target:
        if batch := telling.checkpoint.get("batch"):
            _settle(db, errand, source, target, batch)
        goes_on = "names" in telling.checkpoint
        names = _names(errand, source, target, telling)
        loads, made = loads_of(source, errand, names)
        if goes_on and errand.keep:
            loads = _rest(db, errand, target, loads, names)
        total = sum(load.size for load in loads)
        if total > (free := room.free(errand.target)):
            raise OutOfSpace(drive=errand.target.name, needed=room.said(total), free=room.said(free))
        for path in made:
            os.close(make_folder(target, path))
        for batch in batches(loads):
            _carry_batch(db, errand, (source, target), batch, telling, done, total)
        if not errand.keep:
            _remove_empty(source, errand.paths)
    done.places = [catalogue.joined(errand.into, name) for name in names.values()]
    return done


def _names(errand: Errand, source: int, target: int, telling: Telling) -> dict[bytes, bytes]:
    """Decided once, so that a job that goes on fills the same folders."""
    if kept := telling.checkpoint.get("names"):
        return {unquote_to_bytes(path): unquote_to_bytes(name) for path, name in kept.items()}
    found = names_for(errand, source, target)
    telling.keep(names={quote(path): quote(name) for path, name in found.items()})
    return found


def _rest(db: Database, errand: Errand, target: int, loads: Sequence[Load], names: Mapping[bytes, bytes]) -> list[Load]:
    """Of a copy that was cut, what is still to do: its names were free, so what has them came from here."""
    rest = []
    for load in loads:
        try:
            fd = open_beneath(target, load.goal, os.O_PATH)
        except OSError:
            rest.append(load)
            continue
        facts = os.fstat(fd)
        os.close(fd)
        if facts.st_size != load.size or abs(facts.st_mtime - load.modified) > COARSEST_S:
            rest.append(load)
    for name in names.values():
        index.look_below(db, errand.target, catalogue.joined(errand.into, name))
    index.look_at(db, errand.target, errand.into)
    return rest


def _carry_batch(
    db: Database,
    errand: Errand,
    roots: tuple[int, int],
    batch: Sequence[Load],
    telling: Telling,
    done: Done,
    total: int,
) -> None:
    source, target = roots
    stage = Message(STAGES[errand.keep], {"drive": errand.target.name})
    rows = carried_rows.known(db, errand.source.drive_id, [load.path for load in batch])
    ready: list[Carried] = []
    folder = make_folder(target, INCOMING.encode())
    try:
        for load in batch:
            telling.step(stage, done.size, total)
            room.check(errand.target, load.size)
            copied = proven_copy.copy(source, folder, load, rows.get(load.path), errand.source)
            if copied is None:
                done.left.append(folders.shown(split(load.path)[1]))
            else:
                ready.append(copied)
            done.size += load.size
        errand.target.check()
        if not errand.keep:
            telling.keep(batch=[one.noted() for one in ready])
        ready = _place_all(target, folder, ready)
    finally:
        for one in ready:
            with contextlib.suppress(OSError):  # those that have their name are no longer here
                os.unlink(one.spool, dir_fd=folder)
        os.close(folder)
    errand.target.check()
    _make_true(db, errand, source, ready)
    done.files += len(ready)
    telling.got_on()


def _place_all(target: int, folder: int, ready: Sequence[Carried]) -> list[Carried]:
    """Give the copies their names, or numbered ones, and make those durable."""
    placed: list[Carried] = []
    renamed: dict[bytes, bytes] = {}
    used: dict[bytes, int] = {}
    try:
        for one in ready:
            goal = one.goal
            if goal.endswith(SIDECAR) and (photo := renamed.get(goal.removesuffix(SIDECAR))):
                goal = photo + SIDECAR
            path, name = split(goal)
            if path not in used:
                used[path] = make_folder(target, path)
            found, _ = place(folder, one.spool, used[path], os.fsdecode(name), lambda _: False)
            if found != name:
                renamed[goal] = catalogue.joined(path, found)
            placed.append(one._replace(goal=catalogue.joined(path, found)))
        for fd in used.values():
            os.fsync(fd)
    finally:
        for fd in used.values():
            os.close(fd)
    return placed


def _make_true(db: Database, errand: Errand, source: int, placed: Sequence[Carried]) -> None:
    """The rows, then the originals."""
    carried_rows.follow(db, errand.target, placed, errand.user_id, errand.source.drive_id, moved=not errand.keep)
    if not errand.keep:
        errand.target.check()
        gone = [one for one in placed if _remove(source, one)]
        carried_rows.forget(db, errand.source.drive_id, [one.path for one in gone])


def _remove(root: int, one: Carried) -> bool:
    """Remove an original that is still what was copied; whether it is gone."""
    folder, name = split(one.path)
    try:
        parent = open_beneath(root, folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return True
    try:
        facts = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if (facts.st_size, facts.st_mtime_ns) != (one.size, one.was_ns) or not stat.S_ISREG(facts.st_mode):
            return False
        os.unlink(name, dir_fd=parent)
        os.fsync(parent)
    except FileNotFoundError:
        return True
    finally:
        os.close(parent)
    return True


def _settle(db: Database, errand: Errand, source: int, target: int, batch: Sequence[Sequence[Any]]) -> None:
    """What was cut off between the names and the end: copies that are there and right count, the others come anew."""
    placed = []
    for noted in batch:
        one = Carried.from_note(noted)
        with contextlib.suppress(OSError):
            fd = open_beneath(target, one.goal, os.O_RDONLY | os.O_NONBLOCK)
            try:
                if os.fstat(fd).st_size == one.size and digest_of(fd) == one.digest:
                    placed.append(one._replace(modified_ns=os.fstat(fd).st_mtime_ns))
            finally:
                os.close(fd)
    errand.target.check()
    _make_true(db, errand, source, placed)


def _remove_empty(root: int, paths: Sequence[bytes]) -> None:
    """Folders of which everything went go as well; one in which anything is left stays."""
    for path in paths:
        with contextlib.suppress(OSError, NotFound):
            folder = open_beneath(root, path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                inside = [catalogue.joined(path, entry.name) for entry in folders.entries(folder) if entry.is_folder]
            finally:
                os.close(folder)
            _remove_empty(root, inside)
            parent = open_beneath(root, split(path)[0], os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.rmdir(split(path)[1], dir_fd=parent)
                os.fsync(parent)
            finally:
                os.close(parent)
