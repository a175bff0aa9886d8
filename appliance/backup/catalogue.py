"""What a COLD drive holds, as rows; every statement that touches many of them is here.

The statements are bounded by a folder or a batch, never by the whole catalogue.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, bindparam, case, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from appliance.backup.models import ColdFile, ColdFolder
from appliance.library.models import Folder, StoredFile

T = TypeVar("T")
CHUNK = 512  # values in one IN (…)


class Known(NamedTuple):
    """A HOT folder that the database knows; the last two are None where the COLD drive does not hold it."""

    folder_id: int
    fingerprint: bytes | None
    stored_as: bytes | None


class Held(NamedTuple):
    """A file as the COLD drive holds it."""

    id: int
    stored_as: bytes | None
    size: int
    modified_ns: int
    digest: bytes


class Read(NamedTuple):
    """A HOT file as it was when somebody read it."""

    size: int
    modified_ns: int
    digest: bytes


#: Statements on many rows whose columns need no conversion are written out: each row costs a third.
HELD = """select folder_id, name, id, stored_as, size, modified_ns, digest from cold_file
    where cold_drive_id = ? and folder_id in ({})"""
READ = """select folder_id, name, size, modified_ns, digest from stored_file
    where digest is not null and (folder_id, name) in (values {})"""
EVERY = """select folder_id, coalesce(stored_as, name), digest from cold_file
    where cold_drive_id = ? order by folder_id, name"""


def chunk(values: Sequence[T], at: int) -> Sequence[T]:
    """The values from ``at`` on for one IN (…), the last one repeated up to a power of two.

    So there are ten different statements at most; SQLite keeps each that it has seen, with room for all its values.
    """
    part = list(values[at : at + CHUNK])
    return part + part[-1:] * ((1 << (len(part) - 1).bit_length()) - len(part))


def folders(session: Session, cold_id: int, hot_id: int, paths: Sequence[bytes]) -> dict[bytes, Known]:
    """What is known of these folders of a HOT drive, by path."""
    known = {}
    for at in range(0, len(paths), CHUNK):
        rows = session.execute(
            select(Folder.path, Folder.id, ColdFolder.fingerprint, ColdFolder.stored_as)
            .outerjoin(ColdFolder, (ColdFolder.folder_id == Folder.id) & (ColdFolder.cold_drive_id == cold_id))
            .where(Folder.drive_id == hot_id, Folder.path.in_(chunk(paths, at)))
        )
        known.update({path: Known(number, fingerprint, place) for path, number, fingerprint, place in rows})
    return known


def held(session: Session, cold_id: int, folder_id: int) -> dict[bytes, Held]:
    """The files of one folder as the COLD drive holds them, by HOT's name."""
    return held_in(session, cold_id, [folder_id]).get(folder_id, {})


def held_in(session: Session, cold_id: int, folder_ids: Sequence[int]) -> dict[int, dict[bytes, Held]]:
    """The same of several folders; one that the COLD drive holds nothing of is left out."""
    found: dict[int, dict[bytes, Held]] = {}
    connection = session.connection()
    for at in range(0, len(folder_ids), CHUNK):
        ids = chunk(folder_ids, at)
        rows = connection.exec_driver_sql(HELD.format(", ".join("?" * len(ids))), (cold_id, *ids))
        for folder_id, name, *facts in rows:
            found.setdefault(folder_id, {})[name] = Held(*facts)
    return found


def held_count(session: Session, cold_id: int, hot_id: int) -> int:
    """How many files of a HOT drive a COLD drive holds."""
    rows = select(func.count()).select_from(ColdFile).join(Folder, Folder.id == ColdFile.folder_id)
    return session.scalar(rows.where(ColdFile.cold_drive_id == cold_id, Folder.drive_id == hot_id)) or 0


def total(session: Session, cold_id: int) -> tuple[int, int]:
    """Number and bytes of all files a COLD drive holds."""
    count, size = session.execute(
        select(func.count(), func.coalesce(func.sum(ColdFile.size), 0)).where(ColdFile.cold_drive_id == cold_id)
    ).one()
    return count, size


def known_digests(session: Session, folder_id: int) -> dict[bytes, tuple[int, int, bytes]]:
    """(size, modified, digest) of the files of a HOT folder that somebody has read, by name."""
    columns = (StoredFile.name, StoredFile.size, StoredFile.modified_ns, StoredFile.digest)
    rows = session.execute(select(*columns).where(StoredFile.folder_id == folder_id, StoredFile.digest.is_not(None)))
    return {name: (size, modified, digest) for name, size, modified, digest in rows if digest}


def digests_of(session: Session, files: Sequence[tuple[int, bytes]]) -> dict[tuple[int, bytes], Read]:
    """Those of these HOT files, each a folder's id and a name, that somebody has read."""
    found = {}
    connection = session.connection()
    for at in range(0, len(files), CHUNK):
        part = chunk(files, at)
        values = [value for pair in part for value in pair]
        rows = connection.exec_driver_sql(READ.format(", ".join(["(?, ?)"] * len(part))), tuple(values))
        found.update({(folder_id, name): Read(*facts) for folder_id, name, *facts in rows})
    return found


def ensure_folders(session: Session, hot_id: int, paths: Sequence[bytes]) -> dict[bytes, int]:
    """The ids of these folders; those the library has not met yet get a row that it will scan."""
    if not paths:
        return {}
    new = insert(Folder).on_conflict_do_nothing(index_elements=["drive_id", "path"])
    session.execute(new, [{"drive_id": hot_id, "path": path} for path in paths])
    ids: dict[bytes, int] = {}
    for at in range(0, len(paths), CHUNK):
        rows = session.execute(
            select(Folder.path, Folder.id).where(Folder.drive_id == hot_id, Folder.path.in_(chunk(paths, at)))
        )
        ids.update({path: folder_id for path, folder_id in rows})
    return ids


def record_files(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Upsert verified copies: dictionaries of ColdFile's columns.  Equal bytes keep the moment they came."""
    if not rows:
        return
    new = insert(ColdFile)
    fresh: dict[str, Any] = {k: new.excluded[k] for k in ("stored_as", "size", "modified_ns", "digest", "proven")}
    is_same = ColdFile.digest == new.excluded.digest
    fresh["since"] = case((is_same, ColdFile.since), else_=new.excluded.since)
    place = ["cold_drive_id", "folder_id", "name"]
    session.execute(new.on_conflict_do_update(index_elements=place, set_=fresh), rows)


def sinces(session: Session, ids: Sequence[int]) -> dict[int, datetime | None]:
    """Since when COLD holds these copies, by row."""
    found: dict[int, datetime | None] = {}
    for at in range(0, len(ids), CHUNK):
        rows = session.execute(select(ColdFile.id, ColdFile.since).where(ColdFile.id.in_(chunk(ids, at))))
        found.update({row_id: since for row_id, since in rows})
    return found


def record_folders(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Upsert what a COLD drive's folders look like: dictionaries of ColdFolder's columns."""
    if not rows:
        return
    new = insert(ColdFolder)
    session.execute(
        new.on_conflict_do_update(
            index_elements=["cold_drive_id", "folder_id"],
            set_={"fingerprint": new.excluded.fingerprint, "stored_as": new.excluded.stored_as},
        ),
        rows,
    )


def learn_digests(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Tell the library what was read on HOT: ``in_folder, named, sized, dated, hashed, at``; only where it fits."""
    if rows:
        table: Any = StoredFile.__table__
        session.execute(
            update(table)
            .where(
                table.c.folder_id == bindparam("in_folder"),
                table.c.name == bindparam("named"),
                table.c.size == bindparam("sized"),
                table.c.modified_ns == bindparam("dated"),
            )
            .values(digest=bindparam("hashed"), proven=bindparam("at"), damaged=False),
            list(rows),
        )


def prove(session: Session, ids: Sequence[int], moment: datetime) -> None:
    """Note that these copies were read from the medium and matched."""
    for at in range(0, len(ids), CHUNK):
        session.execute(update(ColdFile).where(ColdFile.id.in_(chunk(ids, at))).values(proven=moment))


def forget_files(session: Session, ids: Sequence[int]) -> None:
    """These files are no longer at their place on the COLD drive."""
    for at in range(0, len(ids), CHUNK):
        session.execute(delete(ColdFile).where(ColdFile.id.in_(chunk(ids, at))))


def forget_folders(session: Session, cold_id: int, ids: Sequence[int]) -> None:
    """These folders are gone from HOT, and with them what was known of their copy."""
    for at in range(0, len(ids), CHUNK):
        chosen = ColdFolder.folder_id.in_(chunk(ids, at))
        session.execute(delete(ColdFolder).where(ColdFolder.cold_drive_id == cold_id, chosen))


def every_file(connection: Connection, cold_id: int) -> Iterator[tuple[str, bytes, bytes]]:
    """(HOT tag, path below it on COLD, digest) of every file a COLD drive holds, streamed folder by folder.

    Call in a transaction: the folders and the files are two streams.
    """
    from appliance.drives.models import Drive

    folders = connection.execution_options(yield_per=500).execute(
        select(ColdFolder.folder_id, Drive.role, Drive.number, func.coalesce(ColdFolder.stored_as, Folder.path))
        .join(Folder, Folder.id == ColdFolder.folder_id)
        .join(Drive, Drive.id == Folder.drive_id)
        .where(ColdFolder.cold_drive_id == cold_id)
        .order_by(ColdFolder.folder_id)
    )
    files = connection.connection.cursor()  # a million rows, of plain values: nothing to convert
    files.execute(EVERY, (cold_id,))
    at, tag, start = -1, "", b""
    for folder_id, name, digest in iter(files.fetchone, None):
        while at < folder_id:
            at, role, number, path = next(folders, (folder_id + 1, None, 0, b""))
            if role is not None:
                tag, start = f"{role.value.upper()}-{number}", path + b"/" if path else b""
        if at == folder_id:  # else a file whose folder is not recorded
            yield tag, start + name, digest


def joined(folder: bytes, name: bytes) -> bytes:
    """A path below a drive's top, from a folder's path and a name."""
    return folder + b"/" + name if folder else name
