"""Files that are gone from their place but lie elsewhere on HOT, unchanged: handed over, in a renamed folder, or in the
bin, where only the console puts them and where they can be brought back: whoever deleted them there is not asked again.

Asked only when the brake would stop a run, because it takes a second look at every folder that differs.  Equal size and
time make a file a candidate and nothing more: whoever rewrites a file can set both back.  So of the candidates as many
are read as it takes to find rewritten ones, if there were enough of them for the brake to ask; one is enough to believe
none.
"""

import math
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from sqlalchemy import select

from appliance.backup import catalogue, medium
from appliance.backup.models import ColdFile
from appliance.backup.plan import Sheet
from appliance.db import Database
from appliance.drives.layout import BIN
from appliance.library.listing import Entry
from appliance.library.scan import folder_of, listing_of

SURELY = 14  # e**-14: once in a million such plans, as many rewritten files as the brake asks about go unseen
TABLES = """
    create table gone (size integer, modified_ns integer, digest blob, taken integer default 0);
    create table found (path blob, size integer, modified_ns integer);
"""
TAKE = """
    update gone set taken = 1 where rowid =
        (select rowid from gone
         where size = ? and modified_ns = ? and not taken and digest = coalesce(?, digest) limit 1)
"""
IS_ONE = "select 1 from gone where size = ? and modified_ns = ? and digest = ?"


def count(
    db: Database, sheet: Sheet, sheets: Sequence[Sheet], enough: int, scratch: Path, tick: Callable[[], None]
) -> int:
    """How many of a sheet's vanished files lie elsewhere on these HOT drives with the same bytes.

    ``enough`` vanished files make the brake ask.  Raises what ``tick`` raises, and DriveGone.
    """
    cold_id, vanished = sheet.cold_id, sheet.numbers.vanished
    with _notes(scratch) as notes:
        _note_gone(db, sheet, notes)
        moved = 0
        for other in sheets:
            for folder, entry, digest in chain(_new(db, other, cold_id, tick), _binned(other, tick)):
                place = os.fsencode(other.hot.path) + b"/" + catalogue.joined(folder, entry.name)
                if notes.execute(TAKE, (entry.size, entry.modified_ns, digest)).rowcount:
                    notes.execute("insert into found values (?, ?, ?)", (place, entry.size, entry.modified_ns))
                    moved += 1
        left = enough - (vanished - moved)  # so many rewritten ones would make the brake ask
        if moved == 0 or left <= 0:
            return moved
        return moved if _are_unchanged(notes, math.ceil(SURELY * moved / left), tick) else 0


@contextmanager
def _notes(scratch: Path) -> Iterator[sqlite3.Connection]:
    """Tables on disk that are gone when they are let go of, or when the process dies."""
    with tempfile.NamedTemporaryFile(dir=scratch) as file:
        notes = sqlite3.connect(file.name, isolation_level=None)
        notes.executescript("pragma journal_mode = off; pragma cache_size = -1500;" + TABLES)
        notes.execute("begin exclusive")
    try:
        yield notes
    finally:
        notes.close()


def _note_gone(db: Database, sheet: Sheet, notes: sqlite3.Connection) -> None:
    wanted = select(ColdFile.size, ColdFile.modified_ns, ColdFile.digest)
    for ids in sheet.vanished():
        for at in range(0, len(ids), catalogue.CHUNK):
            with db.reading() as session:
                rows = session.execute(wanted.where(ColdFile.id.in_(catalogue.chunk(ids, at)))).all()
            notes.executemany(
                "insert into gone (size, modified_ns, digest) values (?, ?, ?)", [tuple(row) for row in rows]
            )
    notes.execute("create index ix_gone on gone (size, modified_ns, taken)")


def _new(
    db: Database, sheet: Sheet, cold_id: int, tick: Callable[[], None]
) -> Iterator[tuple[bytes, Entry, bytes | None]]:
    """(folder, file, digest where the library knows it) of every file that the copy does not have at its place."""
    for path in sheet.folders():
        tick()
        try:
            listing = listing_of(sheet.hot.path, path)
        except OSError:
            sheet.hot.check()
            continue
        with db.reading() as session:
            known = catalogue.folders(session, cold_id, sheet.hot.drive_id, [path]).get(path)
            held = catalogue.held(session, cold_id, known.folder_id) if known else {}
            digests = catalogue.known_digests(session, known.folder_id) if known else {}
        for entry in listing.files:
            if entry.name not in held:
                size, modified_ns, digest = digests.get(entry.name, (None, None, None))
                fits = (size, modified_ns) == (entry.size, entry.modified_ns)
                yield path, entry, digest if fits else None


def _binned(sheet: Sheet, tick: Callable[[], None]) -> Iterator[tuple[bytes, Entry, bytes | None]]:
    """The same of every file in the bin of a HOT drive."""
    waiting = [BIN.encode()]
    device = os.lstat(sheet.hot.path).st_dev
    while waiting:
        path = waiting.pop()
        tick()
        try:
            found = folder_of(os.fsencode(sheet.hot.path), device, path)
        except OSError:
            sheet.hot.check()
            continue
        if found is not None:
            waiting += [catalogue.joined(path, name) for name in found[1]]
            yield from ((path, entry, None) for entry in found[0].files)


def _are_unchanged(notes: sqlite3.Connection, sample: int, tick: Callable[[], None]) -> bool:
    """Whether a random sample of what was found has the bytes of what is gone.  What cannot be read has not."""
    for path, size, modified_ns in notes.execute("select * from found order by random() limit ?", (sample,)).fetchall():
        tick()
        try:
            digest = medium.digest_of_original(path, size, modified_ns)
        except (OSError, medium.Changed):
            return False
        if notes.execute(IS_ONE, (size, modified_ns, digest)).fetchone() is None:
            return False
    return True
