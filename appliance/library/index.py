"""Bringing the rows in step with what lies on a HOT drive: files copied there by other ways, and files that are gone.

A folder whose fingerprint is that of its last walk is skipped whole.  A row goes only when its folder was read without
a problem on a drive that is surely there; a folder that cannot be read keeps its rows.  Everything is done a folder at
a time, each in its own transaction, so that a cut costs one folder, and the memory is that of the largest folder.
"""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from appliance.db import Database
from appliance.drives.mounts import Mount, hot_mounts
from appliance.jobs.progress import Progress
from appliance.jobs.schedule import zone
from appliance.library import beside, catalogue, room, scan, sighting
from appliance.library.albums import album_files
from appliance.library.beneath import open_beneath
from appliance.library.contents import digest_of
from appliance.library.listing import Listing
from appliance.library.models import Folder, StoredFile
from appliance.library.sighting import NOTHING_READ, Owners
from appliance.words import N_, Message

JOB = "library.index"
HASH_SHARE = (20, 100)  # of the bar; the walk fills what is before
HASH_BATCH = 64
SMALL = 32 << 20  # bytes that somebody who looks at a page may wait for
PATIENCE_S = 5.0  # and how long


def run(progress: Progress) -> dict[str, Any]:
    """Walk every HOT drive that is here, then hash what has no hash yet.  Raises DriveGone when one is pulled."""
    total = {"files": 0, "new": 0, "gone": 0, "unreadable": 0, "hashed": 0}
    with progress.db.reading() as session:
        mounts = hot_mounts(session, progress.places)
        owners, here = Owners(session), zone(session)
    for mount in mounts:
        for name, count in (walk(progress, mount, owners, here) | {"hashed": hash_rest(progress, mount)}).items():
            total[name] += count
    album_files.take_all(progress.db, mounts)
    return total


def walk(progress: Progress, mount: Mount, owners: Owners, here: tzinfo) -> dict[str, int]:
    """Compare every folder with its rows; counts of what was new, gone and unreadable."""
    counts = {"files": 0, "new": 0, "gone": 0, "unreadable": 0}
    walked: set[bytes] = set()
    stage = Message(N_("Looking through {drive}"), {"drive": mount.name})
    for listing in scan.walk(mount.path):
        progress.step(stage, counts["files"], unit="files", share=(0, HASH_SHARE[0]))
        counts["files"] += len(listing.files)
        walked.add(listing.path)
        if listing.problem is not None:
            counts["unreadable"] += 1
            walked |= folders_below(progress.db, mount.drive_id, listing.path)
            continue
        before = counts["new"], counts["gone"]
        compare(progress.db, mount, listing, owners, here, counts)
        if before != (counts["new"], counts["gone"]):
            progress.got_on()
    mount.check()  # a drive that was pulled while it was read looks emptier than it is
    counts["gone"] += forget_folders(progress.db, mount, walked)
    return counts


def look_at(db: Database, mount: Mount, path: bytes, digests: Mapping[bytes, bytes] = NOTHING_READ) -> None:
    """Bring the rows of one folder in step now, and hash what is small; the rest waits for the next walk.

    ``digests``: of files that somebody has just read.  Raises DriveGone.
    """
    with db.reading() as session:
        owners, here = Owners(session), zone(session)
    with room.opened(mount) as root:
        listing = scan.listing_of(mount.path, path)
        if listing.problem is None:
            compare(db, mount, listing, owners, here, {"new": 0, "gone": 0, "unreadable": 0}, digests)
            _hash_small(db, mount, root, path)


def look_below(db: Database, mount: Mount, path: bytes, seconds: float = PATIENCE_S) -> bool:
    """The same for a folder and all that is in it, as far as somebody waits; False when a walk has to do the rest.

    First every row, so that all of it is seen, then the reading of what is small.  Raises DriveGone.
    """
    end = time.monotonic() + seconds
    with db.reading() as session:
        owners, here = Owners(session), zone(session)
    waiting, seen = [path], list[bytes]()
    with room.opened(mount) as root:
        while waiting and time.monotonic() < end:
            found = scan.folder_of(os.fsencode(mount.path), mount.device_number, waiting.pop())
            if found is None:
                continue
            listing, folders = found
            if listing.problem is not None:
                return False
            compare(db, mount, listing, owners, here, {"new": 0, "gone": 0, "unreadable": 0})
            waiting += [catalogue.joined(listing.path, name) for name in folders]
            seen.append(listing.path)
        complete = not waiting
        for folder in seen:
            if time.monotonic() >= end:
                return False
            complete &= _hash_small(db, mount, root, folder)
    return complete


def hash_some(db: Database, mount: Mount, after: int) -> int:
    """Read the next few small files that nobody has read; the id to go on after, 0 when there are none left.

    Raises DriveGone.
    """
    waiting = _without_digest(db, mount.drive_id, after, StoredFile.size <= SMALL)
    with room.opened(mount) as root:
        read = [(file_id, size, at, _read(root, name, size, at)) for file_id, name, size, at in waiting]
    _keep(db, [(file_id, size, at, digest) for file_id, size, at, digest in read if digest])
    return waiting[-1][0] if waiting else 0


def any_unread(db: Database, mount: Mount) -> bool:
    """Whether files of this drive wait to be read, of whatever size."""
    return bool(_without_digest(db, mount.drive_id, 0))


def _hash_small(db: Database, mount: Mount, root: int, path: bytes) -> bool:
    """Read up to HASH_BATCH small files of a folder that nobody has read; whether that was all of them."""
    waiting = _without_digest(db, mount.drive_id, 0, Folder.path == path)
    small = [one for one in waiting if one[2] <= SMALL]
    read = [(file_id, size, at, _read(root, name, size, at)) for file_id, name, size, at in small]
    _keep(db, [(file_id, size, at, digest) for file_id, size, at, digest in read if digest])
    return len(small) == len(waiting) < HASH_BATCH


def compare(
    db: Database,
    mount: Mount,
    listing: Listing,
    owners: Owners,
    here: tzinfo,
    counts: dict[str, int],
    digests: Mapping[bytes, bytes] = NOTHING_READ,
) -> None:
    """Bring the rows of one folder in step with its listing; adds to the counts.  Raises DriveGone."""
    with db.reading() as session:
        same = (Folder.drive_id == mount.drive_id, Folder.path == listing.path)
        folder = session.scalars(select(Folder).where(*same)).first()
        if folder is None and not listing.files:
            return
        if folder is not None and folder.fingerprint == listing.fingerprint:
            rows = session.scalar(select(func.count()).where(StoredFile.folder_id == folder.id))
            if rows == len(listing.files):  # an upload that somebody took away again left a row, and the same listing
                return
        known = _known(session, folder)
    changed = [e for e in listing.files if known.get(e.name) != (e.size, e.modified_ns)]
    missing = known.keys() - {e.name for e in listing.files}
    seen = sighting.look(mount, listing.path, changed, here)
    with room.opened(mount) as root:
        said = beside.look(root, listing.path, listing.files, changed) if changed else {}
    mount.check()
    sighting.write_down(db, mount, listing.path, seen, said, owners, here, digests)
    with db.writing() as session:
        folder_id = catalogue.folder_id(session, mount.drive_id, listing.path)
        gone = _really_gone(mount, listing.path, missing) if missing else []
        sighting.forget(session, folder_id, gone)
        complete = listing.fingerprint if len(seen) == len(changed) else None
        session.execute(update(Folder).where(Folder.id == folder_id).values(fingerprint=complete))
    counts["new"] += len(seen)
    counts["gone"] += len(gone)
    counts["unreadable"] += len(changed) - len(seen)


def _really_gone(mount: Mount, folder: bytes, names: Iterable[bytes]) -> list[bytes]:
    """Those of ``names`` that are not in the folder; an upload may have brought one since the folder was listed.

    Ask with the write lock held: a row is committed after its file has its name, so a row without a file is stale.
    Raises DriveGone.
    """
    there: set[bytes] = set()
    if _exists(mount, folder):
        listing = scan.listing_of(mount.path, folder)
        if listing.problem is not None:
            return []
        there = {entry.name for entry in listing.files}
    mount.check()
    return [name for name in names if name not in there]


def _exists(mount: Mount, folder: bytes) -> bool:
    return os.path.lexists(os.fsencode(mount.path) + b"/" + folder)


def _known(session: Session, folder: Folder | None) -> dict[bytes, tuple[int, int]]:
    if folder is None:
        return {}
    rows = session.execute(
        select(StoredFile.name, StoredFile.size, StoredFile.modified_ns).where(StoredFile.folder_id == folder.id)
    )
    return {name: (size, modified) for name, size, modified in rows}


def folders_below(db: Database, drive_id: int, path: bytes) -> set[bytes]:
    """Known folders below one that cannot be read: nobody has seen them go."""
    with db.reading() as session:
        paths = session.scalars(select(Folder.path).where(Folder.drive_id == drive_id)).all()
    return {p for p in paths if p.startswith(path + b"/") or not path}


def forget_folders(db: Database, mount: Mount, walked: set[bytes], *which: ColumnElement[bool]) -> int:
    """Folders that are no longer there: their files' rows go; how many.  The folder's row stays, copies refer to it.

    Raises DriveGone.
    """
    gone = 0
    with db.reading() as session:
        known = select(Folder.id, Folder.path).where(Folder.drive_id == mount.drive_id, *which)
        rows = session.execute(known).all()
    for folder_id, path in rows:
        if path not in walked:
            with db.writing() as session:
                if _exists(mount, path):  # made by an upload since its parent was listed
                    continue
                mount.check()
                done = session.execute(delete(StoredFile).where(StoredFile.folder_id == folder_id))
                gone += done.rowcount  # type: ignore[attr-defined]
                session.execute(update(Folder).where(Folder.id == folder_id).values(fingerprint=None))
    return gone


def hash_rest(progress: Progress, mount: Mount) -> int:
    """Read every file that nobody has read yet; how many.  One that changes meanwhile waits for the next walk."""
    done, after = 0, 0
    stage = Message(N_("Reading new files on {drive}"), {"drive": mount.name})
    while batch := _without_digest(progress.db, mount.drive_id, after):
        digests = []
        with room.opened(mount) as root:
            for file_id, path, size, modified_ns in batch:
                progress.step(stage, done, unit="files", share=HASH_SHARE)
                digest = _read(root, path, size, modified_ns)
                if digest is not None:
                    digests.append((file_id, size, modified_ns, digest))
                done += 1
        _keep(progress.db, digests)
        if digests:
            progress.got_on()
        after = batch[-1][0]
    return done


def _without_digest(
    db: Database, drive_id: int, after: int, *more: ColumnElement[bool]
) -> Sequence[tuple[int, bytes, int, int]]:
    with db.reading() as session:
        rows = session.execute(
            select(StoredFile.id, Folder.path, StoredFile.name, StoredFile.size, StoredFile.modified_ns)
            .join(Folder, Folder.id == StoredFile.folder_id)
            .where(Folder.drive_id == drive_id, StoredFile.digest.is_(None), StoredFile.id > after, *more)
            .order_by(StoredFile.id)
            .limit(HASH_BATCH)
        )
        return [(row.id, catalogue.joined(row.path, row.name), row.size, row.modified_ns) for row in rows]


def _read(root: int, path: bytes, size: int, modified_ns: int) -> bytes | None:
    try:
        fd = open_beneath(root, path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            digest = digest_of(fd)
            facts = os.fstat(fd)
        finally:
            os.close(fd)
    except OSError:
        return None
    return digest if (facts.st_size, facts.st_mtime_ns) == (size, modified_ns) else None


_file = cast(Table, StoredFile.__table__)
_KEEP = (  # built once: building it anew would cost more than reading a photo
    update(_file)
    .where(_file.c.id == bindparam("file_id"), _file.c.size == bindparam("was_size"), _file.c.digest.is_(None))
    .where(_file.c.modified_ns == bindparam("was_modified_ns"))
    .values(digest=bindparam("read"))
)


def _keep(db: Database, digests: Sequence[tuple[int, int, int, bytes]]) -> None:
    names = ("file_id", "was_size", "was_modified_ns", "read")
    if digests:
        with db.writing() as session:
            session.connection().execute(_KEEP, [dict(zip(names, one, strict=True)) for one in digests])
