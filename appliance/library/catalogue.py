"""The rows of the library: folders, files, and what is known of the photos among them.

Everything here joins the caller's transaction.  Writing goes by upserts, since the drive is the truth and the rows
follow it: whoever sees a file first, the upload or the walk over the drive, makes its row, and the other finds it.

The statements are built once, on tables instead of entities: building them anew costs an upload more than the rest.
"""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import NamedTuple, cast

from sqlalchemy import ColumnElement, Select, Table, and_, bindparam, delete, func, or_, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.drives.layout import FAMILY
from appliance.library.models import Folder, Media, MediaKind, PreviewState, StoredFile, Upload
from appliance.library.origins import OWNER
from appliance.library.taken import Taken

_folder, _file, _media = (cast(Table, entity.__table__) for entity in (Folder, StoredFile, Media))


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


_FOLDER = select(_folder.c.id).where(_folder.c.drive_id == bindparam("drive_id"), _folder.c.path == bindparam("path"))
_NEW_FOLDER = insert(_folder).on_conflict_do_nothing()


def folder_id(session: Session, drive_id: int, path: bytes) -> int:
    """The id of a folder's row, which is made if there is none."""
    place = {"drive_id": drive_id, "path": path}
    connection = session.connection()
    found: int | None = connection.scalar(_FOLDER, place)
    if found is None:
        connection.execute(_NEW_FOLDER, place)
        found = connection.scalars(_FOLDER, place).one()
    return found


def is_family(folder: bytes) -> bool:
    """Whether a folder is the family's or below it: what lies there is everybody's."""
    return folder.partition(b"/")[0] == FAMILY.encode()


def folder_row(session: Session, drive_id: int, path: bytes) -> Folder:
    """A folder's row, which is made if there is none."""
    return session.get_one(Folder, folder_id(session, drive_id, path))


_FILE_FACTS = ("size", "modified_ns", "digest", "proven", "damaged")
_NEW_FILE = insert(_file)
_RECORD = _NEW_FILE.on_conflict_do_update(
    index_elements=["folder_id", "name"], set_={name: _NEW_FILE.excluded[name] for name in _FILE_FACTS}
).returning(_file.c.id)


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
    row = {"folder_id": folder_id, "name": name, "added": now(), "copied": False} | facts
    recorded: int = session.connection().scalars(_RECORD, row).one()
    return recorded


_MEDIA_FACTS = ("user_id", "kind", "taken", "taken_from", "month", "preview")
_NEW_MEDIA = insert(_media)
_RECORD_MEDIA = _NEW_MEDIA.on_conflict_do_update(
    index_elements=["file_id"], set_={name: _NEW_MEDIA.excluded[name] for name in _MEDIA_FACTS}
).returning(_media.c.id)
_TOLD = (
    update(_media).where(_media.c.id == bindparam("media_id")).values(edited=bindparam("moment"), written=False)
)  # the file beside it has to say so, too
_SHARE = update(_media).where(_media.c.id == bindparam("media_id"), _media.c.shared.is_(False)).values(shared=True)


def record_media(
    session: Session, *, file_id: int, user_id: int, kind: MediaKind, taken: Taken, zone: tzinfo, folder: bytes
) -> int:
    """Put a file into a person's timeline; returns its id.  Its preview is made later.

    In the family's ``folder`` it is "ours" at once.  The folder itself says so after a lost database, hence no sidecar.
    """
    shown = taken.moment.astimezone(zone)
    row = {
        "file_id": file_id,
        "user_id": user_id,
        "kind": kind,
        "taken": taken.moment,
        "taken_from": taken.source,
        "month": shown.year * 100 + shown.month,
        "preview": PreviewState.WAITING,
        "camera": "",
        "placeholder": "",
    }
    recorded: int = session.connection().scalars(_RECORD_MEDIA, row).one()
    if taken.source == OWNER:
        session.connection().execute(_TOLD, {"media_id": recorded, "moment": now()})
    if is_family(folder):
        session.connection().execute(_SHARE, {"media_id": recorded})
    return recorded


_SAME_BYTES = (
    select(
        _file.c.id,
        _media.c.id,
        _folder.c.drive_id,
        _folder.c.path,
        _file.c.name,
        _file.c.size,
        _file.c.modified_ns,
        _file.c.digest,
    )
    .select_from(
        _file.join(_folder, _folder.c.id == _file.c.folder_id).outerjoin(_media, _media.c.file_id == _file.c.id)
    )
    .where(_file.c.digest == bindparam("digest"), _file.c.damaged.is_(False))
    .where(
        or_(  # a person's files: theirs by adoption, or below their folder
            _media.c.user_id == bindparam("user_id"),
            _folder.c.path == bindparam("top"),
            func.substr(_folder.c.path, 1, func.length(bindparam("below"))) == bindparam("below"),
        )
    )
    .order_by(_file.c.id)
)


def find_by_digest(session: Session, user_id: int, folder: str, digest: bytes) -> list[Known]:
    """The files of a person that hold these bytes, as far as the rows know; look at the drive before relying on it.

    ``folder`` is the person's top folder.
    """
    top = folder.encode()
    wanted = {"digest": digest, "user_id": user_id, "top": top, "below": top + b"/"}
    return [Known(*row) for row in session.connection().execute(_SAME_BYTES, wanted)]


def places_of(session: Session, media_ids: Sequence[int]) -> list[tuple[int, bytes]]:
    """(drive, path) of each of these photos; whether somebody may know is asked before."""
    found: list[tuple[int, bytes]] = []
    for start in range(0, len(media_ids), 500):
        rows = session.execute(
            select(_folder.c.drive_id, _folder.c.path, _file.c.name)
            .select_from(_media.join(_file, _file.c.id == _media.c.file_id))
            .join(_folder, _folder.c.id == _file.c.folder_id)
            .where(_media.c.id.in_(media_ids[start : start + 500]))
        )
        found += [(row.drive_id, joined(row.path, row.name)) for row in rows]
    return found


def finish_upload(session: Session, upload_id: str, file_id: int) -> None:
    """Note what became of an upload, for a client that did not hear the answer."""
    session.execute(update(Upload).where(Upload.id == upload_id).values(finished=now(), file_id=file_id))


def forget_media(session: Session, file_id: int) -> None:
    """A file that is no photo or video (any more) is in nobody's timeline."""
    session.execute(delete(Media).where(Media.file_id == file_id))


def below(path: bytes) -> ColumnElement[bool]:
    """Folders at ``path`` and below it, on whichever drive."""
    after, end = path + b"/", path + b"0"  # "0" comes right after "/"
    return or_(Folder.path == path, and_(Folder.path >= after, Folder.path < end))


def bytes_below(session: Session, drives: Sequence[int], tops: Sequence[bytes]) -> int:
    """How much all files at and below these folders hold, as far as the library knows them."""
    total = select(func.coalesce(func.sum(Folder.bytes), 0)).where(Folder.drive_id.in_(drives))
    return session.scalar(total.where(or_(*map(below, tops)))) or 0


def files_at(drive_id: int, path: bytes) -> Select[int]:
    """The ids of a file's row, or of every file's in and below a folder."""
    folder, _, name = path.rpartition(b"/")
    one = and_(Folder.path == folder, StoredFile.name == name)
    wanted = select(StoredFile.id).join(Folder, Folder.id == StoredFile.folder_id)
    return wanted.where(Folder.drive_id == drive_id, or_(one, below(path)))


def forget_files(session: Session, which: Select[int]) -> None:
    """Files that are no longer where their rows say; the photos among them leave the timelines."""
    session.execute(delete(StoredFile).where(StoredFile.id.in_(which)))


def look_anew(session: Session, drive_id: int, path: bytes) -> None:
    """The next walk compares a folder, and those below it, whatever their fingerprints say."""
    where = (Folder.drive_id == drive_id, below(path))
    session.execute(update(Folder).where(*where).values(fingerprint=None))
