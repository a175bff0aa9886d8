"""Bringing the rows in step with what lies on a HOT drive: files copied there by other ways, and files that are gone.

A folder whose fingerprint is that of its last walk is skipped whole.  A row goes only when its folder was read without
a problem on a drive that is surely there; a folder that cannot be read keeps its rows.  Everything is done a folder at
a time, each in its own transaction, so that a cut costs one folder, and the memory is that of the largest folder.
"""

import os
import time
from collections.abc import Iterable, Mapping
from datetime import tzinfo
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from appliance.db import Database
from appliance.drives.mounts import Mount, hot_mounts
from appliance.jobs.progress import Progress
from appliance.jobs.schedule import zone
from appliance.library import beside, catalogue, reading, room, scan, sighting
from appliance.library.albums import album_files
from appliance.library.listing import Listing
from appliance.library.models import Folder, StoredFile
from appliance.library.sighting import NOTHING_READ, Owners
from appliance.words import N_, Message

JOB = "library.index"
PATIENCE_S = 5.0  # of somebody who looks at a page


def run(progress: Progress) -> dict[str, Any]:
    """Walk every HOT drive that is here, then hash what has no hash yet.  Raises DriveGone when one is pulled."""
    total = {"files": 0, "new": 0, "gone": 0, "unreadable": 0, "hashed": 0}
    with progress.db.reading() as session:
        mounts = hot_mounts(session, progress.places)
        owners, here = Owners(session), zone(session)
    for mount in mounts:
        for name, count in (
            walk(progress, mount, owners, here) | {"hashed": reading.hash_rest(progress, mount)}
        ).items():
            total[name] += count
    album_files.take_all(progress.db, mounts)
    return total


def walk(progress: Progress, mount: Mount, owners: Owners, here: tzinfo) -> dict[str, int]:
    """Compare every folder with its rows; counts of what was new, gone and unreadable."""
    counts = {"files": 0, "new": 0, "gone": 0, "unreadable": 0}
    walked: set[bytes] = set()
    stage = Message(N_("Looking through {drive}"), {"drive": mount.name})
    for listing in scan.walk(mount.path):
        progress.step(stage, counts["files"], unit="files", share=(0, reading.SHARE[0]))
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
            reading.hash_small(db, mount, root, path)


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
            complete &= reading.hash_small(db, mount, root, folder)
    return complete


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
