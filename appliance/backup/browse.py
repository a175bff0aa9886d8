"""What a COLD drive holds, from the rows alone: the drive stays off while a family looks for a file.

A day shows the state as of its end, by the station's clock: what was proven before and left after.  Where it was not
noted since when the copy holds a file (rows from before that was kept), it counts as always there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.orm import Session

from appliance.backup import catalogue, older
from appliance.backup.models import ColdFile, ColdFolder, OldVersion
from appliance.db import now
from appliance.drives import layout
from appliance.drives.models import Drive, DriveRole
from appliance.errors import NotFound
from appliance.jobs.schedule import time_zone_name
from appliance.library.models import Folder


@dataclass(frozen=True)
class Copy:
    """A file that can be brought back."""

    name: bytes
    size: int
    modified_ns: int
    digest: bytes
    place: bytes  # path below the COLD drive's top
    version: int | None = None  # of an older version: its row,
    day: date | None = None  # when it was replaced or vanished,
    put_away: datetime | None = None  # at what time, where that was noted,
    why: str = ""  # and why


@dataclass(frozen=True)
class Shelf:
    """One folder of a copy."""

    path: bytes
    folders: list[bytes]  # names
    files: list[Copy]


def hot_by_tag(session: Session, tag: str) -> int:
    """The id of a HOT drive, in service or not, by its label.  Raises NotFound."""
    for drive in session.scalars(select(Drive).where(Drive.role == DriveRole.HOT)).all():
        if drive.tag == tag:
            return drive.id
    raise NotFound(what="drive")


def browse(session: Session, cold_drive_id: int, hot_tag: str, path: bytes = b"", day: date | None = None) -> Shelf:
    """A folder as the copy has it, or had it on a day.  Raises NotFound when the copy has no such folder."""
    hot_id = hot_by_tag(session, hot_tag)
    names = folder_names(session, cold_drive_id, hot_id, path, day)
    files = files_of(session, cold_drive_id, hot_id, hot_tag, path, day)
    if path and not names and not files and _folder(session, hot_id, path) is None:
        raise NotFound(what="folder")
    return Shelf(path, names, sorted(files, key=lambda copy: copy.name))


def folder_names(
    session: Session, cold_drive_id: int, hot_id: int, path: bytes, day: date | None = None
) -> list[bytes]:
    """Names of the folders right below one, also of those that hold older versions only; on a day, those with files."""
    start = path + b"/" if path else b""
    rest = func.substr(Folder.path, len(start) + 1)
    first = func.instr(rest, b"/")
    name = func.iif(first == 0, rest, func.substr(rest, 1, first - 1))
    below = [Folder.drive_id == hot_id, Folder.path > start]
    if path:
        below.append(Folder.path < path + b"0")  # "0" follows "/"
    if day is None:
        held = select(ColdFolder.folder_id).where(ColdFolder.cold_drive_id == cold_drive_id)
        versions = select(OldVersion.folder_id).where(OldVersion.cold_drive_id == cold_drive_id)
        kept = Folder.id.in_(held) | Folder.id.in_(versions)
    else:
        then = Evening.of(session, day)
        current = (ColdFile.cold_drive_id == cold_drive_id) & (ColdFile.folder_id == Folder.id)
        later = (OldVersion.cold_drive_id == cold_drive_id) & (OldVersion.folder_id == Folder.id)
        kept = exists().where(current, then.had_come(ColdFile)) | exists().where(later, then.held_version())
    rows = session.scalars(select(name).distinct().where(*below).where(kept).order_by(name))
    return [bytes(found) for found in rows if found]


def files_of(
    session: Session, cold_drive_id: int, hot_id: int, hot_tag: str, path: bytes, day: date | None = None
) -> list[Copy]:
    """The files of one folder, as they are or as they were on a day."""
    folder = _folder(session, hot_id, path)
    if folder is None:
        return []
    place = session.scalar(
        select(ColdFolder.stored_as).where(ColdFolder.cold_drive_id == cold_drive_id, ColdFolder.folder_id == folder.id)
    )
    top = hot_tag.encode() + b"/" + (place or path)
    then = Evening.of(session, day) if day is not None else None
    wanted = select(ColdFile).where(ColdFile.cold_drive_id == cold_drive_id, ColdFile.folder_id == folder.id)
    current = session.scalars(wanted.where(then.had_come(ColdFile)) if then else wanted)
    found = {
        row.name: Copy(
            row.name,
            row.size,
            row.modified_ns,
            row.digest,
            catalogue.joined(top.rstrip(b"/"), row.stored_as or row.name),
        )
        for row in current
    }
    if then:
        later = _versions(cold_drive_id, folder.id).where(then.held_version())
        for row in session.scalars(later.order_by(OldVersion.day.desc(), OldVersion.id.desc())):
            found[row.name] = _as_copy(row)  # the earliest that left after the day was there on it
    return list(found.values())


def versions_of(session: Session, cold_drive_id: int, hot_tag: str, path: bytes) -> list[Copy]:
    """The older versions of one file, newest first."""
    parent, _, name = path.rpartition(b"/")
    folder = _folder(session, hot_by_tag(session, hot_tag), parent)
    if folder is None:
        return []
    rows = _versions(cold_drive_id, folder.id).where(OldVersion.name == name)
    return [_as_copy(row) for row in session.scalars(rows.order_by(OldVersion.day.desc(), OldVersion.id.desc()))]


def version_of(session: Session, cold_drive_id: int, hot_tag: str, path: bytes, version: int) -> Copy:
    """One of the older versions of a file.  Raises NotFound, also when that row is of another file."""
    for copy in versions_of(session, cold_drive_id, hot_tag, path):
        if copy.version == version:
            return copy
    raise NotFound(what="file")


def folders_below(session: Session, cold_drive_id: int, hot_id: int, path: bytes) -> Iterable[bytes]:
    """A folder and all below it that the copy knows, parents first, streamed."""
    wanted = select(Folder.path).where(Folder.drive_id == hot_id)
    if path:
        wanted = wanted.where((Folder.path == path) | ((Folder.path > path + b"/") & (Folder.path < path + b"0")))
    return session.scalars(wanted.order_by(Folder.path).execution_options(yield_per=500))


@dataclass(frozen=True)
class Evening:
    """The end of a day, as the station's clock has it; what the copy held then."""

    day: date
    end: datetime

    @classmethod
    def of(cls, session: Session, day: date) -> "Evening":
        """A day that has not come yet is like tomorrow."""
        day = min(day, now().date() + timedelta(days=2))
        return cls(day, datetime.combine(day + timedelta(days=1), time(), ZoneInfo(time_zone_name(session))))

    def had_come(self, what: type[ColdFile] | type[OldVersion]) -> ColumnElement[bool]:
        """Whether its bytes were proven by then."""
        return what.since.is_(None) | (what.since < self.end)

    def held_version(self) -> ColumnElement[bool]:
        """Whether what is an older version today was at its place."""
        had_not_left = func.iif(
            OldVersion.put_away.is_(None), OldVersion.day > self.day, OldVersion.put_away >= self.end
        )
        return (OldVersion.why != older.ROTTEN) & self.had_come(OldVersion) & had_not_left


def _versions(cold_drive_id: int, folder_id: int) -> Select[OldVersion]:
    """What can be brought back of a folder; bytes that were put aside because they rotted cannot."""
    held = (OldVersion.cold_drive_id == cold_drive_id) & (OldVersion.folder_id == folder_id)
    return select(OldVersion).where(held, OldVersion.why != older.ROTTEN)


def _as_copy(row: OldVersion) -> Copy:
    place = layout.OLDER.encode() + b"/" + row.stored_as
    facts = {name: getattr(row, name) for name in ("name", "size", "modified_ns", "digest", "day", "put_away", "why")}
    return Copy(place=place, version=row.id, **facts)


def _folder(session: Session, hot_id: int, path: bytes) -> Folder | None:
    return session.scalars(select(Folder).where(Folder.drive_id == hot_id, Folder.path == path)).first()
