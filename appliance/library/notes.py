"""What people say of photos: title, description, tags, favourite, rating, and whether a photo is "ours".

Only the owner says anything.  The rows are committed first and marked as not yet written; a job brings the files beside
the photos in step (``note_files``), seconds later and before every copy, so that all of it survives the database.
"""

import contextlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, false, or_, select, true, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.errors import Invalid, NotFound
from appliance.jobs import service
from appliance.library import visible
from appliance.library.albums.models import Album
from appliance.library.models import Media, Tag, media_tag
from appliance.people.models import User
from appliance.words import N_, Message

JOB = "library.notes"
LONGEST_TITLE, LONGEST_DESCRIPTION, LONGEST_TAG = 200, 10_000, 60  # characters
MOST_TAGS, MOST_PHOTOS = 50, 10_000
BEST = 5  # stars
SAID = ("title", "description", "favourite", "rating", "shared", "grouping")  # columns of the row
ALONE = "alone"
GROUPING = re.compile(rf"|{ALONE}|[0-9a-f]{{16}}")
CHUNK = 500
_UNPRINTABLE = re.compile(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML cannot hold


@dataclass(frozen=True)
class Notes:
    """Everything that is said of one photo."""

    title: str = ""
    description: str = ""
    favourite: bool = False
    rating: int = 0
    shared: bool = False
    tags: tuple[str, ...] = ()
    grouping: str = ""  # what it is shown with as one: "" as the station guesses, "alone", or a group's own word


@dataclass(frozen=True)
class Change:
    """What shall be different; None stays as it is.  ``tags`` replaces all, ``more`` and ``fewer`` do not."""

    title: str | None = None
    description: str | None = None
    favourite: bool | None = None
    rating: int | None = None
    shared: bool | None = None
    tags: tuple[str, ...] | None = None
    more: tuple[str, ...] = ()
    fewer: tuple[str, ...] = ()
    grouping: str | None = None

    def columns(self) -> dict[str, Any]:
        """Those that are columns of the row."""
        named = {name: getattr(self, name) for name in SAID}
        return {name: value for name, value in named.items() if value is not None}


def one_line(text: str) -> str:
    """Text without line breaks, in the form in which equal words are equal."""
    return " ".join(_clean(text).split())


def _clean(text: str) -> str:
    return unicodedata.normalize("NFC", _UNPRINTABLE.sub("", text))


def tags_in(text: str) -> tuple[str, ...]:
    """Tags from a field, separated by commas."""
    return _tags(re.split(r"[,，、;\n]", text))


def _tags(given: Iterable[str]) -> tuple[str, ...]:
    """Each once, whatever its case."""
    words = {tag.casefold(): tag for tag in reversed([one_line(text) for text in given]) if tag}
    return tuple(sorted(words.values(), key=str.casefold))


def checked(change: Change) -> Change:
    """The change in the form in which it is kept.  Raises Invalid with every problem."""
    title = None if change.title is None else one_line(change.title)
    description = None if change.description is None else _clean(change.description.replace("\r\n", "\n")).strip()
    tags = None if change.tags is None else _tags(change.tags)
    more, fewer = _tags(change.more), _tags(change.fewer)
    problems: dict[str, Message | str] = {}
    if title and len(title) > LONGEST_TITLE:
        problems["title"] = Message(N_("Use at most {longest} characters."), {"longest": LONGEST_TITLE})
    if description and len(description) > LONGEST_DESCRIPTION:
        problems["description"] = Message(N_("Use at most {longest} characters."), {"longest": LONGEST_DESCRIPTION})
    if change.rating is not None and not 0 <= change.rating <= BEST:
        problems["rating"] = N_("Choose 0 to 5 stars.")
    if any(len(tag) > LONGEST_TAG for tag in (tags or ()) + more):
        problems["tags"] = Message(N_("A tag has at most {longest} characters."), {"longest": LONGEST_TAG})
    elif len((tags or ()) + more) > MOST_TAGS:
        problems["tags"] = Message(N_("A photo has at most {most} tags."), {"most": MOST_TAGS})
    if problems:
        raise Invalid(problems)
    grouping = change.grouping if GROUPING.fullmatch(change.grouping or "") else None
    return Change(title, description, change.favourite, change.rating, change.shared, tags, more, fewer, grouping)


def of(session: Session, media_ids: Sequence[int]) -> dict[int, Notes]:
    """What is said of these photos; whether somebody may know is asked before."""
    columns: list[Any] = [Media.id, *(getattr(Media, name) for name in SAID)]
    rows = session.execute(select(*columns).where(Media.id.in_(media_ids))).all()
    tags: dict[int, list[str]] = {}
    worded = select(media_tag.c.media_id, Tag.name).join(Tag, Tag.id == media_tag.c.tag_id)
    for media_id, name in session.execute(worded.where(media_tag.c.media_id.in_(media_ids))):
        tags.setdefault(media_id, []).append(name)
    found = {}
    for media_id, title, description, favourite, rating, shared, grouping in rows:
        words = tuple(sorted(tags.get(media_id, ()), key=str.casefold))
        found[media_id] = Notes(title, description, favourite, rating, shared, words, grouping)
    return found


@dataclass(frozen=True)
class Edited:
    """What an edit has done: of these photos of one's own, ``changed`` are different now; ``moment`` names it."""

    mine: list[int]
    changed: int
    moment: datetime


def edit(session: Session, person: User, media_ids: Sequence[int], change: Change) -> Edited:
    """Say something of one's own photos; those of others are left out.

    Raises Invalid, and NotFound when none of them is one's own.
    """
    change = checked(change)
    mine = own(session, person, media_ids)
    if not mine:
        raise NotFound(what="photo")
    moment, changed = now(), 0
    for start in range(0, len(mine), CHUNK):
        some = list(session.scalars(select(Media.id).where(Media.id.in_(mine[start : start + CHUNK]), _differ(change))))
        _apply(session, some, change, {"edited": moment, "written": False})
        changed += len(some)
    if changed:
        start_writing(session)
    return Edited(mine, changed, moment)


def take_back(session: Session, person: User, moment: datetime, change: Change) -> int:
    """Undo an edit of many photos by its contrary, where nothing has been said since; how many."""
    edited = select(Media.id).where(visible.changeable_by(person), Media.edited == moment)
    media_ids = session.scalars(edited).all()
    return edit(session, person, media_ids, change).changed if media_ids else 0


def _differ(change: Change) -> ColumnElement[bool]:
    """The photos that such a change would change."""
    tagged = (
        select(media_tag.c.media_id).join(Tag, Tag.id == media_tag.c.tag_id).where(media_tag.c.media_id == Media.id)
    )
    different = [getattr(Media, name) != value for name, value in change.columns().items()]
    different += [~tagged.where(Tag.name == name).exists() for name in change.more]
    different += [tagged.where(Tag.name == name).exists() for name in change.fewer]
    return or_(true() if change.tags is not None else false(), *different)


def own(session: Session, person: User, media_ids: Sequence[int]) -> list[int]:
    """Those of the photos that somebody may change, in their order.  Raises Invalid for too many."""
    wanted = list(dict.fromkeys(media_ids))
    if len(wanted) > MOST_PHOTOS:
        raise Invalid({"ids": Message(N_("Choose at most {most} photos at once."), {"most": MOST_PHOTOS})})
    found: set[int] = set()
    for start in range(0, len(wanted), CHUNK):
        some = Media.id.in_(wanted[start : start + CHUNK])
        found.update(session.scalars(select(Media.id).where(some, visible.changeable_by(person))))
    return [media_id for media_id in wanted if media_id in found]


def put(session: Session, media_id: int, change: Change, *, edited: bool) -> None:
    """Set what the file beside a photo says; ``edited``: it was said here, not in another program."""
    _apply(session, [media_id], change, {"written": True} | ({"edited": now()} if edited else {}))


def _apply(session: Session, media_ids: Sequence[int], change: Change, marks: dict[str, Any]) -> None:
    if not media_ids:
        return
    facts = change.columns() | marks
    if change.tags is not None:
        session.execute(delete(media_tag).where(media_tag.c.media_id.in_(media_ids)))
    if change.fewer:
        named = select(Tag.id).where(Tag.name.in_(change.fewer))
        session.execute(delete(media_tag).where(media_tag.c.media_id.in_(media_ids), media_tag.c.tag_id.in_(named)))
    for tag_id in _tag_ids(session, (change.tags or ()) + change.more):
        rows = [{"media_id": media_id, "tag_id": tag_id} for media_id in media_ids]
        session.execute(insert(media_tag).on_conflict_do_nothing(), rows)
    session.execute(update(Media).where(Media.id.in_(media_ids)).values(**facts))


def _tag_ids(session: Session, names: Sequence[str]) -> list[int]:
    """The tags' ids; a word that the family has not used before gets one."""
    if not names:
        return []
    session.execute(insert(Tag).on_conflict_do_nothing(), [{"name": name} for name in names])
    return list(session.scalars(select(Tag.id).where(Tag.name.in_(names))))


def known_tags(session: Session, person: User, most: int = 500) -> Sequence[str]:
    """The words that are on photos that somebody may see, to choose from."""
    used = select(media_tag.c.tag_id).join(Media, Media.id == media_tag.c.media_id).where(visible.by_person(person))
    return session.scalars(select(Tag.name).where(Tag.id.in_(used)).order_by(Tag.name).limit(most)).all()


def is_behind(session: Session) -> bool:
    """Whether anything that people said is only in the database; two looks at small indexes."""
    photos = select(exists().where(Media.written.is_(False)))
    albums = select(exists().where(Album.written.is_(False)))
    return bool(session.scalar(photos) or session.scalar(albums))


def start_writing(session: Session) -> None:
    """Have the files on the drives follow, seconds later; several edits share one job."""
    with contextlib.suppress(service.AlreadyRunning):
        service.start(session, JOB, title=Message(N_("Writing down titles, tags and albums")), lock=JOB)
