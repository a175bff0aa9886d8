"""What people say of photos, by the API: of one, of many, and what is "ours"."""

from dataclasses import dataclass
from datetime import datetime

from appliance.errors import Invalid
from appliance.library import groupings, notes, timeline, visible
from appliance.library.notes import Change, Notes
from appliance.words import N_
from console.access import me
from console.api.library import MOST, ItemView, TimelinePage, item_view
from console.api.routes import route
from console.api.shapes import LARGEST
from console.station import station


@dataclass(frozen=True)
class NotesView:
    """What is said of a photo; ``rating`` 0 is none, ``shared`` is "ours"."""

    title: str
    description: str
    favourite: bool
    rating: int
    shared: bool
    tags: list[str]


@dataclass(frozen=True)
class NotesChange:
    """Only the fields that are sent are changed; ``tags`` replaces all of them."""

    title: str | None = None
    description: str | None = None
    favourite: bool | None = None
    rating: int | None = None
    shared: bool | None = None
    tags: list[str] | None = None


@dataclass(frozen=True)
class ManyChange:
    """The same for many of your own photos; tags are added and taken away one by one."""

    ids: list[int]
    favourite: bool | None = None
    rating: int | None = None
    shared: bool | None = None
    add_tags: list[str] | None = None
    remove_tags: list[str] | None = None


@dataclass(frozen=True)
class ManyChanged:
    """``yours`` of them are your own, ``changed`` are different now."""

    yours: int
    changed: int
    moment: datetime


@dataclass(frozen=True)
class FamilyQuery:
    """``after`` from the page before."""

    after: str = ""
    limit: int = timeline.PAGE


def _view(said: Notes) -> NotesView:
    return NotesView(said.title, said.description, said.favourite, said.rating, said.shared, list(said.tags))


@route("GET", "/media/<int:media_id>/notes", summary="What is said of a photo or video")
def of_one(media_id: int) -> NotesView:
    """Of any that you may see."""
    with station().db.reading() as session:
        timeline.detail(session, visible.by_person(me()), media_id)
        return _view(notes.of(session, [media_id])[media_id])


@route("PATCH", "/media/<int:media_id>/notes", summary="Say something of a photo or video")
def say(media_id: int, body: NotesChange) -> NotesView:
    """Of your own.  The file beside it follows within seconds."""
    change = Change(
        title=body.title,
        description=body.description,
        favourite=body.favourite,
        rating=body.rating,
        shared=body.shared,
        tags=None if body.tags is None else tuple(body.tags),
    )
    with station().db.writing() as session:
        notes.edit(session, me(), [media_id], change)
        return _view(notes.of(session, [media_id])[media_id])


@route("POST", "/media/notes", summary="Say the same of many photos")
def say_of_many(body: ManyChange) -> ManyChanged:
    """Those of others are left out."""
    change = Change(
        favourite=body.favourite,
        rating=body.rating,
        shared=body.shared,
        more=tuple(body.add_tags or ()),
        fewer=tuple(body.remove_tags or ()),
    )
    with station().db.writing() as session:
        done = notes.edit(session, me(), body.ids, change)
    return ManyChanged(len(done.mine), done.changed, done.moment)


@dataclass(frozen=True)
class Together:
    """Photos that are shown as one, or were."""

    ids: list[int]


@dataclass(frozen=True)
class Grouped:
    """How many photos that was about, with what was shown with them already."""

    photos: int


@route("POST", "/media/together", summary="Show photos as one")
def put_together(body: Together) -> Grouped:
    """Your own, at least two, with what is shown with them already."""
    with station().db.writing() as session:
        return Grouped(groupings.put_together(session, me(), body.ids))


@route("POST", "/media/<int:media_id>/apart", summary="Show what is shown as one with a photo one by one")
def take_apart(media_id: int) -> Grouped:
    """It stays so, whatever the station would guess."""
    with station().db.writing() as session:
        return Grouped(groupings.take_apart(session, me(), media_id))


@route("POST", "/media/<int:media_id>/alone", summary="Show one photo of a group by itself", status=204)
def take_out(media_id: int) -> None:
    """The others stay together."""
    with station().db.writing() as session:
        groupings.take_out(session, me(), media_id)


@route("POST", "/media/<int:media_id>/guess", summary="Leave it to the station what is shown as one", status=204)
def guess(media_id: int) -> None:
    """For a photo and what you grouped with it."""
    with station().db.writing() as session:
        groupings.guess(session, me(), media_id)


@route("GET", "/family", summary="What is ours, newest first")
def family(query: FamilyQuery) -> TimelinePage:
    """Everybody's together, the same for everybody of the family."""
    after = timeline.key_in(query.after)
    if query.after and (after is None or abs(after.id) > LARGEST):
        raise Invalid({"after": N_("Send what the page before said.")})
    most = max(1, min(query.limit, MOST))
    with station().db.reading() as session:
        items = timeline.family_page(session, after, most)
    last = str(timeline.Key(items[-1].taken, items[-1].id)) if len(items) == most else None
    views: list[ItemView] = [item_view(item) for item in items]
    return TimelinePage(views, last)
