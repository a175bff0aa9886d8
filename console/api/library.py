"""The library by the API: the timeline page by page, one item with its copies, and its bytes.

Sending files is described under ``files``.
"""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Response
from sqlalchemy.orm import Session

from appliance.drives.mounts import mount_of
from appliance.errors import Invalid, NotFound
from appliance.jobs.schedule import time_zone_name
from appliance.library import previews, safety, timeline, visible
from appliance.library.models import Media, MediaKind, PreviewState
from appliance.people.models import Role
from appliance.people.privacy import whose
from appliance.words import N_
from console.access import me
from console.api.routes import route
from console.api.shapes import LARGEST
from console.deliver import deliver
from console.files import downloads
from console.station import station

MOST = 500
PREVIEWS = (320, 1600)  # pixels
FOR_A_YEAR = "private, max-age=31536000, immutable"


@dataclass(frozen=True)
class ItemView:
    """A photo or video; width and height are as shown, null until the preview was made."""

    id: int
    kind: MediaKind
    taken: datetime
    width: int | None
    height: int | None
    seconds: float | None
    preview: PreviewState
    placeholder: str
    favourite: bool


@dataclass(frozen=True)
class TimelinePage:
    """``after`` asks for the next page; null on the last one."""

    items: list[ItemView]
    after: str | None


@dataclass(frozen=True)
class TimelineQuery:
    """``after`` from the page before, or ``month`` (202611) to begin at; ``person``: an archived one, for admins."""

    after: str = ""
    month: int | None = None
    limit: int = timeline.PAGE
    person: int | None = None


@dataclass(frozen=True)
class PersonQuery:
    """``person``: an archived one, for admins."""

    person: int | None = None


@dataclass(frozen=True)
class MonthView:
    """``month`` is year * 100 + month."""

    month: int
    count: int


@dataclass(frozen=True)
class CopyOfItem:
    """Where an item is; ``proven``: when its bytes were last read there and found right."""

    drive: str
    tag: str
    path: str
    proven: datetime | None
    damaged: bool


@dataclass(frozen=True)
class DetailView:
    """Everything that is known of one item."""

    item: ItemView
    name: str
    size: int
    added: datetime
    taken_from: str
    camera: str
    latitude: float | None
    longitude: float | None
    digest: str | None
    copies: list[CopyOfItem]


@dataclass(frozen=True)
class SafetyView:
    """Are our memories safe?  ``proven``: when a COLD drive last proved its copy."""

    total: int
    safe: int
    on_one_drive_only: int
    hot_drives: int
    cold_drives: int
    proven: datetime | None


def item_view(item: timeline.Item) -> ItemView:
    """As the API says it."""
    return ItemView(**{name: getattr(item, name) for name in ItemView.__dataclass_fields__})


@route("GET", "/timeline", summary="Photos and videos, newest first")
def page(query: TimelineQuery) -> TimelinePage:
    """Your own."""
    most = max(1, min(query.limit, MOST))
    with station().db.reading() as session:
        owner = whose(session, me(), query.person).id
        items = timeline.every(session, owner, _start(session, query), most)
    last = str(timeline.Key(items[-1].taken, items[-1].id)) if len(items) == most else None
    return TimelinePage([item_view(item) for item in items], last)


def _start(session: Session, query: TimelineQuery) -> timeline.Key | None:
    """The key to page on from.  Raises Invalid."""
    if query.after:
        after = timeline.key_in(query.after)
        if after is None or abs(after.id) > LARGEST:
            raise Invalid({"after": N_("Send what the page before said.")})
        return after
    if query.month is None:
        return None
    end = timeline.end_of_month(query.month, ZoneInfo(time_zone_name(session)))
    if end is None:
        raise Invalid({"month": N_("Write a month like 202611.")})
    return end


@route("GET", "/months", summary="How many photos and videos there are, month by month")
def months(query: PersonQuery) -> list[MonthView]:
    """Newest first."""
    with station().db.reading() as session:
        owner = whose(session, me(), query.person).id
        return [MonthView(month, count) for month, count in timeline.months(session, owner)]


@route("GET", "/safety", summary="Are our memories safe?")
def are_they_safe() -> SafetyView:
    """Of the whole family for an admin, else your own."""
    with station().db.reading() as session:
        answer = safety.safety(session, None if me().role is Role.ADMIN else me().id)
    return SafetyView(**{name: getattr(answer, name) for name in SafetyView.__dataclass_fields__})


@route("GET", "/media/<int:media_id>", summary="One photo or video, and where its copies are")
def detail(media_id: int, query: PersonQuery) -> DetailView:
    """With the time each copy was last proven."""
    with station().db.reading() as session:
        found = _detail(session, media_id, query)
    copies = [CopyOfItem(c.drive, c.tag, c.path, c.proven, c.damaged) for c in found.copies]
    return DetailView(
        item=item_view(found.item),
        name=found.name,
        size=found.size,
        added=found.added,
        taken_from=found.taken_from,
        camera=found.camera,
        latitude=found.latitude,
        longitude=found.longitude,
        digest=found.digest.hex() if found.digest else None,
        copies=copies,
    )


@dataclass(frozen=True)
class Chosen:
    """Which photos and videos."""

    ids: list[int]


@route("POST", "/media/zip", summary="Several originals as one ZIP")
def as_zip(body: Chosen) -> Response:
    """Those that you may see; a text at the end names what could not be had."""
    return downloads.photos(body.ids)


@route("GET", "/media/<int:media_id>/original", summary="The original, byte for byte")
def original(media_id: int, query: PersonQuery) -> Response:
    """Takes ranges."""
    with station().db.reading() as session:
        found = _detail(session, media_id, query)
        mount = mount_of(session, station().places, found.drive_id)
    return deliver(mount, found.path, name=found.name, mime="application/octet-stream", download=True)


@route("GET", "/media/<int:media_id>/preview/<int:pixels>", summary="A small picture, WebP")
def preview(media_id: int, pixels: int, query: PersonQuery) -> Response:
    """320 or 1600 pixels."""
    with station().db.reading() as session:
        found = _detail(session, media_id, query)
        if pixels not in PREVIEWS or found.item.preview is not PreviewState.READY or found.digest is None:
            raise NotFound(what="preview")
        mount = mount_of(session, station().places, found.drive_id)
    path = previews.path_of(found.digest, pixels)
    return deliver(mount, path, name=f"{media_id}-{pixels}.webp", mime="image/webp", cache=FOR_A_YEAR)


def _detail(session: Session, media_id: int, query: PersonQuery) -> timeline.Detail:
    if query.person is None:
        return timeline.detail(session, visible.by_person(me()), media_id)
    return timeline.detail(session, Media.user_id == whose(session, me(), query.person).id, media_id)
