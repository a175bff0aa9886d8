"""The rows of files that were carried: a moved one keeps its row, a copy gets one of its own as every new file does."""

import os
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from appliance.db import Database, now
from appliance.drives.mounts import Mount
from appliance.library import catalogue, index
from appliance.library.models import Folder, Media, StoredFile
from appliance.library.moving import change_hands
from appliance.people.models import User


class Known(NamedTuple):
    """What the library knows of a file."""

    file_id: int
    size: int
    modified_ns: int
    digest: bytes | None

    def is_of(self, facts: os.stat_result) -> bool:
        """Whether the row is about the file as it is now."""
        return (self.size, self.modified_ns) == (facts.st_size, facts.st_mtime_ns)


class Carried(NamedTuple):
    """A file of which there is a proven copy."""

    path: bytes  # where it was, on the drive it came from
    goal: bytes  # where it is, on the other one
    spool: bytes
    file_id: int | None  # its row, where the library knows it
    size: int
    was_ns: int  # the original's time
    modified_ns: int  # the copy's: not every filesystem keeps all of it
    digest: bytes

    def noted(self) -> list[Any]:
        """For a checkpoint."""
        return [quote(self.path), quote(self.goal), self.file_id, self.size, self.was_ns, self.digest.hex()]

    @classmethod
    def from_note(cls, note: Sequence[Any]) -> "Carried":
        """From a checkpoint."""
        path, goal, file_id, size, was_ns, digest = note
        path, goal = unquote_to_bytes(path), unquote_to_bytes(goal)
        return cls(path, goal, b"", file_id, size, was_ns, was_ns, bytes.fromhex(digest))


def known(db: Database, drive_id: int, paths: Sequence[bytes]) -> dict[bytes, Known]:
    """The rows of these files."""
    names: dict[bytes, list[bytes]] = defaultdict(list)
    for path in paths:
        folder, _, name = path.rpartition(b"/")
        names[folder].append(name)
    found: dict[bytes, Known] = {}
    with db.reading() as session:
        for folder, inside in names.items():
            rows = session.execute(
                select(StoredFile.name, StoredFile.id, StoredFile.size, StoredFile.modified_ns, StoredFile.digest)
                .join(Folder, Folder.id == StoredFile.folder_id)
                .where(Folder.drive_id == drive_id, Folder.path == folder, StoredFile.name.in_(inside))
            )
            found |= {catalogue.joined(folder, row[0]): Known(*row[1:]) for row in rows}
    return found


def follow(
    db: Database, target: Mount, placed: Sequence[Carried], user_id: int, source_drive: int, *, moved: bool
) -> None:
    """Let the rows say where the files are: the old ones, in one commit, or new ones.  Raises DriveGone."""
    fresh = list(placed)
    if moved:
        with db.writing() as session:
            user = session.get_one(User, user_id)
            fresh = [one for one in placed if not _moved(session, one, target.drive_id, user, source_drive)]
    folders: dict[bytes, dict[bytes, bytes]] = defaultdict(dict)
    for one in fresh:
        folder, _, name = one.goal.rpartition(b"/")
        folders[folder][name] = one.digest
    for folder, digests in folders.items():
        index.look_at(db, target, folder, digests)
        if catalogue.is_family(folder):
            _belong_to(db, target.drive_id, folder, list(digests), user_id)


def _moved(session: Session, one: Carried, drive_id: int, user: User, source_drive: int) -> bool:
    """A row goes along with its file; False where there is none."""
    folder, _, name = one.path.rpartition(b"/")
    row = session.execute(
        select(StoredFile.id, StoredFile.name, Folder.drive_id, Folder.path)
        .join(Folder, Folder.id == StoredFile.folder_id)
        .where(StoredFile.id == one.file_id)
    ).first()
    if row is None:
        return False
    goal, _, new = one.goal.rpartition(b"/")
    if (row.drive_id, row.path, row.name) == (drive_id, goal, new):
        return True  # before the cut
    if (row.drive_id, row.path, row.name) != (source_drive, folder, name):
        return False
    catalogue.forget_files(session, catalogue.files_at(drive_id, one.goal))
    values = {
        "folder_id": catalogue.folder_id(session, drive_id, goal),
        "name": new,
        "size": one.size,
        "modified_ns": one.modified_ns,
        "digest": one.digest,
        "proven": now(),
        "damaged": False,
        "copied": False,
    }
    session.execute(update(StoredFile).where(StoredFile.id == row.id).values(**values))
    change_hands(session, drive_id, user, one.path, one.goal)
    return True


def _belong_to(db: Database, drive_id: int, folder: bytes, names: Sequence[bytes], user_id: int) -> None:
    """Who copies into the family's folder is whose photos they are."""
    at = select(StoredFile.id).join(Folder, Folder.id == StoredFile.folder_id)
    files = at.where(Folder.drive_id == drive_id, Folder.path == folder, StoredFile.name.in_(names))
    with db.writing() as session:
        session.execute(update(Media).where(Media.file_id.in_(files)).values(user_id=user_id))


def forget(db: Database, drive_id: int, paths: Sequence[bytes]) -> None:
    """Rows of originals that are gone: a walk may have met one again before it went."""
    with db.writing() as session:
        for path in paths:
            catalogue.forget_files(session, catalogue.files_at(drive_id, path))
