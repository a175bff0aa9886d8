"""Older versions: what vanished from HOT goes there by rename, and the oldest go for good when policy says so."""

import contextlib
import os
import stat
from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from appliance.backup import catalogue, crashpoints, medium, older, policy, problems
from appliance.backup.models import ColdFile, ColdFolder, OldVersion
from appliance.backup.older import Leaving, Shelf
from appliance.backup.plan import Sheet
from appliance.backup.work import Batch
from appliance.db import Database
from appliance.drives import layout
from appliance.drives.mounts import Mount
from appliance.jobs.progress import Progress
from appliance.library.models import Folder
from appliance.words import N_

RESERVE = 64 << 20  # bytes that COLD keeps free for its own books, or a twentieth of a small drive
CHUNK = 200


def move_vanished(progress: Progress, sheet: Sheet, shelf: Shelf, flush: medium.Flusher) -> int:
    """Files that are gone from HOT leave their place on COLD; their number.  Each is looked for once more before."""
    done, total = 0, sheet.numbers.vanished
    for ids in sheet.vanished():
        sheet.hot.check()
        shelf.cold.check()
        with progress.db.reading() as session:
            leaving = _leaving(session, sheet.hot, ids)
        gone = {row_id: old for row_id, old, path in leaving if _is_gone(sheet.hot, path)}
        there = [old for old in gone.values() if _lies(shelf.cold, old)]
        shelf.put_away(there)
        crashpoints.reach("vanished")
        for folder in {(old.tag, old.place.rpartition(b"/")[0]) for old in there}:
            remove_empty(shelf.cold, *folder)
        flush()
        with progress.db.writing() as session:
            catalogue.forget_files(session, list(gone))
        done += len(gone)
        if gone:
            progress.got_on()
        progress.step(N_("Keeping older versions"), done, total, unit=N_("files"), share=(3, 5))
    _forget_folders(progress.db, sheet, shelf.cold)
    return done


def _leaving(session: Session, hot: Mount, ids: Sequence[int]) -> list[tuple[int, Leaving, bytes]]:
    found = []
    for at in range(0, len(ids), catalogue.CHUNK):
        rows = session.execute(
            select(ColdFile, Folder.path, ColdFolder.stored_as)
            .join(Folder, Folder.id == ColdFile.folder_id)
            .join(
                ColdFolder,
                (ColdFolder.folder_id == Folder.id) & (ColdFolder.cold_drive_id == ColdFile.cold_drive_id),
            )
            .where(ColdFile.id.in_(catalogue.chunk(ids, at)))
        )
        for row, path, stored_as in rows:
            place = catalogue.joined(stored_as or path, row.stored_as or row.name)
            old = Leaving.copy(hot.tag, place, row, older.VANISHED)
            found.append((row.id, old, catalogue.joined(path, row.name)))
    return found


def _is_gone(hot: Mount, path: bytes) -> bool:
    """Only "there is no such file" counts; what cannot be read is not gone."""
    try:
        facts = os.lstat(os.fsencode(hot.path) + b"/" + path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return not stat.S_ISREG(facts.st_mode)


def _lies(cold: Mount, old: Leaving) -> bool:
    return os.path.lexists(os.fsencode(cold.path / old.tag) + b"/" + old.place)


def remove_empty(cold: Mount, tag: str, folder: bytes) -> None:
    """Take away a folder that became empty, and those above it."""
    top = os.fsencode(cold.path / tag)
    with contextlib.suppress(OSError):
        while folder:
            os.rmdir(top + b"/" + folder)
            folder = folder.rpartition(b"/")[0]


def _forget_folders(db: Database, sheet: Sheet, cold: Mount) -> None:
    """Folders that are gone, once none of their files is left at its place."""
    ids = list(sheet.gone_folders)
    with db.writing() as session:
        for at in range(0, len(ids), CHUNK):
            chunk = ids[at : at + CHUNK]
            paths = session.execute(
                select(Folder.path, ColdFolder.stored_as)
                .join(ColdFolder, ColdFolder.folder_id == Folder.id)
                .where(ColdFolder.cold_drive_id == cold.drive_id, Folder.id.in_(chunk))
            ).all()
            held = ColdFile.folder_id.in_(chunk)
            kept = set(session.scalars(select(ColdFile.folder_id).where(ColdFile.cold_drive_id == cold.drive_id, held)))
            catalogue.forget_folders(session, cold.drive_id, [i for i in chunk if i not in kept])
            for path, stored_as in sorted(paths, reverse=True):
                remove_empty(cold, sheet.hot.tag, stored_as or path)


def reuse(db: Database, shelf: Shelf, batch: Batch, top: bytes) -> None:
    """A file that only moved on HOT is not copied again: its vanished copy is linked to where it arrives.

    A link, not a rename: until the batch is settled the older version stays what it is.
    """
    wanted = {item.digest: item for item in batch.good() if item.digest and item.size}
    digests = list(wanted)
    with db.reading() as session:
        for at in range(0, len(digests), catalogue.CHUNK):
            rows = session.execute(
                select(OldVersion.digest, OldVersion.stored_as).where(
                    OldVersion.cold_drive_id == shelf.cold.drive_id,
                    OldVersion.day == shelf.day,
                    OldVersion.why == older.VANISHED,
                    OldVersion.digest.in_(catalogue.chunk(digests, at)),
                )
            )
            for digest, stored_as in rows:
                item = wanted[digest]
                target = top + b"/" + item.place
                os.makedirs(target.rpartition(b"/")[0], exist_ok=True)
                try:
                    os.link(shelf.path(stored_as), target)
                    os.utime(target, ns=(item.modified_ns, item.modified_ns))
                except OSError:
                    continue  # this filesystem has no links, or the file was moved away: copied like any other
                item.is_reused = True


def free_bytes(cold: Mount) -> int:
    """What COLD can still take."""
    space = os.statvfs(cold.path)
    reserve = min(RESERVE, space.f_blocks * space.f_frsize // 20)
    return max(0, space.f_bavail * space.f_frsize - reserve)


def apply_policy(db: Database, cold: Mount, today: date) -> int:
    """Delete the versions that are older than promised, while together they fill more than their share; their number.

    The promise to keep them for some days comes first; only a full drive breaks it, see :func:`make_room`.
    """
    with db.reading() as session:
        keep, share = policy.KEEP_DAYS.get(session), policy.KEEP_SHARE.get(session)
        used = session.scalar(
            select(func.coalesce(func.sum(OldVersion.size), 0)).where(OldVersion.cold_drive_id == cold.drive_id)
        )
    space = os.statvfs(cold.path)
    excess = (used or 0) - space.f_blocks * space.f_frsize * share // 100
    old = _delete(db, cold, before=today - timedelta(days=keep), at_least=None)
    return old if excess <= 0 else old + _delete(db, cold, before=today - timedelta(days=1), at_least=excess)


def make_room(db: Database, cold: Mount, today: date, needed: int) -> None:
    """Free enough for ``needed`` bytes by deleting the oldest versions.  Raises ColdFull when that is not enough."""
    while (missing := needed - (free := free_bytes(cold))) > 0:
        if not _delete(db, cold, before=today, at_least=missing):  # a moved file's version frees nothing: go on
            raise problems.ColdFull(drive=cold.name, needed=in_words(needed), free=in_words(free))


def _delete(db: Database, cold: Mount, *, before: date, at_least: int | None) -> int:
    """Delete versions of days before ``before``, oldest first, until so many bytes are free (None: all of them)."""
    deleted = freed = 0
    top = os.fsencode(cold.path / layout.OLDER)
    while at_least is None or freed < at_least:
        with db.writing() as session:
            rows = session.execute(
                select(OldVersion.id, OldVersion.stored_as, OldVersion.size)
                .where(OldVersion.cold_drive_id == cold.drive_id, OldVersion.day < before)
                .order_by(OldVersion.day, OldVersion.id)
                .limit(CHUNK)
            ).all()
            chosen = []
            for row_id, stored_as, size in rows:
                if at_least is not None and freed >= at_least:
                    break
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    os.unlink(top + b"/" + stored_as)
                with contextlib.suppress(OSError):
                    os.removedirs((top + b"/" + stored_as).rpartition(b"/")[0])
                chosen.append(row_id)
                freed += size
            session.execute(delete(OldVersion).where(OldVersion.id.in_(chosen)))
        if not rows:
            break
        deleted += len(chosen)
    return deleted


def in_words(size: int) -> str:
    """``14.2 GB``, as drives are sold."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit in ("B", "kB") else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
