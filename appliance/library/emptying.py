"""Emptying the bin, and putting its rows right after a pulled plug.

What has expired goes, and what a person empties.  A drive without room for uploads is emptied further, oldest first,
but only of what a COLD drive surely has as well and what has been in the bin for a day.  Bytes go before their row, so
that after a cut a row names nothing and goes at the next look.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, exists, or_, select

from appliance import clock
from appliance.backup.models import ColdFile, OldVersion
from appliance.db import Database, now
from appliance.drives.layout import BIN, DELETED
from appliance.drives.mounts import Mount, hot_mounts
from appliance.library import bin as bins
from appliance.library import burying, catalogue, room
from appliance.library.beneath import open_beneath
from appliance.library.models import BinnedFile
from appliance.places import Places

UNDER_WAY = timedelta(minutes=10)  # a younger row may belong to a deletion that is just being made
SURELY_SEEN = timedelta(days=1)
AT_ONCE = 100
PLACES = (BIN.encode(), DELETED.encode())


def clean(db: Database, places: Places) -> int:
    """Settle every bin that is here and remove what need not be kept; how many things went."""
    if not clock.read(places).is_trusted:
        return 0
    with db.reading() as session:
        mounts = [mount for mount in hot_mounts(session, places) if not mount.read_only]
    return sum(_clean(db, mount) for mount in mounts)


def _clean(db: Database, mount: Mount) -> int:
    settle(db, mount)
    burying.read_all(db, mount)  # what a job that was under way did not see
    gone = 0
    while rows := _rows(db, mount, BinnedFile.expires < now()):
        gone += erase(db, mount, rows)
    while room.free(mount) == 0 and (rows := _rows(db, mount, *_spare())):
        gone += erase(db, mount, rows[:1])
    return gone + _strangers(db, mount)


def date_anew(db: Database, jump: timedelta) -> int:
    """What was deleted since the box was started, before its clock was set: each keeps its days; how many."""
    ended = now() - jump
    began = ended - timedelta(seconds=clock.uptime())
    with db.writing() as session:
        rows = session.scalars(select(BinnedFile).where(BinnedFile.binned.between(began, ended))).all()
        for row in rows:
            row.binned, row.expires = row.binned + jump, row.expires + jump
    return len(rows)


def _rows(db: Database, mount: Mount, *which: ColumnElement[bool]) -> Sequence[BinnedFile]:
    with db.reading() as session:
        wanted = select(BinnedFile).where(BinnedFile.drive_id == mount.drive_id, *which)
        return session.scalars(wanted.order_by(BinnedFile.binned).limit(AT_ONCE)).all()


def _spare() -> tuple[ColumnElement[bool], ...]:
    """What a COLD drive has too, by its bytes, and somebody has had a day to miss."""
    elsewhere = (exists().where(copy.digest == BinnedFile.digest) for copy in (ColdFile, OldVersion))
    return or_(*elsewhere), BinnedFile.binned < now() - SURELY_SEEN


def erase(db: Database, mount: Mount, rows: Sequence[BinnedFile]) -> int:
    """Remove things of one drive's bin for good; how many.  Raises DriveGone, NotWritable."""
    if mount.read_only:
        raise room.NotWritable(drive=mount.name)
    burying.read_all(db, mount, BinnedFile.id.in_([row.id for row in rows]))
    with room.opened(mount) as root:
        for place in PLACES:
            _remove(root, place, [_own(row.stored_as) for row in rows if row.stored_as.startswith(place + b"/")])
    mount.check()
    with db.writing() as session:
        for row in rows:
            found = session.get(BinnedFile, row.id)
            if found is not None:
                session.delete(found)
    return len(rows)


def _own(stored_as: bytes) -> bytes:
    """The name of the folder that a thing has for itself in the bin."""
    return bins.split(bins.split(stored_as)[0])[1]


def _remove(root: int, place: bytes, names: Sequence[bytes]) -> None:
    """Whole folders of the bin; no link in them is followed."""
    if not names:
        return
    with contextlib.suppress(FileNotFoundError):
        folder = open_beneath(root, place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(name, dir_fd=folder)
            os.fsync(folder)
        finally:
            os.close(folder)


def _strangers(db: Database, mount: Mount) -> int:
    """Things that no row knows of, from before the database was lost: they expire by the drive's own dates."""
    with db.reading() as session:
        known = {_own(row) for row in session.scalars(select(BinnedFile.stored_as))}
        kept = timedelta(days=bins.KEEP_DAYS.get(session)).total_seconds()
    count = 0
    with room.opened(mount) as root:
        for place in PLACES:
            old = _older_than(root, place, kept, known)
            _remove(root, place, old)
            count += len(old)
    return count


def _older_than(root: int, place: bytes, seconds: float, known: set[bytes]) -> list[bytes]:
    try:
        folder = open_beneath(root, place, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return []
    try:
        names = [os.fsencode(name) for name in os.listdir(folder)]  # noqa: PTH208  (the open folder)
        since = [os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime for name in names]
    finally:
        os.close(folder)
    return [n for n, at in zip(names, since, strict=True) if n not in known and time.time() - at > seconds]


def settle(db: Database, mount: Mount) -> int:
    """After a pulled plug: rows that say other than the drive are put right; how many."""
    with db.reading() as session:
        wanted = select(BinnedFile).where(BinnedFile.drive_id == mount.drive_id, BinnedFile.binned < now() - UNDER_WAY)
        rows = session.scalars(wanted).all()
        stale = {
            row.id for row in rows if session.scalar(catalogue.files_at(mount.drive_id, row.path).limit(1)) is not None
        }
    with room.opened(mount) as root:
        seen = [(row, _exists(root, row.stored_as), _exists(root, row.path)) for row in rows]
    mount.check()  # a drive that was pulled meanwhile looks emptier than it is
    wrong = [(row, in_bin, at_home) for row, in_bin, at_home in seen if not in_bin or (row.id in stale and not at_home)]
    with db.writing() as session:
        for row, in_bin, at_home in wrong:
            if in_bin:
                bins.forget(session, row)
            elif at_home:
                bins.never_mind(session, row)
            else:
                session.delete(session.merge(row))
    return len(wrong)


def _exists(root: int, path: bytes) -> bool:
    """Raises OSError when that cannot be told."""
    try:
        os.close(open_beneath(root, path, os.O_PATH))
    except OSError as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return False
        if room.is_lost(error):
            raise
    return True
