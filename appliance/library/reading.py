"""Reading files that nobody has read yet: those that came around the console are rows first and hashed afterwards."""

import contextlib
import os
from collections.abc import Sequence
from typing import cast

from sqlalchemy import ColumnElement, Table, bindparam, select, update
from sqlalchemy.orm import Session

from appliance.db import Database
from appliance.drives.mounts import Mount
from appliance.jobs import service as jobs
from appliance.jobs.progress import Progress
from appliance.library import catalogue, room
from appliance.library.beneath import open_beneath
from appliance.library.contents import digest_of
from appliance.library.models import Folder, StoredFile
from appliance.words import N_, Message

JOB = "library.read"  # reads large files
SHARE = (20, 100)  # of the bar; a walk fills what is before
BATCH = 64
SMALL = 32 << 20  # bytes that somebody who looks at a page may wait for


def start(session: Session) -> None:
    """Queue the reading of files that nobody has read; a job that is under way will find them, too."""
    with contextlib.suppress(jobs.AlreadyRunning):
        jobs.start(session, JOB, title=Message(N_("Reading new files")), lock=JOB)


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


def hash_small(db: Database, mount: Mount, root: int, path: bytes) -> bool:
    """Read up to BATCH small files of a folder that nobody has read; whether that was all of them."""
    waiting = _without_digest(db, mount.drive_id, 0, Folder.path == path)
    small = [one for one in waiting if one[2] <= SMALL]
    read = [(file_id, size, at, _read(root, name, size, at)) for file_id, name, size, at in small]
    _keep(db, [(file_id, size, at, digest) for file_id, size, at, digest in read if digest])
    return len(small) == len(waiting) < BATCH


def hash_rest(progress: Progress, mount: Mount) -> int:
    """Read every file that nobody has read yet; how many.  One that changes meanwhile waits for the next walk."""
    done, after = 0, 0
    stage = Message(N_("Reading new files on {drive}"), {"drive": mount.name})
    while batch := _without_digest(progress.db, mount.drive_id, after):
        digests = []
        with room.opened(mount) as root:
            for file_id, path, size, modified_ns in batch:
                progress.step(stage, done, unit="files", share=SHARE)
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
            .limit(BATCH)
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
