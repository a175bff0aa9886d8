"""What the page of one drive shows, from the rows: photos month by month, albums, tags.

Streamed in order, so that memory never holds more than a month.  Paths are relative to the drive's top, as that
drive has them.  The drive holds everything in the clear; still, who sees what in whose album follows the one rule.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, Connection, Table, func, literal, select
from sqlalchemy.orm import Session, aliased

from appliance.backup.models import ColdFile, ColdFolder
from appliance.drives.models import Drive, DriveRole
from appliance.library import visible
from appliance.library.albums.models import Album, AlbumItem
from appliance.library.catalogue import joined
from appliance.library.filters import Filter, condition
from appliance.library.models import Folder, Media, MediaKind, PreviewState, StoredFile, Tag, media_tag
from appliance.people.models import User

_media, _file, _folder, _drive = (cast(Table, e.__table__) for e in (Media, StoredFile, Folder, Drive))
_cold_file, _cold_folder = cast(Table, ColdFile.__table__), cast(Table, ColdFolder.__table__)
_item = aliased(AlbumItem)  # the rule asks for items by itself
_UNIT = "\x1f"  # between the tags of one photo; no tag has it


class Photo(NamedTuple):
    """A photo or video on the drive."""

    id: int
    user_id: int
    month: int
    kind: MediaKind
    taken: datetime
    width: int | None
    height: int | None
    seconds: float | None
    camera: str
    town: str
    country: str
    stack_id: int | None
    title: str
    description: str
    favourite: bool
    rating: int
    shared: bool
    preview: PreviewState
    tags: str | None
    hot_id: int  # the HOT drive that it and its preview are on
    tag: str  # "HOT-1" on a COLD drive, "" on a HOT one
    folder: bytes
    name: bytes
    size: int
    digest: bytes | None

    @property
    def place(self) -> bytes:
        """Its folder, relative to the drive's top."""
        return joined(self.tag.encode(), self.folder) if self.tag and self.folder else self.tag.encode() + self.folder

    @property
    def words(self) -> list[str]:
        """Its tags."""
        return self.tags.split(_UNIT) if self.tags else []


class Reference(NamedTuple):
    """A photo in an album."""

    user_id: int
    month: int
    id: int


@dataclass(frozen=True)
class AlbumSeen:
    """An album as one person sees it."""

    title: str
    description: str
    owner_id: int
    items: list[Reference]


def months(connection: Connection, drive_id: int, role: DriveRole) -> Iterator[tuple[int, int, Iterator[Photo]]]:
    """(person, year * 100 + month, photos from the oldest to the newest): take them before the next month.

    Call in a transaction.
    """
    names = [{"town": "place"}.get(name, name) for name in Photo._fields[: Photo._fields.index("tags")]]
    columns = [_media.c[name] for name in names]
    tags = (
        select(func.group_concat(Tag.name, _UNIT))
        .join(media_tag, media_tag.c.tag_id == Tag.id)
        .where(media_tag.c.media_id == _media.c.id)
        .scalar_subquery()
    )
    source, where, place = _on(drive_id, role)
    wanted = select(*columns, tags, *place).select_from(source).where(where)
    order = (_media.c.user_id, _media.c.month, _media.c.taken, _media.c.id)
    rows = connection.execution_options(yield_per=1000).execute(wanted.order_by(*order))
    for (user_id, month), photos in groupby((Photo._make(row) for row in rows), lambda p: (p.user_id, p.month)):
        yield user_id, month, photos


def _on(drive_id: int, role: DriveRole) -> tuple[Any, ColumnElement[bool], list[Any]]:
    """Tables, condition and columns (from ``hot_id`` on) of the media that a drive holds."""
    source = _media.join(_file, _file.c.id == _media.c.file_id).join(_folder, _folder.c.id == _file.c.folder_id)
    hot_id = _folder.c.drive_id
    if role is DriveRole.HOT:
        place = [hot_id, literal(""), _folder.c.path, _file.c.name, _file.c.size, _file.c.digest]
        return source, hot_id == drive_id, place
    same = (_cold_file.c.folder_id == _file.c.folder_id) & (_cold_file.c.name == _file.c.name)
    source = source.join(_cold_file, same & (_cold_file.c.cold_drive_id == drive_id))
    also = (_cold_folder.c.folder_id == _file.c.folder_id) & (_cold_folder.c.cold_drive_id == drive_id)
    source = source.join(_cold_folder, also).join(_drive, _drive.c.id == hot_id)
    path = func.coalesce(_cold_folder.c.stored_as, _folder.c.path)
    name = func.coalesce(_cold_file.c.stored_as, _cold_file.c.name)
    tag = literal("HOT-").concat(_drive.c.number)
    return (
        source,
        _cold_file.c.cold_drive_id == drive_id,
        [hot_id, tag, path, name, _cold_file.c.size, _cold_file.c.digest],
    )


def people(session: Session) -> list[User]:
    """Everybody who may have photos, in the order they came."""
    return list(session.scalars(select(User).order_by(User.id)))


def albums(session: Session, drive_id: int, role: DriveRole, person: User) -> Iterator[AlbumSeen]:
    """The albums that somebody may open, with what they may see of them on this drive; none that shows nothing."""
    source, where, _ = _on(drive_id, role)
    found = select(Album).where(visible.album_seen_by(person)).order_by(Album.title, Album.id)
    for album in session.scalars(found):
        items = select(_media.c.user_id, _media.c.month, _media.c.id).where(where, visible.by_person(person))
        if album.filter is None:
            items = items.select_from(source.join(_item, _item.media_id == _media.c.id))
            items = items.where(_item.album_id == album.id).order_by(_item.position)
        else:  # what its owner's search finds now
            chosen = Filter.from_json(album.filter)
            items = items.select_from(source).where(condition(session, chosen, session.get_one(User, album.user_id)))
        if seen := [Reference(*row) for row in session.execute(items.order_by(_media.c.taken, _media.c.id))]:
            yield AlbumSeen(album.title, album.description, album.user_id, seen)
