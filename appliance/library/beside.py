"""Sidecars that a walk meets: written here before the database was lost, or by another program.

A sidecar of ours names the bytes that it was written for; it says nothing of others that have taken their name since.
What somebody has said here and is not yet written counts as newer than the file.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.db import Database
from appliance.drives.mounts import Mount
from appliance.jobs.schedule import zone
from appliance.library import catalogue, notes, origins, room, scan, sidecars, stacks, xmp
from appliance.library.beneath import open_beneath
from appliance.library.contents import digest_of
from appliance.library.listing import Entry
from appliance.library.models import Media, StoredFile
from appliance.library.notes import Notes
from appliance.library.sidecars import Sidecar
from appliance.library.small_files import read_small


@dataclass(frozen=True)
class Found:
    """A photo's sidecar, and the photo's digest where the sidecar asks for it."""

    sidecar: Sidecar
    digest: bytes | None

    @property
    def belongs(self) -> bool:
        """Whether it was written for these bytes, or by a program that does not say for which."""
        return self.sidecar.digest == self.digest


def look(root: int, path: bytes, files: Sequence[Entry], changed: Sequence[Entry]) -> dict[bytes, Found]:
    """Photo's name -> what the file beside it says, where either of the two is new or changed.

    Only reads the drive.  What cannot be read says nothing.
    """
    names = {entry.name for entry in files}
    if not any(name.endswith(sidecars.SUFFIX) for name in names):
        return {}
    new = {entry.name for entry in changed}
    wanted = {}
    for photo in names:
        beside = next((name for name in sidecars.names_for(photo) if name in names and name != photo), None)
        if beside is not None and (photo in new or beside in new):
            wanted[photo] = beside
    if not wanted:
        return {}
    folder = open_beneath(root, path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return {photo: found for photo, name in wanted.items() if (found := _read(folder, photo, name))}
    finally:
        os.close(folder)


def _read(folder: int, photo: bytes, name: bytes) -> Found | None:
    try:
        text = read_small(folder, name, xmp.LARGEST)
        if text is None:
            return None
        said = sidecars.read(text)
        if said.digest is None:
            return Found(said, None)
        fd = os.open(photo, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        try:
            return Found(said, digest_of(fd))
        finally:
            os.close(fd)
    except (OSError, xmp.NotReadable):
        return None


def heed(db: Database, mount: Mount, path: bytes) -> None:
    """Let the row of a photo say what its sidecar does, when either of the two has just come.  Raises OSError."""
    folder, _, name = path.rpartition(b"/")
    listing = scan.listing_of(mount.path, folder)
    with room.opened(mount) as root:
        found = look(root, folder, listing.files, [entry for entry in listing.files if entry.name == name])
    if found:
        with db.writing() as session:
            take(session, catalogue.folder_id(session, mount.drive_id, folder), found)


def take(session: Session, folder_id: int, found: Mapping[bytes, Found]) -> None:
    """Let the rows of the folder's photos say what their sidecars do; call when the rows are there."""
    here = zone(session)
    for name, beside in found.items():
        media = session.execute(
            select(Media.id, Media.written)
            .join(StoredFile, StoredFile.id == Media.file_id)
            .where(StoredFile.folder_id == folder_id, StoredFile.name == name)
        ).first()
        if media is None or not media.written or not beside.belongs:
            continue
        if _differs(notes.of(session, [media.id])[media.id], beside.sidecar.change):
            notes.put(session, media.id, beside.sidecar.change, edited=beside.digest is not None)
            if beside.sidecar.change.grouping:
                stacks.join(session, media.id)
        ours = beside.digest is not None
        origins.say(session, media.id, beside.sidecar.origin, here, written=True, ours=ours)


def _differs(said: Notes, change: notes.Change) -> bool:
    wanted = change.columns() | ({} if change.tags is None else {"tags": change.tags})
    return any(getattr(said, name) != value for name, value in wanted.items())
