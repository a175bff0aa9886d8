"""A choice of photos: words and facts that all must hold.  Kept as JSON, asked as one question to the search.

``condition`` is for queries that have their own order (a smart album); ``library.search`` pages through the hits of any
choice at the same speed, newest first.  Neither says who may see a photo: that is ``library.visible``.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, and_, column, false, select, table, text, true
from sqlalchemy.orm import Session

from appliance.jobs.schedule import zone
from appliance.library import facets, visible
from appliance.library.albums.models import Album
from appliance.library.geography import countries
from appliance.library.models import Media, StoredFile
from appliance.people.models import User
from appliance.text import LONGEST, is_unspaced, one_word, pairs, parts, plain

MOST_WORDS = 12  # of a question
MOST_ENDINGS = 40  # words that a beginning may stand for; beyond that FTS5 collects them itself
SHORT = 3  # beginnings up to here have a list of their own in the index
_AREA = re.compile(r"[123]x\d{1,4}x\d{1,4}")
_search = table("media_search", column("rowid", BigInteger), column("media_search"))


@dataclass(frozen=True)
class Filter:
    """Everything that is set must hold.  Days are those of the station's zone."""

    words: str = ""
    since: date | None = None
    until: date | None = None  # that day included
    place: str = ""
    country: str = ""
    camera: str = ""
    kind: str = ""  # one of facets.KINDS
    favourite: bool = False
    rating: int = 0  # at least
    tag_id: int | None = None
    album_id: int | None = None
    only_one_copy: bool = False
    not_in_album: bool = False
    without_date: bool = False
    located: bool = False
    area: str = ""  # a square of library.atlas

    @property
    def is_empty(self) -> bool:
        """Whether it asks for nothing at all."""
        return self == Filter()

    def as_json(self) -> dict[str, Any]:
        """What differs from asking for nothing; days as ISO 8601."""
        told = {name: value for name, value in vars(self).items() if value not in ("", None, False, 0)}
        return {name: value.isoformat() if isinstance(value, date) else value for name, value in told.items()}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Filter":
        """The inverse of ``as_json``, also of what a form sends; what makes no sense asks for nothing."""
        return cls(**{each.name: _read(each.name, told[each.name]) for each in fields(cls) if each.name in told})


def _read(name: str, value: Any) -> Any:
    if name in ("since", "until"):
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            return None
    if name in ("tag_id", "album_id", "rating"):
        number = int(value) if str(value).isascii() and str(value).isdigit() and len(str(value)) < 16 else 0
        return min(number, 5) if name == "rating" else number or None
    if name == "area":
        return str(value) if _AREA.fullmatch(str(value)) else ""
    if name in ("words", "place", "country", "camera", "kind"):
        told = str(value).strip()[:200]
        return told if name != "kind" or told in facets.KINDS else ""
    return value in (True, "1", "true", "on")


def condition(session: Session, chosen: Filter, viewer: User) -> ColumnElement[bool]:
    """What a photo must fulfil; join nothing for it."""
    asked = question(session, chosen, viewer)
    if asked is None:
        return false()
    conditions: list[ColumnElement[bool]] = [_between(chosen, zone(session))]
    if asked:
        hits = select(_search.c.rowid.op("&", return_type=BigInteger())((1 << facets.ID_BITS) - 1))
        conditions.append(Media.id.in_(hits.where(_search.c.media_search.op("match")(asked))))
    if chosen.only_one_copy:
        alone = select(StoredFile.id).where(StoredFile.copied.is_(False))
        conditions.append(Media.file_id.in_(alone))
    return and_(*conditions)


def _between(chosen: Filter, here: tzinfo) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [true()]
    if chosen.since:
        conditions.append(Media.taken >= begin_of(chosen.since, here))
    if chosen.until:
        conditions.append(Media.taken < begin_of(chosen.until + timedelta(days=1), here))
    return and_(*conditions)


def begin_of(day: date, here: tzinfo) -> datetime:
    """The first moment of a day."""
    return datetime.combine(day, time(), here).astimezone(UTC)


def question(session: Session, chosen: Filter, viewer: User) -> str | None:
    """For FTS5's MATCH; "" when nothing but days is asked, None when nothing can fulfil it.

    Every word is quoted, so no sign of the owner's is ever FTS5's syntax.
    """
    if chosen.album_id is not None and not _sees_album(session, chosen.album_id, viewer):
        return None
    words = list(_words(session, chosen.words, viewer))
    if chosen.words and not words:
        return None
    return " AND ".join([*_facets(chosen), *words])


def _sees_album(session: Session, album_id: int, viewer: User) -> bool:
    seen = select(Album.id).where(Album.id == album_id, visible.album_seen_by(viewer))
    return session.scalar(seen) is not None


def fact(kind: str, value: object = facets.YES) -> str:
    """One fact, quoted."""
    return f'"{kind}{value}"'


def _facets(chosen: Filter) -> Iterator[str]:
    """The facts, the rarest kinds first."""
    if chosen.album_id is not None:
        yield fact(facets.ALBUM, chosen.album_id)
    if chosen.tag_id is not None:
        yield fact(facets.TAG, chosen.tag_id)
    if chosen.area:
        yield fact(facets.AREA, chosen.area)
    for kind, name in (
        (facets.PLACE, chosen.place),
        (facets.COUNTRY, chosen.country),
        (facets.CAMERA, chosen.camera),
    ):
        if name:
            yield fact(kind, one_word(name))
    if chosen.rating:
        yield "(" + " OR ".join(fact(facets.RATING, stars) for stars in range(chosen.rating, 6)) + ")"
    for kind, wanted in (
        (facets.FAVOURITE, chosen.favourite),
        (facets.NO_DATE, chosen.without_date),
        (facets.NO_ALBUM, chosen.not_in_album),
        (facets.LOCATED, chosen.located),
    ):
        if wanted:
            yield fact(kind)
    if chosen.kind:
        yield fact(facets.KIND, chosen.kind)


def _words(session: Session, asked: str, viewer: User) -> Iterator[str]:
    """Each word as it is or in the title of an album that the viewer knows; the last one may be unfinished."""
    found = parts(asked)[:MOST_WORDS]
    unfinished = bool(asked) and not asked[-1:].isspace()
    albums = _album_words(session, viewer) if found else {}
    for number, word in enumerate(found):
        last = unfinished and number == len(found) - 1
        choices = [_run(word) if is_unspaced(word) else _beginning(session, word) if last else f'"{word}"']
        if is_unspaced(word):
            choices += [fact(facets.COUNTRY, one_word(name)) for name in countries.called(word)]
        choices += [fact(facets.ALBUM, album) for album, title in albums.items() if _is_in(word, title, last)]
        yield f"({' OR '.join(choices)})" if len(choices) > 1 else choices[0]


def _run(run: str) -> str:
    """Signs without spaces: all pairs of neighbours."""
    return "(" + " AND ".join(f'"{pair}"' for pair in pairs(run)) + ")"


def _album_words(session: Session, viewer: User) -> dict[int, str]:
    return {album_id: f" {plain(title)}" for album_id, title in session.execute(_titles(viewer.id))}


@lru_cache(64)
def _titles(viewer_id: int) -> Select[int, str]:
    """Built once, since every search asks it."""
    seen = visible.album_seen_by_member(viewer_id)
    return select(Album.id, Album.title).where(seen, Album.filter.is_(None)).limit(500)


def _is_in(word: str, title: str, unfinished: bool) -> bool:
    if is_unspaced(word):
        return word in title
    return any(part == word or (unfinished and part.startswith(word)) for part in parts(title))


_NEXT_WORD = text("SELECT term FROM media_vocabulary WHERE term >= :word LIMIT 1")


def _beginning(session: Session, word: str) -> str:
    """Every word that begins so.

    Short beginnings have lists in the index.  FTS5 would read all hits of a longer one before it gave the first, which
    takes half a second for a word on a million photos; the few words that it stands for are walked side by side.
    """
    if len(word) == 1:
        return f'"{word}"'
    if len(word) <= SHORT or len(word) >= LONGEST:
        return f'"{word}"*'
    endings: list[str] = []
    after = word
    while len(endings) <= MOST_ENDINGS:
        found = session.scalar(_NEXT_WORD, {"word": after})
        if found is None or not found.startswith(word):
            return "(" + " OR ".join(f'"{each}"' for each in endings or [word]) + ")"
        endings.append(found)
        after = found + "\x01"
    return f'"{word}"*'
