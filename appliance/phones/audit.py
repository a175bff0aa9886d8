"""The audit: a phone's list of hashes against what lies on the drives, and what of it may leave the phone.

A copy counts when it is certain now: on HOT, when the drive is here, the file is at its place as its row says and was
not found damaged; on COLD, when these bytes were read back from a drive in good standing.  *Safe* is what has such a
copy on HOT and on COLD, or on two of the COLD drives.  The phone may let go of what is safe and was proven on COLD in
the last half year: not of more, because nobody can take that advice back.
"""

import contextlib
import os
import stat
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import bindparam, or_, select, text
from sqlalchemy.orm import Session

from appliance.backup.catalogue import CHUNK, chunk
from appliance.backup.models import ColdFile
from appliance.db import now
from appliance.drives.models import Drive, DriveRole, DriveState
from appliance.drives.mounts import hot_mounts
from appliance.errors import ApplianceError
from appliance.library import room, tombstones
from appliance.library.beneath import open_beneath
from appliance.library.catalogue import below
from appliance.library.models import Folder, Media, StoredFile
from appliance.people.models import User
from appliance.phones import ledger
from appliance.phones.ledger import Chosen
from appliance.places import Places

LONG_AGO = timedelta(days=180)  # a proof older than that is no reason to delete anything
PAGE = 2048
NAMED = 200  # of what is not safe; the rest is counted


class State(StrEnum):
    """What is true of something that a phone chose."""

    SAFE = "safe"
    ONE_COPY = "one_copy"  # here, but in no second copy yet
    DAMAGED = "damaged"  # its bytes on HOT have changed, and no copy has repaired them yet
    AWAY = "away"  # on a drive that is not connected, and on no other
    DELETED = "deleted"  # its owner deleted it here
    MISSING = "missing"  # it never arrived


class Verdict(NamedTuple):
    """One item: ``copies`` are certain ones; ``proven``: when a COLD drive last proved it."""

    state: State
    copies: int
    proven: datetime | None
    may_go: bool


class _Row(NamedTuple):
    id: int
    digest: bytes
    damaged: bool
    drive_id: int
    folder: bytes
    name: bytes
    size: int
    modified_ns: int


def audit(session: Session, places: Places, user: User, digests: Sequence[bytes]) -> dict[bytes, Verdict]:
    """What is true of each of these hashes, among this person's own files."""
    rows = _rows(session, user, digests)
    here = _here(session, places, [row for row in rows if not row.damaged])
    cold = _cold(session, [row.id for row in rows])
    deleted = tombstones.deleted(session, user.id, digests)
    by_digest: dict[bytes, list[_Row]] = defaultdict(list)
    for row in rows:
        by_digest[row.digest].append(row)
    return {digest: _verdict(by_digest[digest], here, cold, deleted=digest in deleted) for digest in digests}


class _Here(NamedTuple):
    drives: set[int]  # HOT drives that are connected
    files: set[int]  # rows whose file is at its place


def _verdict(rows: list[_Row], here: _Here, cold: dict[int, dict[int, datetime]], *, deleted: bool) -> Verdict:
    hot = {row.drive_id for row in rows if row.id in here.files}
    proven: dict[int, datetime] = {}
    for row in rows:
        for drive_id, moment in cold.get(row.id, {}).items():
            proven[drive_id] = max(moment, proven.get(drive_id, moment))
    copies, newest = len(hot) + len(proven), max(proven.values(), default=None)
    if copies >= 2 and newest is not None:
        return Verdict(State.SAFE, copies, newest, newest >= now() - LONG_AGO)
    if any(row.damaged for row in rows):
        state = State.DAMAGED
    elif copies:
        state = State.ONE_COPY
    elif any(row.drive_id not in here.drives for row in rows):
        state = State.AWAY
    else:
        state = State.DELETED if deleted else State.MISSING
    return Verdict(state, copies, newest, False)


def _rows(session: Session, user: User, digests: Sequence[bytes]) -> list[_Row]:
    """This person's files with these bytes, as the library knows them."""
    file = (StoredFile.id, StoredFile.digest, StoredFile.damaged)
    place = (Folder.drive_id, Folder.path, StoredFile.name, StoredFile.size, StoredFile.modified_ns)
    wanted = (
        select(*file, *place)
        .join(Folder, Folder.id == StoredFile.folder_id)
        .outerjoin(Media, Media.file_id == StoredFile.id)
        .where(or_(Media.user_id == user.id, below(user.folder.encode())))
    )
    found: list[_Row] = []
    for at in range(0, len(digests), CHUNK):
        rows = session.execute(wanted.where(StoredFile.digest.in_(chunk(digests, at))))
        found += [_Row._make(row) for row in rows]
    return found


#: From the files to their copies and not the other way round: left alone, SQLite reads all a COLD drive holds.
COLD = (
    text(
        """select s.id, c.cold_drive_id, c.proven from stored_file s cross join cold_file c
        where s.id in :ids and c.cold_drive_id in :drives
        and c.folder_id = s.folder_id and c.name = s.name and c.digest = s.digest"""
    )
    .bindparams(bindparam("ids", expanding=True), bindparam("drives", expanding=True))
    .columns(StoredFile.id, ColdFile.cold_drive_id, ColdFile.proven)
)


def _cold(session: Session, ids: Sequence[int]) -> dict[int, dict[int, datetime]]:
    """Row -> COLD drive in good standing -> when it last proved these bytes."""
    good = select(Drive.id).where(Drive.role == DriveRole.COLD, Drive.state == DriveState.ACTIVE)
    drives = list(session.scalars(good))
    found: dict[int, dict[int, datetime]] = defaultdict(dict)
    for at in range(0, len(ids), CHUNK):
        for row_id, drive_id, proven in session.execute(COLD, {"ids": chunk(ids, at), "drives": drives}):
            found[row_id][drive_id] = proven
    return found


def _here(session: Session, places: Places, rows: Sequence[_Row]) -> _Here:
    """Which of these files lie at their places right now; asked folder by folder."""
    by_folder: dict[tuple[int, bytes], list[_Row]] = defaultdict(list)
    for row in rows:
        by_folder[row.drive_id, row.folder].append(row)
    mounts = {mount.drive_id: mount for mount in hot_mounts(session, places)}
    drives, files = set(mounts), set[int]()
    for drive_id, mount in mounts.items():
        folders = [path for drive, path in by_folder if drive == drive_id]
        try:
            with room.opened(mount) as root:
                for path in folders:
                    files.update(_at_their_place(root, path, by_folder[drive_id, path]))
        except ApplianceError:  # it was pulled out a moment ago: then nothing on it is certain
            drives.discard(drive_id)
            files.difference_update(row.id for row in rows if row.drive_id == drive_id)
    return _Here(drives, files)


def _at_their_place(root: int, path: bytes, rows: Sequence[_Row]) -> list[int]:
    try:
        folder = open_beneath(root, path, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = []
    try:
        for row in rows:
            with contextlib.suppress(FileNotFoundError):
                facts = os.stat(row.name, dir_fd=folder, follow_symlinks=False)
                is_it = (facts.st_size, facts.st_mtime_ns) == (row.size, row.modified_ns)
                if is_it and stat.S_ISREG(facts.st_mode):
                    found.append(row.id)
    finally:
        os.close(folder)
    return found


@dataclass
class Report:
    """A phone's whole list: how much is safe, what is not and why, and what may leave the phone."""

    total: int = 0  # without what was deleted here
    states: Counter[State] = field(default_factory=Counter)
    in_copies: Counter[int] = field(default_factory=Counter)  # number of copies -> how many safe items have it
    unsafe: list[tuple[str, State]] = field(default_factory=list)  # the first of them by name
    left: int = 0  # the phone already
    may_go: int = 0
    may_go_bytes: int = 0
    names: list[str] = field(default_factory=list)  # the first of those that may go
    proven_from: datetime | None = None  # of what may go, the oldest and the newest proof
    proven_to: datetime | None = None

    @property
    def safe(self) -> int:
        """How many are safe."""
        return self.states[State.SAFE]

    def add(self, item: Chosen, verdict: Verdict) -> None:
        """Count one item."""
        self.states[verdict.state] += 1
        self.total += verdict.state is not State.DELETED
        if verdict.state is State.SAFE:
            self.in_copies[verdict.copies] += 1
        elif len(self.unsafe) < NAMED and verdict.state is not State.DELETED:
            self.unsafe.append((item.name, verdict.state))
        self.left += item.left
        if verdict.may_go and verdict.proven and not item.left:
            self.may_go += 1
            self.may_go_bytes += item.size
            self.proven_from = min(verdict.proven, self.proven_from or verdict.proven)
            self.proven_to = max(verdict.proven, self.proven_to or verdict.proven)
            if len(self.names) < NAMED:
                self.names.append(item.name)


def report(session: Session, places: Places, user: User, phone_id: int) -> Report:
    """The audit of everything that a phone ever chose."""
    made = Report()
    for items in ledger.pages(session, phone_id, PAGE):
        verdicts = audit(session, places, user, [item.digest for item in items])
        for item in items:
            made.add(item, verdicts[item.digest])
    made.unsafe.sort()
    made.names.sort()
    return made
