"""What can be chosen in a filter: the cameras, places and tags of photos that a person may see.

Read from the vocabulary of the search, word by word: a million photos are not looked at for their dozen cameras.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from appliance.library import facets, visible
from appliance.library.albums.models import Album, SavedFilter
from appliance.library.filters import fact
from appliance.library.models import Media, Tag
from appliance.library.search import seen_by
from appliance.people.models import User

MOST = 300
_NEXT = text("SELECT term FROM media_vocabulary WHERE term >= :term LIMIT 1")
_ONE = text("SELECT rowid FROM media_search WHERE media_search MATCH :asked ORDER BY rowid DESC LIMIT 1")


def cameras(session: Session, viewer: User) -> list[str]:
    """By their names."""
    return _names(session, viewer, facets.CAMERA, Media.camera)


def places(session: Session, viewer: User) -> list[str]:
    """Towns."""
    return _names(session, viewer, facets.PLACE, Media.place)


def countries(session: Session, viewer: User) -> list[str]:
    """Countries."""
    return _names(session, viewer, facets.COUNTRY, Media.country)


def _names(session: Session, viewer: User, kind: str, name: InstrumentedAttribute[str]) -> list[str]:
    seen = seen_by(session, viewer)
    found = set()
    for term in _terms(session, kind):
        key = session.scalar(_ONE, {"asked": f'"{term}" AND {seen}'})
        if key is not None and (shown := session.scalar(select(name).where(Media.id == facets.id_of(key)))):
            found.add(shown)
    return sorted(found, key=str.casefold)


def _terms(session: Session, kind: str) -> Iterator[str]:
    after = kind
    for _ in range(MOST):
        term: Any = session.scalar(_NEXT, {"term": after})
        if not isinstance(term, str) or not term.startswith(kind):
            return
        yield term
        after = term + "\x01"


def tags(session: Session, viewer: User) -> list[tuple[int, str]]:
    """(id, name) of the tags on photos that this person may see."""
    seen = seen_by(session, viewer)
    rows = session.execute(select(Tag.id, Tag.name).order_by(Tag.name).limit(MOST)).all()
    return [(i, name) for i, name in rows if session.scalar(_ONE, {"asked": f"{fact(facets.TAG, i)} AND {seen}"})]


def albums(session: Session, viewer: User) -> list[tuple[int, str]]:
    """(id, title); albums that are filters themselves are left out."""
    query = select(Album.id, Album.title).where(visible.album_seen_by(viewer), Album.filter.is_(None))
    return [(album_id, title) for album_id, title in session.execute(query.order_by(Album.title).limit(MOST))]


def saved(session: Session, viewer: User) -> list[SavedFilter]:
    """What this person keeps, by name."""
    return list(session.scalars(select(SavedFilter).where(SavedFilter.user_id == viewer.id).order_by(SavedFilter.name)))
