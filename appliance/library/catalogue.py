"""The rows of the library: folders, files, and what is known of the photos among them.

Everything here joins the caller's transaction.  Writing goes by upserts, since the drive is the truth and the rows
follow it: whoever sees a file first, the upload or the walk over the drive, makes its row, and the other finds it.
"""

from datetime import datetime, tzinfo
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.library.models import Folder, Media, MediaKind, PreviewState, StoredFile
from appliance.library.taken import Taken


class Known(NamedTuple):
    """A file that a person has already."""

    file_id: int
    media_id: int | None
    drive_id: int
    folder: bytes
    name: bytes
    size: int
    modified_ns: int
    digest: bytes | None

    @property
    def path(self) -> bytes:
        """Relative to its drive."""
        return joined(self.folder, self.name)


def joined(folder: bytes, name: bytes) -> bytes:
    """A path from a folder's path and a name; the top folder's path is empty."""
    return folder + b"/" + name if folder else name


def folder_id(session: Session, drive_id: int, path: bytes) -> int:
    """The id of a folder's row, which is made if there is none."""
    wanted = select(Folder.id).where(Folder.drive_id == drive_id, Folder.path == path)
    found = session.scalar(wanted)
    if found is None:
        session.execute(insert(Folder).values(drive_id=drive_id, path=path).on_conflict_do_nothing())
        found = session.scalars(wanted).one()
    return found


def folder_row(session: Session, drive_id: int, path: bytes) -> Folder:
    """A folder's row, which is made if there is none."""
    return session.get_one(Folder, folder_id(session, drive_id, path))


def record(
    session: Session,
    *,
    folder_id: int,
    name: bytes,
    size: int,
    modified_ns: int,
    digest: bytes | None,
    proven: datetime | None = None,
) -> int:
    """Write down a file as it is now; returns its id.  What was known of an earlier file of this name is forgotten."""
    facts = {"size": size, "modified_ns": modified_ns, "digest": digest, "proven": proven, "damaged": False}
    statement = insert(StoredFile).values(folder_id=folder_id, name=name, added=now(), **facts)
    statement = statement.on_conflict_do_update(index_elements=["folder_id", "name"], set_=facts)
    return session.scalars(statement.returning(StoredFile.id)).one()


def record_media(session: Session, *, file_id: int, user_id: int, kind: MediaKind, taken: Taken, zone: tzinfo) -> int:
    """Put a file into a person's timeline; returns its id.  Its preview is made later."""
    shown = taken.moment.astimezone(zone)
    facts = {
        "user_id": user_id,
        "kind": kind,
        "taken": taken.moment,
        "taken_from": taken.source,
        "month": shown.year * 100 + shown.month,
        "preview": PreviewState.WAITING,
    }
    statement = insert(Media).values(file_id=file_id, camera="", placeholder="", **facts)
    statement = statement.on_conflict_do_update(index_elements=["file_id"], set_=facts)
    return session.scalars(statement.returning(Media.id)).one()


def belongs_to(user_id: int, folder: str) -> ColumnElement[bool]:
    """The condition that a file is a person's: below their folder, or theirs by adoption."""
    top = folder.encode()
    below = func.substr(Folder.path, 1, len(top) + 1) == top + b"/"
    return or_(Media.user_id == user_id, Folder.path == top, below)


def find_by_digest(session: Session, user_id: int, folder: str, digest: bytes, size: int) -> list[Known]:
    """The files of a person that hold these bytes, as far as the rows know; look at the drive before relying on it."""
    return [
        Known(*row)
        for row in session.execute(
            select(
                StoredFile.id,
                Media.id,
                Folder.drive_id,
                Folder.path,
                StoredFile.name,
                StoredFile.size,
                StoredFile.modified_ns,
                StoredFile.digest,
            )
            .join(Folder, Folder.id == StoredFile.folder_id)
            .outerjoin(Media, Media.file_id == StoredFile.id)
            .where(StoredFile.digest == digest, StoredFile.size == size, StoredFile.damaged.is_(False))
            .where(belongs_to(user_id, folder))
            .order_by(StoredFile.id)
        )
    ]
