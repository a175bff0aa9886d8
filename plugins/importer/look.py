"""The report: what would come in, what is there already, what cannot be read.  Nothing is written to any drive.

A file counts as known by its bytes alone.  Only those are read whole that could be known: whose size somebody's file
has, or that are there twice; any other is certainly new.  Where a person deleted files here all are read, since nothing
but the hash remains of those.  What was read is remembered by size and time, and not read again the next time.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from blake3 import blake3
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.jobs.progress import Progress
from appliance.library import catalogue
from appliance.library.formats import HEAD, Format, format_of
from appliance.library.ingest import Ingest
from appliance.library.models import Folder, StoredFile, Tombstone
from appliance.library.taken import from_name, taken
from appliance.people.models import User
from appliance.words import N_, Message
from plugins.importer import said, why
from plugins.importer.models import FileState, ImportFile
from plugins.importer.sources import CannotRead, Entry, Readable, Source
from plugins.importer.survey import Survey, survey

BLOCK = 1 << 20
BEGINNING = 256 * 1024  # bytes in which a date is looked for
AT_ONCE = 200  # rows that are committed together
#: Never opened: they are no photos whatever they hold.
NEVER = (
    *(".txt", ".pdf", ".html", ".htm", ".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".odt"),
    *(".xml", ".xmp", ".json", ".csv", ".ini", ".db", ".thm", ".ctg", ".exe", ".dll"),
    *(".mp3", ".m4a", ".flac", ".wav", ".ogg"),
)


@dataclass
class Seen:
    """What is known of one file."""

    entry: Entry
    state: FileState = FileState.NEW
    digest: bytes | None = None
    dated: bool = True
    why: Message | None = None
    fresh: bool = True  # nobody has opened it yet
    twice: bool = False  # the same bytes stand further up

    def row(self, source_id: int) -> dict[str, Any]:
        """As its table has it."""
        return {
            "source_id": source_id, "path": os.fsencode(self.entry.path), "size": self.entry.size,
            "modified_ns": self.entry.modified_ns, "state": self.state, "dated": self.dated,
            "digest": self.digest, "why": self.why,
        }  # fmt: skip


class Look:
    """One look at a source for one person."""

    def __init__(self, progress: Progress, door: Ingest, source_id: int, user: User) -> None:
        self.progress, self.door, self.user = progress, door, user
        self.source_id = source_id
        self.found = Survey()
        self.seen: dict[str, Seen] = {}
        with progress.db.reading() as session:
            graves = select(Tombstone.digest).where(Tombstone.user_id == user.id)
            self.graves = set(session.scalars(graves))

    def look(self, source: Source, *, share: tuple[int, int] = (0, 100)) -> dict[str, Any]:
        """Visit, read what has to be read, and count.  Safe to repeat; what was read before is not read again."""
        stage = N_("Looking at what is there")
        self.found = survey(source, lambda count: self.progress.step(stage, count, 0, unit="files", share=share))
        remembered = self._remembered()
        self.seen = {path: self._first(entry, remembered) for path, entry in self.found.wanted().items()}
        self._read(source, share)
        with self.progress.db.reading() as session:
            self._judge(session)
        self._write(self.seen.values())
        return self._report()

    def _remembered(self) -> dict[str, ImportFile]:
        with self.progress.db.reading() as session:
            rows = session.scalars(select(ImportFile).where(ImportFile.source_id == self.source_id))
            return {os.fsdecode(row.path): row for row in rows}

    def _first(self, entry: Entry, remembered: Mapping[str, ImportFile]) -> Seen:
        """What can be told without opening it."""
        told, error = self.found.told.files.get(entry.path, said.NOTHING), self.found.refused.get(entry.path)
        if error is not None:
            return Seen(entry, FileState.UNREADABLE, why=error.fields["why"], fresh=False)
        if told.thrown_away:
            return Seen(entry, FileState.LEFT_OUT, why=Message(why.THROWN_AWAY), fresh=False)
        if entry.name.lower().endswith(NEVER):
            return Seen(entry, FileState.LEFT_OUT, why=Message(why.NO_MEDIA), fresh=False)
        row = remembered.get(entry.path)
        same = row is not None and (row.size, row.modified_ns) == (entry.size, entry.modified_ns)
        if row is None or not same or row.state is FileState.UNREADABLE:
            return Seen(entry)
        return Seen(entry, row.state, row.digest, row.dated or told.taken is not None, row.why, fresh=False)

    def _read(self, source: Source, share: tuple[int, int]) -> None:
        """Open what nobody has opened, and hash what may be known."""
        whole = self._perhaps_known()
        wanted = {path: seen for path, seen in self.seen.items() if seen.fresh or (path in whole and not seen.digest)}
        if not wanted:
            return
        waiting: list[Seen] = []
        total, done = len(wanted), 0
        for item in source.visit():
            path = item.entry.path
            seen = wanted.pop(path, None)
            if seen is not None:
                self.progress.step(N_("Looking at photos and videos"), done, total, unit="files", share=share)
                self._examine(seen, item.open, whole=path in whole)
                done += 1
                waiting.append(seen)
            if len(waiting) >= AT_ONCE or (waiting and not wanted):
                self._write(waiting)
                self.progress.got_on()
                waiting = []
            if not wanted:
                break
        for seen in wanted.values():  # it was there a moment ago
            seen.state, seen.why, seen.fresh = FileState.UNREADABLE, Message(why.VANISHED), False

    def _perhaps_known(self) -> set[str]:
        """Files that have to be hashed."""
        sizes = Counter(seen.entry.size for seen in self.seen.values() if seen.state not in _SETTLED)
        with self.progress.db.reading() as session:
            theirs = select(StoredFile.size).join(Folder).where(catalogue.below(self.user.folder.encode())).distinct()
            known = {size for size in session.scalars(theirs) if size in sizes}
        return {
            path
            for path, seen in self.seen.items()
            if seen.state not in _SETTLED and (self.graves or seen.entry.size in known or sizes[seen.entry.size] > 1)
        }

    def _examine(self, seen: Seen, opening: Any, *, whole: bool) -> None:
        seen.fresh, seen.why = False, None
        try:
            with opening() as file:
                head = _upto(file, BEGINNING)
                found = format_of(head[:HEAD])
                if found is None:
                    seen.state = FileState.LEFT_OUT
                    seen.why = Message(why.NO_MEDIA if seen.entry.size else why.EMPTY)
                    return
                seen.state = FileState.NEW
                seen.digest = _digest(head, file, seen.entry) if whole else None
                seen.dated = self._is_dated(seen.entry, head, found, file)
        except CannotRead as error:
            seen.state, seen.why = FileState.UNREADABLE, error.fields["why"]

    def _is_dated(self, entry: Entry, head: bytes, found: Format, file: Readable) -> bool:
        told = self.found.told.files.get(entry.path, said.NOTHING)
        if told.taken or from_name(entry.name, self.door.zone(), now()):
            return True
        fd = getattr(file, "fd", None)
        if fd is not None:
            return taken(fd, entry.size, found, self.door.zone(), now()) is not None
        beginning = os.memfd_create("beginning")
        try:
            os.write(beginning, head)
            return taken(beginning, len(head), found, self.door.zone(), now()) is not None
        finally:
            os.close(beginning)

    def _judge(self, session: Session) -> None:
        """New, known, deleted here: by the bytes."""
        before: set[bytes] = set()
        for seen in self.seen.values():
            if seen.state in _SETTLED or seen.digest is None:
                if seen.state not in _SETTLED:
                    seen.state = FileState.NEW
                continue
            if seen.digest in self.graves:
                seen.state = FileState.DELETED
            elif self._is_here(session, seen.digest):
                seen.state = FileState.DONE if seen.state is FileState.DONE else FileState.KNOWN
            else:
                seen.state, seen.twice = FileState.NEW, seen.digest in before
            before.add(seen.digest)

    def settle_twins(self, rows: Mapping[str, int]) -> None:
        """What is there twice came in once; its other places are known from now on."""
        with self.progress.db.writing() as session:
            for path, row_id in rows.items():
                seen = self.seen[path]
                if seen.twice and seen.digest is not None and self._is_here(session, seen.digest):
                    known = {"state": FileState.KNOWN}
                    session.execute(update(ImportFile).where(ImportFile.id == row_id).values(**known))

    def _is_here(self, session: Session, digest: bytes) -> bool:
        return bool(catalogue.find_by_digest(session, self.user.id, self.user.folder, digest))

    def _write(self, rows: Iterable[Seen]) -> None:
        """Remember all of them; those that are gone from the source are forgotten."""
        rows = list(rows)
        for start in range(0, len(rows), 1000):
            with self.progress.db.writing() as session:
                values = [seen.row(self.source_id) for seen in rows[start : start + 1000]]
                said_now = insert(ImportFile)
                changed = {name: said_now.excluded[name] for name in values[0] if name not in ("source_id", "path")}
                session.execute(said_now.on_conflict_do_update(["source_id", "path"], set_=changed), values)

    def forget_the_gone(self, session: Session) -> None:
        """Rows of files that this look has not seen."""
        rows = session.execute(select(ImportFile.id, ImportFile.path).where(ImportFile.source_id == self.source_id))
        gone = [row_id for row_id, path in rows if os.fsdecode(path) not in self.seen]
        for start in range(0, len(gone), 500):
            session.execute(delete(ImportFile).where(ImportFile.id.in_(gone[start : start + 500])))

    def _report(self) -> dict[str, Any]:
        states = Counter(seen.state for seen in self.seen.values())
        new = [seen for seen in self.seen.values() if seen.state is FileState.NEW and not seen.twice]
        albums = {album for path in self.seen for album in self.found.told.files.get(path, said.NOTHING).albums}
        return {
            "new": len(new),
            "new_bytes": sum(seen.entry.size for seen in new),
            "twice": states[FileState.NEW] - len(new),
            "known": states[FileState.KNOWN] + states[FileState.DONE],
            "deleted": states[FileState.DELETED],
            "undated": sum(not seen.dated for seen in new),
            "unreadable": states[FileState.UNREADABLE],
            "left_out": states[FileState.LEFT_OUT],
            "albums": len(albums),
            "missing_parts": list(self.found.told.missing_parts),
        }


_SETTLED = (FileState.LEFT_OUT, FileState.UNREADABLE)


def _upto(file: Readable, most: int) -> bytes:
    got = bytearray()
    while len(got) < most and (block := file.read(most - len(got))):
        got += block
    return bytes(got)


def _digest(head: bytes, file: Readable, entry: Entry) -> bytes:
    """BLAKE3 of a file whose beginning was read.  Raises CannotRead when it is not as long as it said."""
    hasher, length = blake3(head), len(head)
    while block := file.read(BLOCK):
        hasher.update(block)
        length += len(block)
    if length != entry.size:
        raise CannotRead(name=entry.name, why=Message(why.CHANGED))
    return hasher.digest()
