"""``Older versions/<day>/<HOT tag>/…`` on a COLD drive: where replaced and vanished files go, by rename.

The row is committed before the rename: after a pulled plug a row may name a file that never came (``reconcile``
removes it), but no file lies there that nobody knows of.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from appliance.backup.models import ColdFile, OldVersion
from appliance.db import Database, now
from appliance.drives import layout
from appliance.drives.mounts import Mount

REPLACED, VANISHED, ELSEWHERE = "replaced", "vanished", "changed elsewhere"
ROTTEN = "damaged"  # its bytes are no longer those of its digest; kept aside, but nothing that can be brought back
_OLDER = os.fsencode(layout.OLDER)


@dataclass(frozen=True, slots=True)
class Leaving:
    """A file of COLD that makes room."""

    tag: str
    place: bytes  # where it lies now, below the HOT tag
    folder_id: int
    name: bytes  # on HOT
    why: str
    size: int
    modified_ns: int
    digest: bytes
    since: datetime | None  # when its bytes were first proven there; None: not noted

    @classmethod
    def copy(cls, tag: str, place: bytes, file: ColdFile, why: str) -> "Leaving":
        """A proven copy as it is recorded."""
        facts = {name: getattr(file, name) for name in ("folder_id", "name", "size", "modified_ns", "digest", "since")}
        return cls(tag=tag, place=place, why=why, **facts)


class Shelf:
    """The older versions that one run puts away."""

    def __init__(self, db: Database, cold: Mount, day: date, before: Callable[[], None] = lambda: None) -> None:
        self._db, self.cold, self.day = db, cold, day
        self._before = before  # called before anything leaves its place
        self._top = os.fsencode(cold.path) + b"/" + _OLDER + b"/"
        self._made: set[bytes] = set()

    def put_away(self, leaving: Sequence[Leaving]) -> None:
        """Write down where each goes, then move it there.  Nothing is overwritten."""
        planned: set[bytes] = set()
        moves, rows, moment = [], [], now()
        for old in leaving:
            stored_as = self._free_place(old, planned)
            planned.add(stored_as)
            source = os.fsencode(self.cold.path / old.tag) + b"/" + old.place
            moves.append((source, self._top + stored_as))
            rows.append(self._row(old, stored_as, moment))
        if rows:
            with self._db.writing() as session:
                session.execute(insert(OldVersion), rows)
            self._before()
        for source, target in moves:
            self._make(target.rpartition(b"/")[0])
            os.rename(source, target)

    def path(self, stored_as: bytes) -> bytes:
        """Where a version lies."""
        return self._top + stored_as

    def _row(self, old: Leaving, stored_as: bytes, moment: datetime) -> dict[str, Any]:
        return {
            "cold_drive_id": self.cold.drive_id,
            "folder_id": old.folder_id,
            "name": old.name,
            "stored_as": stored_as,
            "day": self.day,
            "why": old.why,
            "size": old.size,
            "modified_ns": old.modified_ns,
            "digest": old.digest,
            "since": old.since,
            "put_away": moment,
        }

    def _free_place(self, old: Leaving, planned: set[bytes]) -> bytes:
        shelf, number = f"{self.day.isoformat()}/{old.tag}", 2
        while self._is_blocked(os.fsencode(shelf), old.place):
            shelf, number = f"{self.day.isoformat()}/{old.tag} ({number})", number + 1
        wanted = os.fsencode(shelf) + b"/" + old.place
        stored_as, number = wanted, 2
        while stored_as in planned or os.path.lexists(self._top + stored_as):
            stored_as, number = numbered(wanted, number), number + 1
        return stored_as

    def _is_blocked(self, shelf: bytes, place: bytes) -> bool:
        """Whether a file lies where this one's folder must be: it was a file earlier today and a folder since."""
        folder = place.rpartition(b"/")[0]
        while folder:
            above = self._top + shelf + b"/" + folder
            if above in self._made or os.path.isdir(above):
                return False
            if os.path.lexists(above):
                return True
            folder = folder.rpartition(b"/")[0]
        return False

    def _make(self, folder: bytes) -> None:
        if folder not in self._made:
            os.makedirs(folder, exist_ok=True)
            if len(self._made) < 10_000:
                self._made.add(folder)


def numbered(path: bytes, number: int) -> bytes:
    """``a/b (2).jpg`` for ``a/b.jpg``; a name that would be too long loses the end of its stem."""
    folder, slash, name = path.rpartition(b"/")
    stem, dot, suffix = name.rpartition(b".")
    if not stem or len(suffix) > 16:
        stem, dot, suffix = name, b"", b""
    tail = b" (%d)" % number + dot + suffix
    cut = stem[: 255 - len(tail)]
    if cut != stem:
        cut = cut.decode("utf-8", "ignore").encode() or cut  # whole characters, unless it never was text
    return folder + slash + cut + tail


def reconcile(session: Session, cold: Mount, last_whole_run: datetime | None) -> int:
    """Remove rows of versions that never came, after runs that were cut off since the last whole one; their number."""
    top = os.fsencode(cold.path) + b"/" + _OLDER + b"/"
    wanted = select(OldVersion.id, OldVersion.stored_as).where(OldVersion.cold_drive_id == cold.drive_id)
    if last_whole_run is not None:  # a day earlier, because a day begins elsewhere in another time zone
        wanted = wanted.where(OldVersion.day >= last_whole_run.date() - timedelta(days=1))
    rows = session.execute(wanted).all()
    missing = [row_id for row_id, stored_as in rows if not os.path.lexists(top + stored_as)]
    for at in range(0, len(missing), 500):
        session.execute(delete(OldVersion).where(OldVersion.id.in_(missing[at : at + 500])))
    return len(missing)
