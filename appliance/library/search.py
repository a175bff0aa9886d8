"""Searching: pages of photos that a choice finds and a person may see, newest first.

The hits of a common word are never counted, ranked or sorted: the index gives them in the order of the timeline and is
asked for one page.  Who may see a photo is part of the question, so that somebody with few photos in a large family's
library waits no longer; the rule itself (``library.visible``) then has the last word on what is handed out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, bindparam, exists, false, or_, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from appliance.jobs.schedule import zone
from appliance.library import facets, visible
from appliance.library.albums.models import Album, AlbumMember
from appliance.library.filters import Filter, begin_of, fact, question
from appliance.library.models import Media, StoredFile
from appliance.library.timeline import Item
from appliance.people.models import Role, User, UserState

PAGE = 60
FEW_ALONE = 1000  # photos on one drive only, up to which they are looked at one by one
STRIDE = 2000  # hits that a page looks at when most of them may not fit
GLANCE = 150  # hits of a first look
_ALONE = StoredFile.copied == false()  # as its partial index says it
_LAST = 2**62
_HITS = text(
    "SELECT rowid FROM media_search WHERE media_search MATCH :asked AND rowid < :before AND rowid >= :least "
    "ORDER BY rowid DESC LIMIT :most"
)
_FIRST_HITS = text(_HITS.text.replace("DESC", "ASC"))
_COLUMNS: list[InstrumentedAttribute[Any]] = [getattr(Media, name) for name in Item._fields]


@dataclass(frozen=True)
class Page:
    """Photos, and the key after which the next page begins; None when there is none."""

    items: Sequence[Item]
    next: int | None


def page(session: Session, viewer: User, chosen: Filter, after: int | None = None, most: int = PAGE) -> Page:
    """The next photos of a choice.  A page may be short and yet have a next one, where few of many hits fit."""
    asked = question(session, chosen, viewer)
    if asked is None:
        return Page([], None)
    top = "" if chosen.kind else fact(facets.TOP)
    least, before = stretch(session, chosen)
    wanted = {"asked": asked or fact(facets.TOP), "least": least, "before": min(before, after or _LAST)}
    if not chosen.only_one_copy and (found := _first_look(session, viewer, wanted, most, top=bool(top))):
        return found
    wanted["asked"] = " AND ".join(filter(None, [asked, top, seen_by(session, viewer)]))
    if chosen.only_one_copy:
        return _alone(session, viewer, wanted, most)
    keys = _newest(session, wanted, most + 1)
    return Page(items_of(session, viewer, keys[:most]), keys[most - 1] if len(keys) > most else None)


def _first_look(session: Session, viewer: User, wanted: dict[str, Any], most: int, *, top: bool) -> Page | None:
    """The newest hits whosesoever, and of these what may be seen; None where that does not fill a page.

    Rare words are answered here: to look each hit up in the long lists of whose photos there are costs more than to
    look at the photos themselves.
    """
    items: list[Item] = []
    first = min(GLANCE - 1, most + most // 2 + 5)  # most families see most hits: then the first stretch is enough
    for look in (first, GLANCE - first):
        keys = _newest(session, wanted, look)
        items += items_of(session, viewer, keys, top=top)
        if len(items) > most:
            return Page(items[:most], facets.key_of(items[most - 1].taken.timestamp(), items[most - 1].id))
        if len(keys) < look:
            return Page(items, None)
        wanted = wanted | {"before": keys[-1]}
    return None


def _newest(session: Session, wanted: dict[str, Any], most: int) -> list[int]:
    """The newest hits.

    Where a rare word and a common one must both hold, FTS5 walks all of the common one's list, and backwards it takes
    ten times as long.  So hits are first asked for from the oldest on: when these are few, they are all.
    """
    if " AND " in wanted["asked"]:
        oldest = list(session.scalars(_FIRST_HITS, wanted | {"most": most}))
        if len(oldest) < most:
            return oldest[::-1]
    return list(session.scalars(_HITS, wanted | {"most": most}))


def between(session: Session, viewer: User, ranges: Sequence[tuple[datetime, datetime]], most: int) -> list[list[Item]]:
    """For each stretch of time (its end left out) the newest photos in it; asked once for all."""
    asked = f"{fact(facets.TOP)} AND {seen_by(session, viewer)}"
    found = []
    for since, until in ranges:
        wanted = {"least": facets.key_of(since.timestamp()), "before": facets.key_of(until.timestamp())}
        keys = list(session.scalars(_HITS, wanted | {"asked": asked, "most": most}))
        found.append(items_of(session, viewer, keys) if keys else [])
    return found


def stretch(session: Session, chosen: Filter) -> tuple[int, int]:
    """The keys between which the days of a choice lie, the second left out."""
    here = zone(session)
    least = facets.key_of(begin_of(chosen.since, here).timestamp()) if chosen.since else 0
    until = begin_of(chosen.until + timedelta(days=1), here).timestamp() if chosen.until else None
    return least, facets.key_of(until) if until is not None else _LAST


def seen_by(session: Session, viewer: User) -> str:
    """Whose photos a person may see, as a question: the same as ``visible.by_person``."""
    owners = [viewer.id]
    if viewer.role is Role.ADMIN:
        owners += session.scalars(select(User.id).where(User.state == UserState.ARCHIVED))
    with_others = or_(
        exists().where(AlbumMember.album_id == Album.id, AlbumMember.user_id == viewer.id),
        (Album.user_id == viewer.id) & exists().where(AlbumMember.album_id == Album.id),
    )
    albums = session.scalars(select(Album.id).where(with_others, Album.deleted.is_(None)))
    choices = [fact(facets.OWNER, owner) for owner in owners] + [fact(facets.OURS)]
    return "(" + " OR ".join([*choices, *(fact(facets.SHOWN_IN, album) for album in albums)]) + ")"


def items_of(
    session: Session, viewer: User, keys: Sequence[int], *, alone: bool = False, top: bool = False
) -> list[Item]:
    """The photos of these places, in their order, as far as the viewer may see them."""
    ids = [facets.id_of(key) for key in keys]
    query = _seen(viewer.id, viewer.role, alone, top)
    rows: list[Item] = [Item(*row) for row in session.execute(query, {"ids": ids})]
    found = {item.id: item for item in rows}
    return [found[media_id] for media_id in ids if media_id in found]


@lru_cache(256)
def _seen(viewer_id: int, role: Role, alone: bool, top: bool) -> Select[Any]:
    """Of some ids the photos that somebody may see; built once for each, since every page of hits asks it."""
    query = select(*_COLUMNS).where(Media.id.in_(bindparam("ids", expanding=True)), visible.by_member(viewer_id, role))
    if alone:
        query = query.join(StoredFile, StoredFile.id == Media.file_id).where(_ALONE)
    return query.where(Media.stack_id.is_(None)) if top else query


def _alone(session: Session, viewer: User, wanted: dict[str, object], most: int) -> Page:
    """On one drive only: where these are few they are asked for one by one, otherwise most hits fit."""
    query = (
        select(Media.id, Media.taken)
        .join(StoredFile, StoredFile.id == Media.file_id)
        .where(_ALONE)
        .limit(FEW_ALONE + 1)
    )
    alone = session.execute(query).all()
    if len(alone) <= FEW_ALONE:
        keys = sorted((facets.key_of(taken.timestamp(), media_id) for media_id, taken in alone), reverse=True)
        among = text(f"{_HITS.text.partition('ORDER')[0]} AND rowid IN :keys ORDER BY rowid DESC LIMIT :most")
        found = list(
            session.scalars(
                among.bindparams(bindparam("keys", expanding=True)), wanted | {"keys": keys, "most": most + 1}
            )
        )
        return Page(items_of(session, viewer, found[:most]), found[most - 1] if len(found) > most else None)
    found = list(session.scalars(_HITS, wanted | {"most": STRIDE}))
    items = items_of(session, viewer, found, alone=True)[:most]
    if len(items) == most:
        return Page(items, facets.key_of(items[-1].taken.timestamp(), items[-1].id))
    return Page(items, found[-1] if len(found) == STRIDE else None)
