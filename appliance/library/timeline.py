"""The timeline: pages by key, months by counter, one item with its copies.

Pages are asked for by what they come after, never by number, so the thousandth is as quick as the first; columns are
selected instead of entities, because a hundred entities cost more than the query.  The item before and after one are
found on the same index.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple, cast

from sqlalchemy import ColumnElement, Table, bindparam, select, true, tuple_
from sqlalchemy.orm import Session

from appliance.backup.models import ColdFile
from appliance.drives.models import Drive, DriveState
from appliance.errors import NotFound
from appliance.library.catalogue import joined
from appliance.library.models import Folder, Media, MediaKind, MediaMonth, PreviewState, StoredFile

PAGE = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_media, _file, _folder = (cast(Table, entity.__table__) for entity in (Media, StoredFile, Folder))


class Item(NamedTuple):
    """A photo or video as the grid shows it."""

    id: int
    kind: MediaKind
    taken: datetime
    month: int
    width: int | None
    height: int | None
    seconds: float | None
    preview: PreviewState
    placeholder: str
    favourite: bool  # its owner's
    stack: str  # "live", "raw" or "burst" when others are shown with it as one (library.stacks)

    @property
    def shape(self) -> float:
        """Width by height, within what a row of the grid can bear; 4:3 until it is known."""
        if not self.width or not self.height:
            return 4 / 3
        return min(3.0, max(0.4, self.width / self.height))


class Key(NamedTuple):
    """A place in the timeline."""

    taken: datetime
    id: int

    def __str__(self) -> str:
        """For addresses: microseconds since 1970 and the id."""
        return f"{round(self.taken.timestamp() * 1e6)}-{self.id}"


@dataclass(frozen=True)
class Copy:
    """Where an item is.  ``proven``: when its bytes were last read there and found right; None is not yet."""

    drive: str
    tag: str
    colour: str
    path: str
    proven: datetime | None
    damaged: bool = False


@dataclass(frozen=True)
class Detail:
    """Everything that is known of one item."""

    item: Item
    user_id: int  # whose it is
    file_id: int
    drive_id: int
    path: bytes
    size: int
    added: datetime
    taken_from: str
    camera: str
    latitude: float | None
    longitude: float | None
    place: str
    country: str
    digest: bytes | None
    copies: Sequence[Copy]

    @property
    def name(self) -> str:
        """The file's name, for people."""
        return self.path.rpartition(b"/")[2].decode("utf-8", "replace")


_COLUMNS = [_media.c[name] for name in Item._fields]
_OLDER = tuple_(_media.c.taken, _media.c.id) < tuple_(bindparam("taken", type_=_media.c.taken.type), bindparam("id"))
_NEWER = tuple_(_media.c.taken, _media.c.id) > tuple_(bindparam("taken", type_=_media.c.taken.type), bindparam("id"))
_alone = _media.c.stack_id.is_(None)
_mine = select(*_COLUMNS).where(_media.c.user_id == bindparam("user_id"), _alone)
_down = (_media.c.taken.desc(), _media.c.id.desc())
_every = select(*_COLUMNS).where(_media.c.user_id == bindparam("user_id"))
_EVERY_FIRST = _every.order_by(*_down).limit(bindparam("most"))
_EVERY_AFTER = _every.where(_OLDER).order_by(*_down).limit(bindparam("most"))
_FIRST = _mine.order_by(*_down).limit(bindparam("most"))
_AFTER = _mine.where(_OLDER).order_by(*_down).limit(bindparam("most"))
_ours = select(*_COLUMNS).where(_media.c.shared == true(), _alone)  # as its partial index says it
_OURS_FIRST = _ours.order_by(*_down).limit(bindparam("most"))
_OURS_AFTER = _ours.where(_OLDER).order_by(*_down).limit(bindparam("most"))
_OURS_BEFORE = _ours.where(_NEWER).order_by(_media.c.taken, _media.c.id).limit(bindparam("most"))
_BEFORE = _mine.where(_NEWER).order_by(_media.c.taken, _media.c.id).limit(bindparam("most"))


def page(session: Session, user_id: int, after: Key | None = None, most: int = PAGE) -> list[Item]:
    """A person's items as the grid shows them (what belongs together as one), from the newest or after a key."""
    wanted = {"user_id": user_id, "most": most} | (after._asdict() if after else {})
    return [Item(*row) for row in session.connection().execute(_AFTER if after else _FIRST, wanted)]


def every(session: Session, user_id: int, after: Key | None = None, most: int = PAGE) -> list[Item]:
    """Like :func:`page`, but each item by itself: for programs that count."""
    wanted = {"user_id": user_id, "most": most} | (after._asdict() if after else {})
    return [Item(*row) for row in session.connection().execute(_EVERY_AFTER if after else _EVERY_FIRST, wanted)]


def neighbours(session: Session, user_id: int, item: Item, most: int = 1) -> tuple[Sequence[int], int | None]:
    """The ids of up to ``most`` newer items, the nearest first, and of the next older one."""
    wanted = {"user_id": user_id, "most": most, "taken": item.taken, "id": item.id}
    connection = session.connection()
    return connection.scalars(_BEFORE, wanted).all(), connection.scalar(_AFTER, wanted | {"most": 1})


def family_page(session: Session, after: Key | None = None, most: int = PAGE) -> list[Item]:
    """What is "ours", whoever's it is; newest first.  The same for everybody of the family."""
    wanted = {"most": most} | (after._asdict() if after else {})
    return [Item(*row) for row in session.connection().execute(_OURS_AFTER if after else _OURS_FIRST, wanted)]


def family_neighbours(session: Session, item: Item, most: int = 1) -> tuple[Sequence[int], int | None]:
    """Like :func:`neighbours`, among what is "ours"."""
    wanted = {"most": most, "taken": item.taken, "id": item.id}
    connection = session.connection()
    return connection.scalars(_OURS_BEFORE, wanted).all(), connection.scalar(_OURS_AFTER, wanted | {"most": 1})


def months(session: Session, user_id: int) -> list[tuple[int, int]]:
    """(year * 100 + month, how many), newest first."""
    rows = session.execute(
        select(MediaMonth.month, MediaMonth.count)
        .where(MediaMonth.user_id == user_id)
        .order_by(MediaMonth.month.desc())
    )
    return [(month, count) for month, count in rows]


def key_in(text: str | None) -> Key | None:
    """The inverse of ``str(key)``; None for anything else."""
    first, dash, second = (text or "").rpartition("-")
    try:
        return Key(_EPOCH + timedelta(microseconds=int(first)), int(second)) if dash else None
    except (ValueError, OverflowError):
        return None


def end_of_month(month: int, zone: tzinfo) -> Key | None:
    """The key after which the items of a month (year * 100 + month) begin; None for what is no month."""
    year, number = divmod(month, 100)
    if not 1 <= number <= 12:
        return None
    try:
        return Key(datetime(year + number // 12, number % 12 + 1, 1, tzinfo=zone).astimezone(UTC), 0)
    except (ValueError, OverflowError):
        return None


def detail(session: Session, seen: ColumnElement[bool], media_id: int) -> Detail:
    """One item that may be seen (``visible``).  Raises NotFound, also for what may not."""
    row = session.execute(
        select(
            *_COLUMNS,
            _media.c.user_id,
            _file.c.id.label("file_id"),
            _folder.c.id.label("folder_id"),
            _folder.c.drive_id,
            _folder.c.path,
            _file.c.name,
            _file.c.size,
            _file.c.added,
            _file.c.proven,
            _file.c.damaged,
            _file.c.digest,
            _media.c.taken_from,
            _media.c.camera,
            _media.c.latitude,
            _media.c.longitude,
            _media.c.place,
            _media.c.country,
        )
        .select_from(
            _media.join(_file, _file.c.id == _media.c.file_id).join(_folder, _folder.c.id == _file.c.folder_id)
        )
        .where(_media.c.id == media_id, seen)
    ).first()
    if row is None:
        raise NotFound(what="photo")
    path = joined(row.path, row.name)
    hot = session.get_one(Drive, row.drive_id)
    shown = path.decode("utf-8", "replace")
    copies = [Copy(hot.name, hot.tag, hot.colour, shown, row.proven, row.damaged)]
    copies += _cold_copies(session, row.folder_id, row.name, row.digest, f"{hot.tag}/{shown}")
    return Detail(
        item=Item(*row[: len(Item._fields)]),
        user_id=row.user_id,
        file_id=row.file_id,
        drive_id=row.drive_id,
        path=path,
        size=row.size,
        added=row.added,
        taken_from=row.taken_from,
        camera=row.camera,
        latitude=row.latitude,
        longitude=row.longitude,
        place=row.place,
        country=row.country,
        digest=row.digest,
        copies=copies,
    )


def _cold_copies(session: Session, folder_id: int, name: bytes, digest: bytes | None, path: str) -> list[Copy]:
    """Copies of these very bytes; one of an earlier version does not count."""
    rows = session.execute(
        select(Drive, ColdFile.stored_as, ColdFile.proven)
        .join(Drive, Drive.id == ColdFile.cold_drive_id)
        .where(ColdFile.folder_id == folder_id, ColdFile.name == name, ColdFile.digest == digest)
        .where(Drive.state != DriveState.RETIRED)
        .order_by(Drive.number)
    )
    return [
        Copy(drive.name, drive.tag, drive.colour, stored_as.decode("utf-8", "replace") if stored_as else path, proven)
        for drive, stored_as, proven in rows
    ]
