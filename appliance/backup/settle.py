"""The moment a batch becomes true: old files to ``Older versions/``, new ones from the incoming folder to their place.

Everything here happens after the new bytes were read back from the medium.  Pull the plug before the commit: the
files are at their places or in the incoming folder, none is lost, and the next run does the batch again.
"""

import contextlib
import errno
import os
import stat
from datetime import datetime
from pathlib import Path
from typing import Any

from appliance.backup import catalogue, crashpoints, medium, older
from appliance.backup.older import Leaving, Shelf
from appliance.backup.work import Batch, FolderWork, Item
from appliance.db import Database, now
from appliance.drives.mounts import Mount
from appliance.library.listing import UNKNOWN

COARSE_NS = 2_000_000_000  # FAT keeps times in steps of two seconds
IS_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)


class Settler:
    """Settles the batches of one run on one COLD drive."""

    def __init__(self, db: Database, cold: Mount, shelf: Shelf) -> None:
        self._db, self._cold, self._shelf = db, cold, shelf
        self.replaced = 0

    def leaving(self, batch: Batch) -> list[Leaving]:
        """What lies where this batch's files go."""
        top = os.fsencode(self._cold.path / batch.hot.tag) + b"/"
        there: dict[bytes, bool] = {}
        found: list[tuple[Item, str, int, int, bytes]] = []
        for item in batch.good():
            place = item.folder.place
            if place not in there:
                there[place] = not place or os.path.lexists(top + place)
            if there[place] and (fact := self._in_the_way(top, item)):
                found.append((item, *fact))
        if not found:
            return []
        ids = self._folder_ids(batch, {item.folder.path: item.folder for item, *_ in found})
        with self._db.reading() as session:
            known = catalogue.sinces(session, [item.held.id for item, *_ in found if item.held])
        moment = now()  # what another computer left there was never proven before
        return [
            Leaving(
                tag=batch.hot.tag,
                place=item.place,
                folder_id=ids[item.folder.path],
                name=item.name,
                why=why,
                size=size,
                modified_ns=modified,
                digest=digest,
                since=known.get(item.held.id) if item.held and why == older.REPLACED else moment,
            )
            for item, why, size, modified, digest in found
        ]

    def look_ahead(self, batch: Batch) -> None:
        """Have the kernel learn what :meth:`leaving` will ask, while the batch is on its way."""
        top = os.fsencode(self._cold.path / batch.hot.tag) + b"/"
        for item in batch.items:
            if item.held is not None:
                os.path.lexists(top + item.place)

    def _in_the_way(self, top: bytes, item: Item) -> tuple[str, int, int, bytes] | None:
        """(why, size, time, digest) of the file at an item's place; None when there is none, or it may be replaced."""
        path, held = top + item.place, item.held
        try:
            facts = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISREG(facts.st_mode):
            _step_aside(path)  # a folder or a link that another computer put there
            return None
        if held and facts.st_size == held.size and abs(facts.st_mtime_ns - held.modified_ns) <= COARSE_NS:
            return older.REPLACED, held.size, held.modified_ns, held.digest
        try:
            digest = medium.digest_of_copy(path)
        except OSError:  # its bytes cannot be read any more
            if held is None:
                _step_aside(path)
            return (older.REPLACED, held.size, held.modified_ns, held.digest) if held else None
        if held and digest == held.digest:  # only its time was changed
            return older.REPLACED, held.size, held.modified_ns, held.digest
        if digest == item.digest:
            return None
        return older.ELSEWHERE, facts.st_size, facts.st_mtime_ns, digest

    def _folder_ids(self, batch: Batch, folders: dict[bytes, FolderWork]) -> dict[bytes, int]:
        missing = [path for path, work in folders.items() if work.folder_id is None]
        if missing:
            with self._db.writing() as session:
                for path, folder_id in catalogue.ensure_folders(session, batch.hot.drive_id, missing).items():
                    folders[path].folder_id = folder_id
        return {path: work.folder_id for path, work in folders.items() if work.folder_id is not None}

    def place(self, batch: Batch, arrived: Path) -> None:
        """Rename a batch into place; whole new folders at once."""
        for item in batch.items:
            if item.problem:
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    os.unlink(os.fsencode(arrived) + b"/" + item.place)
        top = os.fsencode(self._cold.path / batch.hot.tag)
        os.makedirs(top, exist_ok=True)
        if arrived.exists():
            _merge(os.fsencode(arrived), top)
        for work in batch.folders:
            if work.is_new and work.place:
                os.makedirs(top + b"/" + work.place, exist_ok=True)
        crashpoints.reach("placed")

    def commit(self, batch: Batch) -> None:
        """Record what is proven.  Call after the renames were flushed."""
        moment = now()
        for item in batch.good():
            item.folder.proven += 1
        with self._db.writing() as session:
            missing = [work.path for work in batch.folders if work.folder_id is None]
            ids = catalogue.ensure_folders(session, batch.hot.drive_id, missing)
            for work in batch.folders:
                work.folder_id = work.folder_id or ids[work.path]
            catalogue.record_folders(session, [self._folder_row(work) for work in batch.folders])
            catalogue.record_files(session, [self._file_row(item, moment) for item in batch.good()])
            read = [_learned(item, moment) for item in batch.good() if not item.was_catalogued]
            catalogue.learn_digests(session, read)
        for work in batch.folders:
            work.is_new = False
        crashpoints.reach("committed")

    def _folder_row(self, work: FolderWork) -> dict[str, Any]:
        is_proven = work.is_whole and work.proven == work.expected
        return {
            "cold_drive_id": self._cold.drive_id,
            "folder_id": work.folder_id,
            "fingerprint": work.fingerprint if is_proven else UNKNOWN,
            "stored_as": work.stored_as,
        }

    def _file_row(self, item: Item, moment: datetime) -> dict[str, Any]:
        return {
            "cold_drive_id": self._cold.drive_id,
            "folder_id": item.folder.folder_id,
            "name": item.name,
            "stored_as": None if item.place_name == item.name else item.place_name,
            "size": item.size,
            "modified_ns": item.modified_ns,
            "digest": item.digest,
            "proven": moment,
            "since": moment,
        }


def _learned(item: Item, moment: datetime) -> dict[str, Any]:
    return {
        "in_folder": item.folder.folder_id,
        "named": item.name,
        "sized": item.size,
        "dated": item.modified_ns,
        "hashed": item.digest,
        "at": moment,
    }


def _merge(source: bytes, target: bytes) -> None:
    """Rename a tree into another.  A folder that is not there yet moves as a whole; files take their places."""
    try:
        os.rename(source, target)
        return
    except OSError as error:
        if error.errno not in IS_TAKEN and not os.path.isdir(target):  # drivers differ in how they say "taken"
            raise
    if not os.path.isdir(target) or os.path.islink(target):
        _step_aside(target)
        os.rename(source, target)
        return
    with os.scandir(source) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        place = target + b"/" + entry.name
        if entry.is_dir(follow_symlinks=False):
            _merge(entry.path, place)
        else:
            os.rename(entry.path, place)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(entry.path)  # two links to one file: such a rename does nothing (POSIX)
    os.rmdir(source)


def _step_aside(path: bytes) -> None:
    """Rename what another computer put where the copy belongs; it stays beside it."""
    number = 2
    while os.path.lexists(aside := older.numbered(path, number)):
        number += 1
    os.rename(path, aside)
