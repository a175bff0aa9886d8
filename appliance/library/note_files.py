"""Bringing the files beside photos in step with what the rows say of them.

What is true if the plug is pulled, line by line: the text is flushed under a temporary name in ``.everpx/incoming``,
then renamed over the old sidecar, then the folder is flushed, and only then does the row say that it is written.  A
cut in between leaves the old file or the new one, and a row that has it written again.  What is said meanwhile stays
unwritten: a row is marked only if nobody has edited it since it was read.
"""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from blake3 import blake3
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from appliance.db import Database
from appliance.drives.mounts import Mount
from appliance.jobs.progress import Progress
from appliance.jobs.schedule import zone
from appliance.library import catalogue, notes, origins, room, sidecars, small_files, xmp
from appliance.library.albums import album_files
from appliance.library.beneath import open_beneath
from appliance.library.models import Folder, Media, StoredFile
from appliance.library.notes import Notes
from appliance.library.origins import NOT_SAID, Origin
from appliance.library.small_files import read_small
from appliance.words import N_

BATCH = 200


class Unwritten(NamedTuple):
    """A photo whose file beside it is behind."""

    media_id: int
    edited: datetime | None
    folder_id: int
    folder: bytes
    name: bytes
    digest: bytes | None


class Put(NamedTuple):
    """A sidecar as it lies on the drive now; None of it where there is nothing to say."""

    photo: Unwritten
    name: bytes
    size: int
    modified_ns: int
    digest: bytes


def write_all(progress: Progress, mounts: Sequence[Mount]) -> dict[str, int]:
    """Everything that is behind on these HOT drives; counts.  Raises OutOfSpace and DriveGone."""
    writable = [mount for mount in mounts if not mount.read_only]
    done = 0
    for mount in writable:
        after = 0
        while batch := _unwritten(progress.db, mount.drive_id, after):
            progress.step(N_("Writing down titles, tags and albums"), done, unit="photos")
            write(progress.db, mount, batch)
            after, done = batch[-1].media_id, done + len(batch)
    return {"photos": done, "albums": album_files.write_all(progress.db, writable)}


def _unwritten(db: Database, drive_id: int, after: int) -> Sequence[Unwritten]:
    wanted = (
        select(Media.id, Media.edited, Folder.id, Folder.path, StoredFile.name, StoredFile.digest)
        .join(StoredFile, StoredFile.id == Media.file_id)
        .join(Folder, Folder.id == StoredFile.folder_id)
        .where(Media.written.is_(False), Media.id > after, Folder.drive_id == drive_id)
        .order_by(Media.id)
        .limit(BATCH)
    )
    with db.reading() as session:
        return [Unwritten(*row) for row in session.execute(wanted)]


def write(db: Database, mount: Mount, batch: Sequence[Unwritten]) -> None:
    """Write the sidecars of some photos of one drive, and then say so."""
    with db.reading() as session:
        here, media_ids = zone(session), [photo.media_id for photo in batch]
        whence, said = origins.of(session, media_ids), notes.of(session, media_ids)
    put: list[Put | None] = []

    def shown(origin: Origin) -> Origin:
        """With the hour that a clock here showed."""
        return replace(origin, taken=origin.taken.astimezone(here)) if origin.taken else origin

    with room.incoming(mount) as (root, incoming):
        for path in dict.fromkeys(photo.folder for photo in batch):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # a walk will notice
                folder = open_beneath(root, path, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    for photo in batch:
                        if photo.folder == path and (words := said.get(photo.media_id)) is not None:
                            put.append(_put(incoming, folder, photo, words, shown(whence[photo.media_id])))
                    os.fsync(folder)
                finally:
                    os.close(folder)
    mount.check()
    with db.writing() as session:
        for one in put:
            if one is not None:
                _say_so(session, one)


def _put(incoming: int, folder: int, photo: Unwritten, said: Notes, origin: Origin) -> Put | None:
    """One sidecar, by a temporary name; None when the photo itself is not there.  The folder is not flushed yet."""
    try:
        os.stat(photo.name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    name = sidecars.name_for(photo.name)
    before = read_small(folder, name, xmp.LARGEST)
    if before is None and said == Notes() and origin == NOT_SAID:
        return Put(photo, b"", 0, 0, b"")
    text = sidecars.written(said, photo.digest, before, origin)
    size, modified_ns = small_files.replace(incoming, folder, name, text)
    return Put(photo, name, size, modified_ns, blake3(text).digest())


def _say_so(session: Session, put: Put) -> None:
    """The row is in step, unless it was edited meanwhile; the sidecar gets a row of its own, so no walk reads it."""
    photo = put.photo
    as_read = Media.edited.is_(None) if photo.edited is None else Media.edited == photo.edited
    session.execute(update(Media).where(Media.id == photo.media_id, as_read).values(written=True))
    if put.name:
        catalogue.record(
            session,
            folder_id=photo.folder_id,
            name=put.name,
            size=put.size,
            modified_ns=put.modified_ns,
            digest=put.digest,
        )
