"""What a run would do, found out without the COLD drive: HOT's folders against what is recorded of their copy.

One value per folder is compared first; only a folder whose value differs is compared file by file.  Memory stays the
same however many files there are: folders that differ and files that are gone are written to an unnamed file, not
kept in a list.
"""

import os
import random
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.backup import catalogue
from appliance.backup.models import ColdFile, ColdFolder
from appliance.db import Database
from appliance.drives.models import Drive
from appliance.drives.mounts import Mount, can_hold
from appliance.library.listing import UNKNOWN, Entry, Listing
from appliance.library.models import Folder
from appliance.library.scan import walk

GROUP_FOLDERS, GROUP_FILES = 256, 4000  # compared per database snapshot
SIDECAR = b".xmp"
SAMPLES = 64
NAMED = 200  # of what cannot be copied; the rest is counted
UNREADABLE = "unreadable"  # beside the kinds of library.scan
KEPT_FILES = 4000  # that differ: enough for an ordinary night, which then lists no folder twice
KEPT_IN_MEMORY = 1 << 20  # bytes of a sheet


@dataclass
class Numbers:
    """How one HOT drive differs from its copy."""

    files: int = 0
    held: int = 0  # files in the copy
    new: int = 0
    changed: int = 0
    words: int = 0  # of those: files that say something of a photo beside them
    vanished: int = 0
    moved: int = 0  # of those: lie elsewhere on HOT, unchanged; counted only when the brake would ask
    bytes: int = 0  # to be copied
    unreadable: int = 0  # folders or files that HOT could not list
    others: int = 0  # symbolic links, sockets, …: never copied, always told


@dataclass(frozen=True)
class Sample:
    """A file whose content the brake looks at."""

    name: bytes
    path: Path


@dataclass(slots=True)
class Difference:
    """A folder that differs from its copy, and the files in it that do."""

    known: catalogue.Known | None
    fingerprint: bytes
    files: list[tuple[Entry, catalogue.Held | None]]


@dataclass
class Sheet:
    """What differs on one HOT drive, on disk."""

    hot: Mount
    cold_id: int
    folders_file: IO[bytes]
    vanished_file: IO[bytes]
    numbers: Numbers = field(default_factory=Numbers)
    samples: list[Sample] = field(default_factory=list)
    troubled: list[bytes] = field(default_factory=list)  # folders that could not be read: unknown, never vanished
    others: list[tuple[bytes, str]] = field(default_factory=list)  # the first that are no files, with their kind
    gone_folders: "array[int]" = field(default_factory=lambda: array("q"))
    folder_count: int = 0
    kept: dict[bytes, Difference] = field(default_factory=dict)  # of the first folders that differ
    kept_files: int = 0
    sampled: int = 0
    cold_filesystem: str = ""

    def folders(self) -> Iterator[bytes]:
        """Paths of the folders that differ, parents first."""
        self.folders_file.seek(0)
        rest = b""
        while block := self.folders_file.read(1 << 16):
            *whole, rest = (rest + block).split(b"\0")
            yield from whole

    def vanished(self) -> Iterator[list[int]]:
        """Ids of the ColdFile rows whose file is gone from HOT, in chunks."""
        self.vanished_file.seek(0)
        while block := self.vanished_file.read(8 * 1000):
            ids = array("q")
            ids.frombytes(block)
            yield list(ids)

    def note_others(self, found: Iterable[tuple[bytes, str]]) -> None:
        """Remember by name what cannot be copied, as long as there is room."""
        self.others.extend(islice(found, NAMED - len(self.others)))

    def close(self) -> None:
        """Throw the notes away."""
        self.folders_file.close()
        self.vanished_file.close()

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        return not (self.folder_count or self.numbers.vanished or self.gone_folders)


def compare(db: Database, hot: Mount, cold_id: int, scratch: Path, tick: Callable[[Numbers], None]) -> Sheet:
    """One HOT drive against its copy.  Raises DriveGone or OSError when the drive itself cannot be read."""
    hot.check()
    sheet = Sheet(hot, cold_id, _scratch(scratch), _scratch(scratch))
    try:
        _fill(db, sheet, cold_id, tick)
    except BaseException:
        sheet.close()
        raise
    return sheet


def _fill(db: Database, sheet: Sheet, cold_id: int, tick: Callable[[Numbers], None]) -> None:
    hot = sheet.hot
    seen = bytearray()  # one bit per folder id
    with db.reading() as session:
        sheet.cold_filesystem = session.get_one(Drive, cold_id).filesystem
        sheet.numbers.held = catalogue.held_count(session, cold_id, hot.drive_id)
    for group in _grouped(walk(hot.path)):
        with db.reading() as session:
            known = catalogue.folders(session, cold_id, hot.drive_id, [listing.path for listing in group])
            differing = [listing for listing in group if _differs(listing, known.get(listing.path))]
            ids = [
                row.folder_id
                for listing in differing
                if (row := known.get(listing.path)) and row.fingerprint is not None
            ]
            held = catalogue.held_in(session, cold_id, ids)
            for listing in group:
                _count(sheet, listing)
            for listing in differing:
                row = known.get(listing.path)
                difference = _compare_folder(sheet, listing, row, held.pop(row.folder_id, {}) if row else {})
                if difference is not None:
                    _keep(sheet, listing.path, difference)
        for row in known.values():
            _mark(seen, row.folder_id)
        tick(sheet.numbers)
    hot.check()  # a drive that was pulled meanwhile looks emptier than it is
    with db.reading() as session:
        _find_gone_folders(session, sheet, seen, cold_id)


def _scratch(folder: Path) -> IO[bytes]:
    return tempfile.SpooledTemporaryFile(KEPT_IN_MEMORY, dir=str(folder))


def _grouped(listings: Iterator[Listing]) -> Iterator[list[Listing]]:
    group: list[Listing] = []
    files = 0
    for listing in listings:
        group.append(listing)
        files += len(listing.files)
        if len(group) >= GROUP_FOLDERS or files >= GROUP_FILES:
            yield group
            group, files = [], 0
    if group:
        yield group


def _count(sheet: Sheet, listing: Listing) -> None:
    numbers = sheet.numbers
    numbers.files += len(listing.files)
    numbers.others += len(listing.others)
    sheet.note_others((catalogue.joined(listing.path, name), kind) for name, kind in listing.others)
    mounted_over = [catalogue.joined(listing.path, name) for name, kind in listing.others if kind == "drive"]
    sheet.troubled.extend(mounted_over)
    if listing.problem is not None:
        numbers.unreadable += 1
        sheet.troubled.append(listing.path)
        sheet.note_others([(listing.path, UNREADABLE)])


def _differs(listing: Listing, known: catalogue.Known | None) -> bool:
    return listing.problem is not None or known is None or known.fingerprint != listing.fingerprint


def _compare_folder(
    sheet: Sheet, listing: Listing, known: catalogue.Known | None, held: dict[bytes, catalogue.Held]
) -> Difference | None:
    numbers = sheet.numbers
    difference = Difference(known, UNKNOWN if listing.problem else listing.fingerprint, differing_files(listing, held))
    for entry, row in difference.files:
        if row is None:
            numbers.new += 1
        else:
            numbers.changed += 1
            numbers.words += entry.name.endswith(SIDECAR)
            _sample(sheet, listing.path, entry.name)
        numbers.bytes += entry.size if can_hold(sheet.cold_filesystem, entry.size) else 0
    if listing.problem is not None and not difference.files:
        return None
    sheet.folders_file.write(listing.path + b"\0")
    sheet.folder_count += 1
    if listing.problem is None:
        there = {entry.name for entry in listing.files}
        if gone := [row.id for name, row in held.items() if name not in there]:
            _vanish(sheet, gone)
    return difference


def differing_files(listing: Listing, held: dict[bytes, catalogue.Held]) -> list[tuple[Entry, catalogue.Held | None]]:
    """The files of a folder that its copy lacks or holds differently, each with what the copy holds."""
    pairs = ((entry, held.get(entry.name)) for entry in listing.files)
    return [
        (entry, row)
        for entry, row in pairs
        if row is None or (row.size, row.modified_ns) != (entry.size, entry.modified_ns)
    ]


def _keep(sheet: Sheet, path: bytes, difference: Difference) -> None:
    sheet.kept_files += 1 + len(difference.files)
    if sheet.kept_files <= KEPT_FILES:
        sheet.kept[path] = difference


def _sample(sheet: Sheet, folder: bytes, name: bytes) -> None:
    """Keep an even sample of the changed files, whatever their number (reservoir sampling, algorithm R)."""
    sheet.sampled += 1
    at = len(sheet.samples) if sheet.sampled <= SAMPLES else random.randrange(sheet.sampled)
    if at < SAMPLES:
        path = sheet.hot.path / os.fsdecode(catalogue.joined(folder, name))
        sheet.samples[at : at + 1] = [Sample(name, path)]


def _vanish(sheet: Sheet, ids: list[int]) -> None:
    sheet.vanished_file.write(array("q", ids).tobytes())
    sheet.numbers.vanished += len(ids)


def _mark(seen: bytearray, number: int) -> None:
    byte = number >> 3
    if byte >= len(seen):
        seen.extend(bytes(byte + 1 - len(seen)))
    seen[byte] |= 1 << (number & 7)


def _find_gone_folders(session: Session, sheet: Sheet, seen: bytearray, cold_id: int) -> None:
    """Folders that the copy has and the walk did not meet; below one that could not be read, nothing is known."""
    rows = session.execute(
        select(Folder.id, Folder.path)
        .join(ColdFolder, ColdFolder.folder_id == Folder.id)
        .where(ColdFolder.cold_drive_id == cold_id, Folder.drive_id == sheet.hot.drive_id)
        .order_by(Folder.id)
        .execution_options(yield_per=1000)
    )
    for folder_id, path in rows:
        if folder_id >> 3 < len(seen) and seen[folder_id >> 3] >> (folder_id & 7) & 1:
            continue
        if any(path == bad or path.startswith(bad + b"/") or not bad for bad in sheet.troubled):
            continue
        sheet.gone_folders.append(folder_id)
        ids = session.scalars(
            select(ColdFile.id).where(ColdFile.cold_drive_id == cold_id, ColdFile.folder_id == folder_id)
        )
        _vanish(sheet, list(ids))
