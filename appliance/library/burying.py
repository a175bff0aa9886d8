"""Tombstones: bytes that somebody deleted are never sent again by their phone.

A photo whose bytes were read has its tombstone with the deletion.  Of one that nobody had read yet, or that a computer
deleted before its row could be asked, the place in the bin is noted (``Unburied``); a job reads it there and makes the
tombstone.  Nothing leaves the bin for good before that.
"""

import logging
import os
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, literal, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from appliance.db import Database, UtcTime
from appliance.drives.mounts import Mount
from appliance.library import room
from appliance.library.beneath import open_beneath
from appliance.library.catalogue import joined
from appliance.library.contents import digest_of
from appliance.library.formats import HEAD, format_of
from appliance.library.models import BinnedFile, Folder, Media, StoredFile, Tombstone, Unburied

log = logging.getLogger("everpx.library.burying")
AT_ONCE = 16


def bury(session: Session, row: BinnedFile, inside: ColumnElement[bool], *, is_folder: bool) -> None:
    """Tombstones of the photos that go into the bin with ``row``; what has to be read first is noted.

    They carry the row's own moment, by which they are found again when it comes back.
    """
    photos = select(Media.user_id, StoredFile.digest, literal(row.binned, UtcTime)).join(
        StoredFile, StoredFile.id == Media.file_id
    )
    _lay(session, photos.where(inside, StoredFile.digest.is_not(None)).distinct(), row)
    unread = (
        select(Folder.path, StoredFile.name, Media.user_id)
        .join(StoredFile, StoredFile.folder_id == Folder.id)
        .join(Media, Media.file_id == StoredFile.id)
        .where(inside, StoredFile.digest.is_(None))
    )
    waiting = [(joined(folder, name), user_id) for folder, name, user_id in session.execute(unread)]
    if not waiting and not is_folder and session.scalar(select(StoredFile.id).where(inside)) is None:
        waiting = [(row.path, row.user_id)]  # nobody has seen it here, or its row went before it was asked
    session.add_all(
        Unburied(binned_id=row.id, stored_as=row.stored_as + path[len(row.path) :], user_id=user_id)
        for path, user_id in waiting
    )


def is_behind(session: Session) -> bool:
    """Whether anything in a bin waits to be read."""
    return session.scalar(select(Unburied.id).limit(1)) is not None


def read_some(db: Database, mount: Mount, after: int = 0, *which: ColumnElement[bool]) -> int:
    """Read a few photos in the bin of a drive; the id to go on after, 0 when there are none left.  Raises DriveGone."""
    with db.reading() as session:
        wanted = (
            select(Unburied)
            .join(BinnedFile, BinnedFile.id == Unburied.binned_id)
            .where(BinnedFile.drive_id == mount.drive_id, Unburied.id > after, *which)
        )
        batch = session.scalars(wanted.order_by(Unburied.id).limit(AT_ONCE)).all()
    if not batch:
        return 0
    with room.opened(mount) as root:
        read = [(one, _digest(root, one.stored_as)) for one in batch]
    mount.check()  # a file of a drive that was pulled looks like one that cannot be read
    with db.writing() as session:
        for one, digest in read:
            _note(session, one, digest)
    return batch[-1].id


def read_all(db: Database, mount: Mount, *which: ColumnElement[bool]) -> None:
    """Read what waits in the bin of a drive.  Raises DriveGone."""
    after = 0
    while after := read_some(db, mount, after, *which):
        pass


def _digest(root: int, path: bytes) -> bytes | None:
    """The hash of a photo or video; None for anything else, and for what cannot be read."""
    try:
        fd = open_beneath(root, path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            return digest_of(fd) if format_of(os.pread(fd, HEAD, 0)) else None
        finally:
            os.close(fd)
    except OSError as error:
        if room.is_lost(error):
            raise
        log.warning("in the bin, and not to be read: %r (%s)", path, error)
        return None


def _note(session: Session, one: Unburied, digest: bytes | None) -> None:
    session.execute(delete(Unburied).where(Unburied.id == one.id))
    row = session.get(BinnedFile, one.binned_id)
    if digest is None or row is None:  # it was brought back meanwhile
        return
    photo = select(literal(one.user_id), literal(digest), literal(row.binned, UtcTime)).where(literal(1) == 1)
    _lay(session, photo, row)
    if one.stored_as == row.stored_as:
        session.execute(update(BinnedFile).where(BinnedFile.id == row.id).values(digest=digest))


def _lay(session: Session, photos: Select[Any, Any, Any], row: BinnedFile) -> None:
    stones = insert(Tombstone).from_select(["user_id", "digest", "deleted"], photos)
    session.execute(stones.on_conflict_do_update(index_elements=["user_id", "digest"], set_={"deleted": row.binned}))
