"""Rereading: a copy that nobody reads may rot unnoticed, on either drive.  Rot is repaired from the other one.

A slice a run, the longest unproven first, so that every file is read within ``SCRUB_DAYS``.  What is rotten is kept
aside, never overwritten: it may still be the better half.
"""

import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Row, Select, func, select, update
from sqlalchemy.orm import Session

from appliance import events
from appliance.backup import catalogue, crashpoints, medium, older, policy
from appliance.backup.models import ColdFile, ColdFolder
from appliance.backup.older import Leaving, Shelf
from appliance.db import now
from appliance.drives import layout
from appliance.drives.mounts import Mount
from appliance.jobs.progress import Progress
from appliance.library.listing import UNKNOWN
from appliance.library.models import Folder, StoredFile
from appliance.words import N_

CHUNK = 200  # files between two commits
REST_DAYS = 7  # a copy proven this recently is left alone
LEAST = 256 << 20  # bytes a slice has at least
HURRY = 1.25  # a little more than needed, so that a missed run does not matter


@dataclass
class Scrubbed:
    """What a slice showed."""

    read: int = 0
    bytes: int = 0
    repaired: int = 0
    lost: int = 0  # differed, and no good original was at hand


def is_due(session: Session, cold_id: int) -> bool:
    """Whether some copy has not been read for so long that the drive is switched on for it alone."""
    limit = now() - timedelta(days=policy.SCRUB_DAYS.get(session))
    oldest = session.scalar(select(func.min(ColdFile.proven)).where(ColdFile.cold_drive_id == cold_id))
    return oldest is not None and oldest < limit


def slice_bytes(session: Session, cold_id: int, last: datetime | None) -> int:
    """How much to read this time: the share of the drive that is due since the last run, and a little more."""
    days = policy.SCRUB_DAYS.get(session)
    _, size = catalogue.total(session, cold_id)
    since = (now() - last).total_seconds() / 86_400 if last else 1.0
    return max(LEAST, int(size * min(1.0, HURRY * max(1.0, since) / days)))


class Scrub:
    """One slice of one COLD drive."""

    def __init__(self, progress: Progress, hots: Sequence[Mount], shelf: Shelf, flush: medium.Flusher) -> None:
        self._progress, self._shelf, self._flush = progress, shelf, flush
        self._cold = shelf.cold
        self._hots = {hot.drive_id: hot for hot in hots}
        self.result = Scrubbed()

    def run(self, budget: int, share: tuple[int, int]) -> Scrubbed:
        """Read the longest unproven copies, about ``budget`` bytes of them."""
        db, done = self._progress.db, self.result
        rested = now() - timedelta(days=REST_DAYS)
        after: tuple[datetime, int] | None = None
        while done.bytes < budget:
            with db.reading() as session:
                rows = session.execute(_oldest(self._cold.drive_id, rested, after)).all()
            if not rows:
                break
            after = (rows[-1].ColdFile.proven, rows[-1].ColdFile.id)
            good = [row.ColdFile.id for row in rows if self._is_good(row)]
            with db.writing() as session:
                catalogue.prove(session, good, now())
            if good:
                self._progress.got_on()
            done.read += len(rows)
            done.bytes += sum(row.ColdFile.size for row in rows)
            self._progress.step(N_("Reading older copies again"), done.bytes, budget, share=share)
        return done

    def _is_good(self, row: Row[ColdFile, bytes, bytes | None, int]) -> bool:
        """Whether a copy is as recorded, or has been made so."""
        file, folder, folder_place, hot_id = row
        place = catalogue.joined(folder_place or folder, file.stored_as or file.name)
        hot = self._hots.get(hot_id)
        tag = hot.tag if hot else self._tag(hot_id)
        path = os.fsencode(self._cold.path / tag) + b"/" + place
        why = older.ROTTEN
        try:
            if medium.digest_of_copy(path) == file.digest:
                return True
            facts = os.lstat(path)
            if facts.st_size != file.size or abs(facts.st_mtime_ns - file.modified_ns) > 2_000_000_000:
                why = older.ELSEWHERE
        except OSError as error:
            self._cold.check()
            if isinstance(error, FileNotFoundError | NotADirectoryError):
                why = older.ELSEWHERE
        if why == older.ELSEWHERE:
            self._take_again(file, path, place, tag)
            return False
        return self._repair(file, path, place, tag, hot, folder)

    def _take_again(self, file: ColdFile, path: bytes, place: bytes, tag: str) -> None:
        """Another computer changed or removed the copy: keep its version, let the next run copy HOT's file again."""
        if os.path.isfile(path) and not os.path.islink(path):
            facts = os.lstat(path)
            digest = medium.digest_of_copy(path)
            leaving = Leaving.copy(tag, place, file, older.ELSEWHERE)
            size, modified_ns = facts.st_size, facts.st_mtime_ns
            self._shelf.put_away([replace(leaving, size=size, modified_ns=modified_ns, digest=digest, since=now())])
            self._flush()
        with self._progress.db.writing() as session:
            catalogue.forget_files(session, [file.id])
            _open_folder(session, self._cold.drive_id, file.folder_id)
            template = N_("“{file}” on {drive} was changed by another computer. That version is kept.")
            events.record(session, "backup.changed_elsewhere", template, file=_shown(place), drive=self._cold.name)

    def _repair(self, file: ColdFile, path: bytes, place: bytes, tag: str, hot: Mount | None, folder: bytes) -> bool:
        original = hot and os.fsencode(hot.path) + b"/" + catalogue.joined(folder, file.name)
        if not original or not _matches(original, file.digest):
            self.result.lost += 1
            self._tell(N_("A copy on {drive} is damaged and could not be repaired: “{file}”."), "backup.rot", place)
            return False
        fresh = os.fsencode(self._cold.path / layout.INCOMING) + b"/repair"
        os.makedirs(os.path.dirname(fresh), exist_ok=True)
        shutil.copyfile(original, fresh)
        os.utime(fresh, ns=(file.modified_ns, file.modified_ns))
        self._flush()
        if medium.digest_of_copy(fresh) != file.digest:
            self.result.lost += 1
            return False
        with contextlib.suppress(FileNotFoundError):
            self._shelf.put_away([Leaving.copy(tag, place, file, older.ROTTEN)])
        crashpoints.reach("repairing")
        os.rename(fresh, path)
        self._flush()
        self.result.repaired += 1
        self._tell(N_("A copy on {drive} was damaged and has been repaired: “{file}”."), "backup.repaired", place)
        return True

    def _tell(self, template: str, kind: str, place: bytes) -> None:
        with self._progress.db.writing() as session:
            events.record(session, kind, template, file=_shown(place), drive=self._cold.name)

    def _tag(self, hot_id: int) -> str:
        from appliance.drives.models import Drive

        with self._progress.db.reading() as session:
            return session.get_one(Drive, hot_id).tag


def _oldest(
    cold_id: int, before: datetime, after: tuple[datetime, int] | None
) -> Select[ColdFile, bytes, bytes | None, int]:
    wanted = (
        select(ColdFile, Folder.path, ColdFolder.stored_as, Folder.drive_id)
        .join(Folder, Folder.id == ColdFile.folder_id)
        .join(ColdFolder, (ColdFolder.folder_id == Folder.id) & (ColdFolder.cold_drive_id == cold_id))
        .where(ColdFile.cold_drive_id == cold_id, ColdFile.proven < before)
    )
    if after is not None:
        proven, row_id = after
        wanted = wanted.where((ColdFile.proven > proven) | ((ColdFile.proven == proven) & (ColdFile.id > row_id)))
    return wanted.order_by(ColdFile.proven, ColdFile.id).limit(CHUNK)


def _open_folder(session: Session, cold_id: int, folder_id: int) -> None:
    """Let the next plan look into a folder again."""
    chosen = (ColdFolder.cold_drive_id == cold_id) & (ColdFolder.folder_id == folder_id)
    session.execute(update(ColdFolder).where(chosen).values(fingerprint=UNKNOWN))


def _matches(path: bytes, digest: bytes) -> bool:
    try:
        return medium.digest_of_copy(path) == digest
    except OSError:
        return False


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")


def hot_slice_bytes(progress: Progress, hot: Mount, days: int) -> int:
    """A week's share of a HOT drive."""
    with progress.db.reading() as session:
        size = session.scalar(
            select(func.coalesce(func.sum(StoredFile.size), 0))
            .join(Folder, Folder.id == StoredFile.folder_id)
            .where(Folder.drive_id == hot.drive_id)
        )
    return max(LEAST, int((size or 0) * HURRY * 7 / days))


def scrub_hot(progress: Progress, hot: Mount, budget: int) -> Scrubbed:
    """Read a slice of a HOT drive; what rotted is marked, and repaired when a COLD drive is next switched on."""
    done, after = Scrubbed(), 0
    limit = now() - timedelta(days=REST_DAYS)
    while done.bytes < budget:
        hot.check()
        with progress.db.reading() as session:
            rows = session.execute(
                select(StoredFile, Folder.path)
                .join(Folder, Folder.id == StoredFile.folder_id)
                .where(Folder.drive_id == hot.drive_id, StoredFile.digest.is_not(None), StoredFile.id > after)
                .where(StoredFile.proven.is_(None) | (StoredFile.proven < limit), StoredFile.damaged.is_(False))
                .order_by(StoredFile.id)
                .limit(CHUNK)
            ).all()
        if not rows:
            break
        after = rows[-1].StoredFile.id
        states = {file.id: _state(hot, folder, file) for file, folder in rows}
        _record_hot(progress, hot, rows, states, done)
        if any(state is not None for state in states.values()):
            progress.got_on()
        done.read += len(rows)
        done.bytes += sum(file.size for file, _ in rows)
        progress.step(N_("Reading every file again"), done.bytes, budget)
    return done


def _state(hot: Mount, folder: bytes, file: StoredFile) -> bool | None:
    """True: as catalogued.  False: rotten.  None: changed or gone, which the library will see."""
    path = os.fsencode(hot.path) + b"/" + catalogue.joined(folder, file.name)
    try:
        medium.digest_of_original(path, file.size, file.modified_ns)
        return medium.digest_of_copy(path) == file.digest
    except (medium.Changed, FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return False


def _record_hot(
    progress: Progress,
    hot: Mount,
    rows: Sequence[Row[StoredFile, bytes]],
    states: dict[int, bool | None],
    done: Scrubbed,
) -> None:
    with progress.db.writing() as session:
        for file, folder in rows:
            if states[file.id] is None:
                continue
            values = {"proven": now()} if states[file.id] else {"damaged": True}
            session.execute(update(StoredFile).where(StoredFile.id == file.id).values(values))
            if states[file.id] is False:
                done.lost += 1
                template = N_("“{file}” on {drive} is damaged: it no longer is what was stored.")
                shown = _shown(catalogue.joined(folder, file.name))
                events.record(session, "backup.damaged", template, file=shown, drive=hot.name)


def damaged_with_copy(session: Session, cold_id: int) -> Sequence[Row[StoredFile, ColdFile, bytes, bytes | None, int]]:
    """Rotten HOT files that a COLD drive can repair."""
    if session.scalars(select(StoredFile.id).where(StoredFile.damaged.is_(True)).limit(1)).first() is None:
        return ()  # as every other night: no join of everything with everything
    return session.execute(
        select(StoredFile, ColdFile, Folder.path, ColdFolder.stored_as, Folder.drive_id)
        .join(Folder, Folder.id == StoredFile.folder_id)
        .join(ColdFile, (ColdFile.folder_id == Folder.id) & (ColdFile.name == StoredFile.name))
        .join(ColdFolder, (ColdFolder.folder_id == Folder.id) & (ColdFolder.cold_drive_id == cold_id))
        .where(StoredFile.damaged.is_(True), ColdFile.cold_drive_id == cold_id)
        .where(ColdFile.digest == StoredFile.digest)
        .limit(1000)
    ).all()


def repair_hot(progress: Progress, cold: Mount, hots: Sequence[Mount]) -> int:
    """Bring rotten HOT files back from this COLD drive; their number.  The rotten bytes are kept in ``.everpx``."""
    with progress.db.reading() as session:
        rows = damaged_with_copy(session, cold.drive_id)
    mounts = {hot.drive_id: hot for hot in hots}
    repaired = 0
    for file, copy, folder, folder_place, hot_id in rows:
        hot = mounts.get(hot_id)
        if hot is None or hot.read_only:
            continue
        place = catalogue.joined(folder_place or folder, copy.stored_as or copy.name)
        source = os.fsencode(cold.path / hot.tag) + b"/" + place
        if _bring_back(hot, source, catalogue.joined(folder, file.name), file):
            repaired += 1
            with progress.db.writing() as session:
                session.execute(update(StoredFile).where(StoredFile.id == file.id).values(damaged=False, proven=now()))
                template = N_("“{file}” on {drive} was damaged and has been repaired from {cold}.")
                shown = _shown(catalogue.joined(folder, file.name))
                events.record(session, "backup.repaired", template, file=shown, drive=hot.name, cold=cold.name)
    return repaired


def _bring_back(hot: Mount, source: bytes, path: bytes, file: StoredFile) -> bool:
    from appliance.backup.bring_back import bring, settle

    target = hot.path / os.fsdecode(path)
    aside = hot.path / layout.PRIVATE / "damaged" / f"{file.id}-{target.name}"[:250]
    aside.parent.mkdir(parents=True, exist_ok=True)
    fresh = bring(Path(os.fsdecode(source)), hot, file.digest or b"", file.modified_ns)
    if fresh is None:
        return False
    with contextlib.suppress(FileNotFoundError):
        shutil.copy2(target, aside, follow_symlinks=False)
    settle(fresh, target)
    return True
