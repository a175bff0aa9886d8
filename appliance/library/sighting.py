"""What a look at a new or changed file on a HOT drive shows, and its row: for the walk, and for what was told of.

The bytes of photos and videos are read as far as the date needs, nothing is written to the drive.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from appliance.db import Database, now
from appliance.drives.mounts import Mount
from appliance.library import beside, catalogue, room
from appliance.library.beneath import open_beneath
from appliance.library.formats import HEAD, Format, format_of
from appliance.library.listing import Entry
from appliance.library.models import Folder, StoredFile
from appliance.library.taken import Taken, from_name, taken
from appliance.people.models import Role, User, UserState

NOTHING_READ: Mapping[bytes, bytes] = MappingProxyType({})
WRITE_BATCH = 500  # files written down at a time: others wait for the write lock meanwhile


class Seen(NamedTuple):
    """What a look at a new or changed file has shown."""

    entry: Entry
    format: Format | None
    taken: Taken | None


class Owners:
    """Whose files a folder holds: below a person's folder theirs; other files came with a drive that an admin took."""

    def __init__(self, session: Session) -> None:
        users = session.scalars(select(User).order_by(User.id)).all()
        self._by_folder = {user.folder.casefold(): user.id for user in users}
        admins = [u.id for u in users if u.role is Role.ADMIN and u.state is UserState.ACTIVE]
        self._admin = admins[0] if admins else None

    def of(self, folder: bytes) -> int | None:
        """The person's id; None while there is nobody at all."""
        top = folder.partition(b"/")[0].decode("utf-8", "replace").casefold()
        return self._by_folder.get(top, self._admin)


def look(mount: Mount, folder: bytes, entries: Iterable[Entry], here: tzinfo) -> list[Seen]:
    """What each file is and when it was taken; one that cannot be read is left for the next walk."""
    seen = []
    with room.opened(mount) as root:
        for entry in entries:
            try:
                fd = open_beneath(root, catalogue.joined(folder, entry.name), os.O_RDONLY | os.O_NONBLOCK)
            except OSError:
                continue
            try:
                seen.append(_seen(fd, entry, here))
            except OSError:
                continue
            finally:
                os.close(fd)
    return seen


def _seen(fd: int, entry: Entry, here: tzinfo) -> Seen:
    found = format_of(os.pread(fd, HEAD, 0))
    if found is None:
        return Seen(entry, None, None)
    moment = now()
    when = taken(fd, entry.size, found, here, moment) or from_name(os.fsdecode(entry.name), here, moment)
    if when is None:
        at = min(moment, datetime.fromtimestamp(max(0, entry.modified_ns) / 1e9, UTC))
        when = Taken(at.astimezone(here).replace(tzinfo=None), at, "file")
    return Seen(entry, found, when)


def _note(
    session: Session,
    folder_id: int,
    path: bytes,
    seen: Seen,
    owner: int | None,
    here: tzinfo,
    digest: bytes | None,
) -> None:
    entry = seen.entry
    file_id = catalogue.record(
        session,
        folder_id=folder_id,
        name=entry.name,
        size=entry.size,
        modified_ns=entry.modified_ns,
        digest=digest,
    )
    if seen.format is None or seen.taken is None or owner is None:
        catalogue.forget_media(session, file_id)
        return
    kind, when = seen.format.kind, seen.taken
    catalogue.record_media(session, file_id=file_id, user_id=owner, kind=kind, taken=when, zone=here, folder=path)


def write_down(
    db: Database,
    mount: Mount,
    folder: bytes,
    seen: Sequence[Seen],
    said: Mapping[bytes, beside.Found],
    owners: Owners,
    here: tzinfo,
    digests: Mapping[bytes, bytes] = NOTHING_READ,
) -> None:
    """Rows of files of one folder, a part at a time; what the files beside them say goes with the photos.

    ``digests``: of files that somebody has just read.
    """
    for start in range(0, len(seen), WRITE_BATCH):
        part = seen[start : start + WRITE_BATCH]
        with db.writing() as session:
            folder_id = catalogue.folder_id(session, mount.drive_id, folder)
            for found in part:
                about = said.get(found.entry.name)
                digest = about.digest if about and about.belongs else None  # others wait for keepsakes of their bytes
                digest = digests.get(found.entry.name) or digest
                _note(session, folder_id, folder, found, owners.of(folder), here, digest)
            session.execute(update(Folder).where(Folder.id == folder_id).values(fingerprint=None))
    if said:
        with db.writing() as session:
            beside.take(session, catalogue.folder_id(session, mount.drive_id, folder), said)


def forget(session: Session, folder_id: int, names: Iterable[bytes]) -> None:
    """Files of a folder that are gone for sure."""
    for name in names:
        session.execute(delete(StoredFile).where(StoredFile.folder_id == folder_id, StoredFile.name == name))
