"""The work of a run, cut into batches: which files of which folder, and what the COLD drive holds in their place.

Folders are listed again as their turn comes, so a batch is as fresh as it can be and the plan needs no list of files;
only the first few that differ, which is all of them on an ordinary night, are taken as the plan met them.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from appliance.backup import catalogue, problems
from appliance.backup.catalogue import Held, Read
from appliance.backup.cold_names import Names, safe
from appliance.backup.plan import Difference, Sheet, differing_files
from appliance.db import Database
from appliance.drives.mounts import Mount, can_hold
from appliance.library.listing import UNKNOWN
from appliance.library.scan import listing_of

BATCH_FILES = 1500
BATCH_BYTES = 256 << 20


@dataclass(slots=True)
class FolderWork:
    """A HOT folder whose copy is being brought up to date."""

    path: bytes
    place: bytes  # its path on COLD, below the HOT tag
    folder_id: int | None
    fingerprint: bytes
    is_new: bool  # COLD holds nothing of it yet
    expected: int = 0  # files in batches so far
    proven: int = 0
    is_whole: bool = False  # its last file is in a batch

    @property
    def stored_as(self) -> bytes | None:
        """Where it lies on COLD, if not under its own path."""
        return None if self.place == self.path else self.place


@dataclass(slots=True)
class Item:
    """A file to be copied."""

    folder: FolderWork
    name: bytes
    size: int
    modified_ns: int
    held: Held | None
    place_name: bytes  # its name on COLD
    digest: bytes | None
    was_catalogued: bool  # the digest is the library's, not read just now
    is_reused: bool = False  # COLD had the same bytes under another name
    problem: str = ""  # why it is not copied, a sentence; "" while all is well
    detail: str = ""

    @property
    def path(self) -> bytes:
        """Below the HOT drive's top."""
        return catalogue.joined(self.folder.path, self.name)

    @property
    def place(self) -> bytes:
        """Below the HOT tag on COLD."""
        return catalogue.joined(self.folder.place, self.place_name)

    @property
    def is_plain(self) -> bool:
        """Whether COLD can hold its path as it is."""
        return self.place_name == self.name and self.folder.stored_as is None


@dataclass(slots=True)
class Batch:
    """Files that become true on COLD together."""

    hot: Mount
    number: int
    items: list[Item] = field(default_factory=list)
    folders: list[FolderWork] = field(default_factory=list)
    bytes: int = 0

    @property
    def is_full(self) -> bool:
        """Whether it should go."""
        return len(self.items) + len(self.folders) >= BATCH_FILES or self.bytes >= BATCH_BYTES

    def good(self) -> Iterator[Item]:
        """The files nothing is wrong with so far."""
        return (item for item in self.items if not item.problem)


class Cutter:
    """Cuts the folders that differ into batches."""

    def __init__(self, db: Database, cold: Mount) -> None:
        self._db, self._cold = db, cold
        self._names = Names(cold.filesystem)
        self._places: dict[bytes, bytes] = {b"": b""}  # folders met in this run whose place is not their path
        self._taken: set[int] = set()  # folded paths of new folders, where case does not tell names apart
        self._number = 0

    def batches(self, sheet: Sheet) -> Iterator[Batch]:
        """The files of one HOT drive that its copy lacks or holds differently."""
        batch = self._next(sheet.hot)
        kept = sheet.kept if self._names.tells_case else {}  # else the names of all files of a folder count
        digests = self._digests(kept.values())
        for path in sheet.folders():
            difference = kept.pop(path, None)
            if difference is not None:
                work, items = self._cut(sheet.hot, path, difference, digests, {})
            elif (again := self._look_again(sheet.hot, path)) is not None:
                work, items = again
            else:
                continue  # gone since the plan; the next run sees it
            batch.folders.append(work)
            for item in items:
                if batch.is_full:
                    yield batch
                    batch = self._next(sheet.hot)
                    batch.folders.append(work)
                work.expected += 1
                batch.items.append(item)
                batch.bytes += 0 if item.problem else item.size
            work.is_whole = True
            if batch.is_full:
                yield batch
                batch = self._next(sheet.hot)
        if batch.folders:
            yield batch

    def _next(self, hot: Mount) -> Batch:
        self._number += 1
        return Batch(hot, self._number)

    def _look_again(self, hot: Mount, path: bytes) -> tuple[FolderWork, list[Item]] | None:
        """A folder as it is now; None when there is none any more."""
        try:
            listing = listing_of(hot.path, path)
        except OSError:
            hot.check()
            return None
        with self._db.reading() as session:
            known = catalogue.folders(session, self._cold.drive_id, hot.drive_id, [path]).get(path)
            is_new = known is None or known.fingerprint is None
            held = {} if is_new or not known else catalogue.held(session, self._cold.drive_id, known.folder_id)
        fingerprint = UNKNOWN if listing.problem else listing.fingerprint
        difference = Difference(known, fingerprint, differing_files(listing, held))
        taken = {} if self._names.tells_case else _taken(self._names, held)
        return self._cut(hot, path, difference, self._digests([difference]), taken)

    def _digests(self, differences: Iterable[Difference]) -> dict[tuple[int, bytes], Read]:
        """What somebody has read already of the files that differ."""
        wanted = [(d.known.folder_id, entry.name) for d in differences if d.known for entry, _ in d.files]
        with self._db.reading() as session:
            return catalogue.digests_of(session, wanted)

    def _cut(
        self,
        hot: Mount,
        path: bytes,
        difference: Difference,
        digests: Mapping[tuple[int, bytes], Read],
        taken: dict[bytes, bytes],
    ) -> tuple[FolderWork, list[Item]]:
        known = difference.known
        is_new = known is None or known.fingerprint is None
        place = self._place(hot, path, known)
        work = FolderWork(path, place, known.folder_id if known else None, difference.fingerprint, is_new)
        items = []
        for (name, size, modified_ns, _), row in difference.files:
            place_name = self._place_name(name, row, taken)
            read = digests.get((known.folder_id, name)) if known else None
            fits = read is not None and (read.size, read.modified_ns) == (size, modified_ns)
            digest = read.digest if read is not None and fits else None
            item = Item(work, name, size, modified_ns, row, place_name, digest, fits)
            if not can_hold(self._cold.filesystem, size):
                item.problem = problems.TOO_LARGE
            items.append(item)
        return work, items

    def _place_name(self, name: bytes, row: Held | None, taken: dict[bytes, bytes]) -> bytes:
        """The name on COLD: as recorded; else the file's own, unless it cannot be held or another has it."""
        if row is not None:
            return row.stored_as or name
        if not self._names.holds(name):
            return safe(name)
        if self._names.tells_case:
            return name
        return name if taken.setdefault(self._names.fold(name), name) == name else safe(name)

    def _place(self, hot: Mount, path: bytes, known: catalogue.Known | None) -> bytes:
        """Where a folder lies on COLD: as recorded; else below its parent's place, under a name COLD can hold."""
        if not path or (self._names.tells_case and self._names.holds(path)):
            return path
        if known is not None and known.fingerprint is not None:
            place = known.stored_as or path
        else:
            parent, _, name = path.rpartition(b"/")
            above = self._places.get(parent)
            place = catalogue.joined(self._recorded_place(hot, parent) if above is None else above, name)
            folded = hash((hot.drive_id, self._names.fold(place)))
            if not self._names.holds(name) or (
                not self._names.tells_case and (folded in self._taken or self._clashes(hot, place))
            ):
                place = catalogue.joined(place.rpartition(b"/")[0], safe(name))
            self._taken.add(folded)
        if place != path:
            self._places[path] = place
        return place

    def _recorded_place(self, hot: Mount, path: bytes) -> bytes:
        with self._db.reading() as session:
            known = catalogue.folders(session, self._cold.drive_id, hot.drive_id, [path]).get(path)
        return (known and known.stored_as) or path

    def _clashes(self, hot: Mount, place: bytes) -> bool:
        """Whether COLD has a folder there whose name differs in case only."""
        parent, _, name = place.rpartition(b"/")
        try:
            there = os.listdir(os.fsencode(self._cold.path / hot.tag) + b"/" + parent)
        except OSError:
            return False
        folded = self._names.fold(name)
        return any(other != name and self._names.fold(other) == folded for other in there)


def _taken(names: Names, held: dict[bytes, Held]) -> dict[bytes, bytes]:
    """The folded names that files on COLD have already, each with its owner."""
    return {names.fold(row.stored_as or name): name for name, row in held.items()}


def cold_top(cold: Mount, hot: Mount) -> Path:
    """Where the copy of a HOT drive begins on a COLD drive."""
    return cold.path / hot.tag
