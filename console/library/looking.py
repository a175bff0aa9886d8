"""What is being looked through: which photos come before and after one, and where the way back leads.

An album (``album``), a search (``in=search`` and what is asked), what is "ours", the photos of a day, a folder, or else
one's own timeline.  The way back leads to the photo's own place: on the first page where it is there, else on a page
that begins with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import quote, urlencode

from flask import request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.drives.models import Drive
from appliance.library import facets, folders, neighbours, search, this_day, timeline, visible
from appliance.library.albums import service as albums
from appliance.library.albums.models import Album
from appliance.library.filters import Filter
from appliance.library.models import Folder, Media, StoredFile
from appliance.library.timeline import Detail, Key
from appliance.people.models import User

OURS, SEARCH, DAY, FOLDER = "ours", "search", "day", "folder"
DAY_SHOWS = 60  # photos of one year's day


@dataclass(frozen=True)
class Around:
    """The neighbours of a photo in what is being looked through, the way back, and how links say what that is."""

    newer: int | None
    older: int | None
    back: str
    within: dict[str, Any]


def within() -> dict[str, Any]:
    """What is being looked through, as parts of an address."""
    if "album" in request.args:
        return {"album": request.args["album"]}
    kind = request.args.get("in")
    if kind == SEARCH:
        return {"in": SEARCH} | Filter.from_json(request.args).as_json()
    if kind == DAY:
        return {"in": DAY, "day": request.args.get("day", "")}
    return {"in": kind} if kind in (OURS, FOLDER) else {}


def in_search(chosen: Filter) -> str:
    """What links of a page of hits say: ``?in=search&words=sea``."""
    return "?" + urlencode({"in": SEARCH} | chosen.as_json())


def around(session: Session, user: User, found: Detail) -> Around:
    """The photos before and after one.  Raises NotFound."""
    kind = request.args.get("in")
    if album_id := request.args.get("album", type=int):
        return _in_album(session, user, albums.get(session, user, album_id), found)
    if kind == SEARCH:
        chosen = Filter.from_json(request.args)
        return _in_search(session, user, found, chosen, "library.search", chosen.as_json())
    if kind == DAY:
        return _in_day(session, user, found)
    if kind == FOLDER:
        return _in_folder(session, user, found)
    if kind == OURS:
        newer, older = timeline.family_neighbours(session, found.item, timeline.PAGE)
        return _in_time(found, newer, older, "library.ours", {"in": OURS})
    if found.user_id != user.id:
        return Around(None, None, url_for("library.photos"), {})
    newer, older = timeline.neighbours(session, user.id, found.item, timeline.PAGE)
    return _in_time(found, newer, older, "library.photos", {})


def _anchor(media_id: int) -> str:
    return f"p{media_id}"


def _in_time(found: Detail, newer: Sequence[int], older: int | None, endpoint: str, more: dict[str, Any]) -> Around:
    far: dict[str, Any] = (
        {"after": str(Key(found.item.taken, found.item.id + 1))} if len(newer) >= timeline.PAGE else {}
    )
    back = url_for(endpoint, **far, _anchor=_anchor(found.item.id))
    return Around(newer[0] if newer else None, older, back, more)


def _in_album(session: Session, user: User, album: Album, found: Detail) -> Around:
    if album.filter is not None:
        chosen = Filter.from_json(album.filter)
        return _in_search(session, user, found, chosen, "albums.one", {"album_id": album.id}, {"album": album.id})
    before, after = albums.neighbours(session, album, visible.by_person(user), found.item.id)
    far = albums.page_with(session, album, visible.by_person(user), found.item.id)
    place: dict[str, Any] = {"after": f"{far.position}-{Key(far.taken, far.id)}"} if far else {}
    back = url_for("albums.one", album_id=album.id, **place, _anchor=_anchor(found.item.id))
    return Around(before, after, back, {"album": album.id})


def _in_search(
    session: Session,
    user: User,
    found: Detail,
    chosen: Filter,
    endpoint: str,
    address: dict[str, Any],
    more: dict[str, Any] | None = None,
) -> Around:
    newer, older = neighbours.in_search(session, user, chosen, found.item, search.PAGE)
    key = facets.key_of(found.item.taken.timestamp(), found.item.id) + 1
    far: dict[str, Any] = {"after": key} if len(newer) >= search.PAGE else {}
    back = url_for(endpoint, **address, **far, _anchor=_anchor(found.item.id))
    within_it = {"in": SEARCH} | chosen.as_json() if more is None else more
    return Around(newer[0] if newer else None, older, back, within_it)


def _in_day(session: Session, user: User, found: Detail) -> Around:
    try:
        day = date.fromisoformat(request.args.get("day", ""))
    except ValueError:
        day = found.item.taken.date()
    years = this_day.years(session, user, DAY_SHOWS, day)
    before, after = _beside([item.id for _, items in years for item in items], found.item.id)
    back = url_for("library.this_day", day=day, _anchor=_anchor(found.item.id))
    return Around(before, after, back, {"in": DAY, "day": day.isoformat()})


def _in_folder(session: Session, user: User, found: Detail) -> Around:
    """The photos of the folder that this one lies in, by name; the way back leads there, where it is one's own."""
    path = found.path.rpartition(b"/")[0]
    inside = (
        select(StoredFile.name, Media.id)
        .join(Media, Media.file_id == StoredFile.id)
        .join(Folder, Folder.id == StoredFile.folder_id)
        .where(Folder.drive_id == found.drive_id, Folder.path == path, visible.by_person(user))
    )
    rows = sorted(session.execute(inside).all(), key=lambda row: folders.natural(row.name))
    before, after = _beside([row.id for row in rows], found.item.id)
    drive = session.get_one(Drive, found.drive_id)
    reached = path.partition(b"/")[0] in folders.tops(user)
    back = url_for("files.folder", drive=drive.tag, path=quote(path)) if reached else url_for("library.photos")
    return Around(before, after, back, {"in": FOLDER})


def _beside(ids: Sequence[int], media_id: int) -> tuple[int | None, int | None]:
    if media_id not in ids:
        return None, None
    at = ids.index(media_id)
    return ids[at - 1] if at else None, ids[at + 1] if at + 1 < len(ids) else None
