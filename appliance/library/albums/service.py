"""Albums: made, filled, ordered, shared, put away.  An album chooses photos; it never holds them.

Whoever may open an album sees there what they may see (``library.visible``): what the owner of each photo put in, what
is theirs, and what is "ours".  Every change marks the album as not yet written; its file on the drive follows.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, case, delete, func, select, true, tuple_, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.errors import Conflict, Invalid, NotFound
from appliance.library import notes, search, visible
from appliance.library.albums.album_text import LONGEST_TITLE, MOST_ITEMS
from appliance.library.albums.models import Album, AlbumItem, AlbumMember, PublicLink
from appliance.library.filters import Filter
from appliance.library.models import Media, PreviewState, StoredFile
from appliance.library.timeline import Item
from appliance.people.models import User, UserState
from appliance.words import N_, Message

CHUNK = 500
PAGE = 200


class NotReadYet(Conflict):
    """A photo that came by another way, and whose bytes nobody has read so far."""

    code = "not_read_yet"
    template = N_("These photos are still being looked through.")
    hint = N_("Try again in a few minutes.")


@dataclass(frozen=True)
class Glance:
    """An album in a list of albums."""

    album: Album
    owner: str
    count: int | None  # None: as many as match
    cover: int | None  # a photo with a preview
    members: int
    links: int


# ---- finding


def get(session: Session, person: User, album_id: int) -> Album:
    """An album that somebody may open.  Raises NotFound."""
    return _get(session, album_id, visible.album_seen_by(person))


def own(session: Session, person: User, album_id: int) -> Album:
    """An album that somebody may change.  Raises NotFound."""
    return _get(session, album_id, visible.album_changed_by(person))


def _get(session: Session, album_id: int, rule: ColumnElement[bool]) -> Album:
    album = session.scalar(select(Album).where(Album.id == album_id, rule))
    if album is None:
        raise NotFound(what="album")
    return album


def listing(session: Session, person: User) -> list[Glance]:
    """Every album that somebody may open, the last changed first."""
    wanted = select(Album, User.name).join(User, User.id == Album.user_id).where(visible.album_seen_by(person))
    return [
        _glance(session, person, album, owner)
        for album, owner in session.execute(wanted.order_by(Album.changed.desc()))
    ]


def _glance(session: Session, person: User, album: Album, owner: str) -> Glance:
    def count(table: type[AlbumMember] | type[PublicLink]) -> int:
        return session.scalar(select(func.count()).select_from(table).where(table.album_id == album.id)) or 0

    if album.filter is not None:
        items = search.page(session, person, Filter.from_json(album.filter)).items
        found = next((item.id for item in items if item.preview is PreviewState.READY), None)
        return Glance(album, owner, None, found, count(AlbumMember), 0)
    seen = _inside(album.id, visible.by_person(person))
    ready = select(Media.id).select_from(AlbumItem).join(Media).where(seen, Media.preview == PreviewState.READY)
    cover = session.scalar(ready.order_by(case((Media.id == album.cover_id, 0), else_=1), Media.taken.desc()).limit(1))
    photos = session.scalar(select(func.count()).select_from(AlbumItem).join(Media).where(seen)) or 0
    return Glance(album, owner, photos, cover, count(AlbumMember), count(PublicLink))


def fillable(session: Session, person: User) -> Sequence[Album]:
    """The albums that somebody may add photos to, the last changed first."""
    mine = (visible.album_filled_by(person), Album.filter.is_(None))
    return session.scalars(select(Album).where(*mine).order_by(Album.changed.desc())).all()


def _inside(album_id: int, seen: ColumnElement[bool]) -> ColumnElement[bool]:
    return (AlbumItem.album_id == album_id) & seen


@dataclass(frozen=True)
class Place:
    """Where a page of an album ends: the position, the moment and the number of its last photo."""

    position: int
    taken: datetime
    id: int


def page(
    session: Session, album: Album, seen: ColumnElement[bool], after: Place | None = None, most: int = PAGE
) -> tuple[list[Item], Place | None]:
    """The album's photos that may be seen, in its order (as arranged, else as they were taken); where to go on."""
    columns = [getattr(Media, name) for name in Item._fields]
    wanted = select(*columns, AlbumItem.position).select_from(AlbumItem).join(Media).where(_inside(album.id, seen))
    key = tuple_(AlbumItem.position, Media.taken, Media.id)
    if after is not None:
        wanted = wanted.where(key > tuple_(after.position, after.taken, after.id))
    rows = session.execute(wanted.order_by(AlbumItem.position, Media.taken, Media.id).limit(most + 1)).all()
    items = [Item(*row[:-1]) for row in rows[:most]]
    last = Place(rows[most - 1].position, items[-1].taken, items[-1].id) if len(rows) > most else None
    return items, last


def neighbours(
    session: Session, album: Album, seen: ColumnElement[bool], media_id: int
) -> tuple[int | None, int | None]:
    """The photo before and after one in the album's order.  Raises NotFound for one that is not in it."""
    key = tuple_(AlbumItem.position, Media.taken, Media.id)
    inside = select(Media.id).select_from(AlbumItem).join(Media).where(_inside(album.id, seen))
    here = session.execute(
        select(AlbumItem.position, Media.taken, Media.id)
        .join(Media)
        .where(_inside(album.id, seen), Media.id == media_id)
    ).first()
    if here is None:
        raise NotFound(what="photo")
    at = tuple_(*here)
    before = inside.where(key < at).order_by(AlbumItem.position.desc(), Media.taken.desc(), Media.id.desc()).limit(1)
    after = inside.where(key > at).order_by(AlbumItem.position, Media.taken, Media.id).limit(1)
    return session.scalar(before), session.scalar(after)


def page_with(session: Session, album: Album, seen: ColumnElement[bool], media_id: int) -> Place | None:
    """After which place a page begins with a photo; None where it is on the first page."""
    key = tuple_(AlbumItem.position, Media.taken, Media.id)
    placed = select(AlbumItem.position, Media.taken, Media.id).select_from(AlbumItem).join(Media)
    here = session.execute(placed.where(_inside(album.id, seen), Media.id == media_id)).first()
    if here is None:
        return None
    before = placed.where(_inside(album.id, seen), key < tuple_(*here))
    down = before.order_by(AlbumItem.position.desc(), Media.taken.desc(), Media.id.desc()).limit(PAGE)
    rows = session.execute(down).all()
    return Place(*rows[0]) if len(rows) == PAGE else None


# ---- changing


def create(session: Session, person: User, title: str, description: str = "", chosen: Filter | None = None) -> Album:
    """A new album, empty; with ``chosen`` one that always holds what matches.  Raises Invalid."""
    kept = chosen.as_json() if chosen is not None else None
    album = Album(uuid=str(uuid.uuid4()), user_id=person.id, filter=kept, **_words(title, description))
    session.add(album)
    session.flush()
    notes.start_writing(session)
    return album


def named(session: Session, person: User, title: str) -> Album:
    """Somebody's own album of this title, made if there is none; never one that fills itself.  Raises Invalid."""
    mine = (Album.user_id == person.id, Album.title == notes.one_line(title))
    wanted = select(Album).where(*mine, Album.filter.is_(None), Album.deleted.is_(None))
    return session.scalar(wanted.order_by(Album.id).limit(1)) or create(session, person, title)


def _words(title: str, description: str) -> dict[str, str]:
    said = notes.checked(notes.Change(description=description))
    title = notes.one_line(title)
    if not 1 <= len(title) <= LONGEST_TITLE:
        raise Invalid({"title": Message(N_("Write a title of 1 to {longest} characters."), {"longest": LONGEST_TITLE})})
    return {"title": title, "description": said.description or ""}


def change(session: Session, album: Album, *, title: str | None = None, description: str | None = None) -> None:
    """Other words.  Raises Invalid."""
    given = (album.title if title is None else title, album.description if description is None else description)
    for name, value in _words(*given).items():
        setattr(album, name, value)
    touch(session, album)


def touch(session: Session, album: Album) -> None:
    """The album is different now, and its file has to follow."""
    album.changed, album.written = now(), False
    session.flush()
    notes.start_writing(session)


def add(session: Session, person: User, album_id: int, media_ids: Sequence[int]) -> int:
    """Put photos that somebody may see into an album that they may fill; how many are new in it.

    Raises NotFound, Invalid, NotReadYet.
    """
    album = _get(session, album_id, visible.album_filled_by(person))
    if album.filter is not None:
        raise Invalid({"album": N_("This album fills itself.")})
    held = session.scalar(select(func.count()).where(AlbumItem.album_id == album.id)) or 0
    if held + len(media_ids) > MOST_ITEMS:
        raise Invalid({"ids": Message(N_("An album holds at most {most} photos."), {"most": MOST_ITEMS})})
    last = session.scalar(select(func.max(AlbumItem.position)).where(AlbumItem.album_id == album.id)) or 0
    added = found = 0
    for start in range(0, len(media_ids), CHUNK):
        rows = _chosen(session, person, media_ids[start : start + CHUNK])
        found += len(rows)
        for media_id, digest in rows:
            last += 1 if last else 0  # an album in an order of its own goes on at its end
            row = {"album_id": album.id, "digest": digest, "media_id": media_id, "position": last}
            done = session.execute(
                insert(AlbumItem).values(**row, added=now(), added_by=person.id).on_conflict_do_nothing()
            )
            added += done.rowcount  # type: ignore[attr-defined]
    if media_ids and not found:
        raise NotFound(what="photo")
    if added:
        touch(session, album)
    return added


def _chosen(session: Session, person: User, media_ids: Sequence[int]) -> list[tuple[int, bytes]]:
    wanted = select(Media.id, StoredFile.digest).join(StoredFile).where(Media.id.in_(media_ids))
    rows = session.execute(wanted.where(visible.by_person(person)).order_by(Media.taken, Media.id)).all()
    known = [(row.id, row.digest) for row in rows if row.digest is not None]
    if rows and not known:
        raise NotReadYet()
    return known


def remove(session: Session, person: User, album_id: int, media_ids: Sequence[int]) -> int:
    """Take photos out of an album: its owner any, others those that they put in.  The photos stay; how many."""
    album = get(session, person, album_id)
    taken = 0
    for start in range(0, len(media_ids), CHUNK):
        some = AlbumItem.media_id.in_(media_ids[start : start + CHUNK])
        mine = true() if album.user_id == person.id else AlbumItem.added_by == person.id
        done = session.execute(delete(AlbumItem).where(AlbumItem.album_id == album.id, some, mine))
        taken += done.rowcount  # type: ignore[attr-defined]
    if taken:
        touch(session, album)
    return taken


def set_cover(session: Session, person: User, album_id: int, media_id: int | None) -> None:
    """The picture that stands for an album; None is its newest.  Raises NotFound for one that is not in it."""
    album = own(session, person, album_id)
    inside = select(AlbumItem.id).where(AlbumItem.album_id == album.id, AlbumItem.media_id == media_id)
    if media_id is not None and session.scalar(inside) is None:
        raise NotFound(what="photo")
    album.cover_id = media_id
    touch(session, album)


def move(session: Session, person: User, album_id: int, media_ids: Sequence[int], *, first: bool) -> None:
    """Put photos at the beginning or the end of an album, which has an order of its own from then on."""
    album = own(session, person, album_id)
    order = _order(session, album)
    moved = dict.fromkeys(media_ids)
    chosen = [row for row in order if row[1] in moved]
    if not chosen:
        raise NotFound(what="photo")
    rest = [row for row in order if row[1] not in moved]
    for position, (item_id, _) in enumerate(chosen + rest if first else rest + chosen, 1):
        session.execute(update(AlbumItem).where(AlbumItem.id == item_id).values(position=position))
    touch(session, album)


def arrange(session: Session, person: User, album_id: int, media_ids: Sequence[int]) -> None:
    """Photos in exactly this order, the rest after them; without any, as they were taken."""
    if media_ids:
        move(session, person, album_id, media_ids, first=True)
        album = own(session, person, album_id)
        rank = {media_id: number for number, media_id in enumerate(dict.fromkeys(media_ids), 1)}
        for item_id, media_id in _order(session, album):
            if media_id in rank:
                session.execute(update(AlbumItem).where(AlbumItem.id == item_id).values(position=rank[media_id]))
        return
    album = own(session, person, album_id)
    session.execute(update(AlbumItem).where(AlbumItem.album_id == album.id).values(position=0))
    touch(session, album)


def _order(session: Session, album: Album) -> list[tuple[int, int | None]]:
    wanted = select(AlbumItem.id, AlbumItem.media_id).outerjoin(Media, Media.id == AlbumItem.media_id)
    order = (AlbumItem.position, Media.taken, Media.id, AlbumItem.id)
    return [
        (row.id, row.media_id) for row in session.execute(wanted.where(AlbumItem.album_id == album.id).order_by(*order))
    ]


def put_away(session: Session, person: User, album_id: int) -> Album:
    """Delete an album; its photos stay.  It can be had back for ten minutes.  Links to it end at once."""
    album = own(session, person, album_id)
    album.deleted = now()
    touch(session, album)
    return album


def bring_back(session: Session, person: User, album_id: int) -> Album:
    """An album that its owner has just deleted.  Raises NotFound when it is gone for good."""
    mine = (Album.id == album_id, Album.user_id == person.id, Album.deleted.is_not(None))
    album = session.scalar(select(Album).where(*mine))
    if album is None:
        raise NotFound(what="album")
    album.deleted = None
    touch(session, album)
    return album


# ---- sharing inside the family


@dataclass(frozen=True)
class Member:
    """Somebody of the family, and what they may do in an album."""

    user: User
    sees: bool
    may_add: bool


def members(session: Session, album: Album) -> list[Member]:
    """Everybody of the family but the owner."""
    rows = session.scalars(select(AlbumMember).where(AlbumMember.album_id == album.id))
    may_add = {row.user_id: row.may_add for row in rows}
    family = select(User).where(User.state == UserState.ACTIVE, User.id != album.user_id).order_by(User.name)
    return [Member(user, user.id in may_add, may_add.get(user.id, False)) for user in session.scalars(family)]


def share(session: Session, person: User, album_id: int, wanted: dict[int, bool]) -> None:
    """Who sees an album: id -> whether they may add; everybody else of the family no longer does.  Raises Invalid."""
    album = own(session, person, album_id)
    family = {member.user.id for member in members(session, album)}
    if not set(wanted) <= family:
        raise Invalid({"members": N_("Choose people of the family.")})
    session.execute(delete(AlbumMember).where(AlbumMember.album_id == album.id, AlbumMember.user_id.in_(family)))
    session.add_all(AlbumMember(album_id=album.id, user_id=user, may_add=may) for user, may in wanted.items())
    touch(session, album)


def shared_with(session: Session, album: Album) -> list[Member]:
    """Those who see it besides its owner."""
    return [member for member in members(session, album) if member.sees]


def holding(session: Session, person: User, media_id: int) -> Sequence[Album]:
    """The albums with this photo that somebody may open."""
    inside = select(AlbumItem.album_id).where(AlbumItem.media_id == media_id)
    return session.scalars(
        select(Album).where(Album.id.in_(inside), visible.album_seen_by(person)).order_by(Album.title)
    ).all()
