"""Files by the API: your folder and the family's on each drive, changed as on the page; and the bin.

``path`` is relative to the drive and percent-encoded, because names on a drive are bytes.  Adding a file is described
under ``files`` (``folder=/`` and the path, ``drive``).
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote_to_bytes

from flask import Response
from sqlalchemy import select

from appliance.drives.mounts import mount_of
from appliance.errors import Invalid
from appliance.library import bin as bins
from appliance.library import emptying, errands, folders, moving
from appliance.library.folders import Entry, Place
from appliance.library.models import BinnedFile
from appliance.words import N_
from console.access import me
from console.api.routes import route
from console.deliver import deliver
from console.files import downloads
from console.files.places import MOST_CHOSEN, mounts
from console.station import station


@dataclass(frozen=True)
class FolderPlace:
    """A place on a drive."""

    drive: str
    path: str


@dataclass(frozen=True)
class FileView:
    """A file or folder; ``name`` is for people, ``path`` for the next request."""

    name: str
    drive: str
    path: str
    folder: bool
    size: int
    modified: datetime


@dataclass(frozen=True)
class NewName:
    """A name that every drive can hold."""

    drive: str
    path: str
    name: str


@dataclass(frozen=True)
class ChosenFiles:
    """Things on one drive, 1000 at most."""

    drive: str
    paths: list[str]


@dataclass(frozen=True)
class Moving:
    """Things on one drive, and the folder that they shall go to, on the same drive or on ``into_drive``."""

    drive: str
    paths: list[str]
    into: str
    into_drive: str = ""


@dataclass(frozen=True)
class Moved:
    """Where the things are now, or the number of the job that brings them there.

    ``left``: names of files that could not be read as they were stored, and stayed where they are.
    """

    places: list[FolderPlace]
    job: int | None
    left: list[str]


@dataclass(frozen=True)
class BinView:
    """Something deleted; ``path`` is where it was."""

    id: int
    path: str
    size: int
    deleted: datetime
    expires: datetime


@dataclass(frozen=True)
class BinChoice:
    """Which things in the bin."""

    ids: list[int]


def _place(drive: str, path: str) -> Place:
    return folders.reached(me(), mounts(), drive, unquote_to_bytes(path))


def _chosen(drive: str, paths: list[str]) -> list[Place]:
    if not 0 < len(paths) <= MOST_CHOSEN:
        raise Invalid({"paths": N_("Choose at most 1000 at once.") if paths else N_("Choose at least one.")})
    here, user = mounts(), me()
    return [folders.changeable(user, folders.reached(user, here, drive, unquote_to_bytes(path))) for path in paths]


def _view(place: Place, entry: Entry) -> FileView:
    inside = place.below(entry.name)
    modified = datetime.fromtimestamp(max(0.0, entry.modified), UTC)
    return FileView(
        folders.shown(entry.name), place.mount.tag, quote(inside.path), entry.is_folder, entry.size, modified
    )


def _as_view(place: Place) -> FolderPlace:
    return FolderPlace(place.mount.tag, quote(place.path))


def _bin_view(row: BinnedFile) -> BinView:
    return BinView(row.id, quote(row.path), row.size, row.binned, row.expires)


@route("GET", "/folders", summary="Where your files begin")
def starts() -> list[FolderPlace]:
    """Your own folder and the family's, drive by drive."""
    return [_as_view(place) for place in folders.starts(me(), mounts())]


@route("GET", "/folders/entries", summary="What is in a folder")
def entries(query: FolderPlace) -> list[FileView]:
    """Folders first, by name."""
    place = _place(query.drive, query.path)
    return [_view(place, entry) for entry in folders.listing(place)]


@route("GET", "/folders/file", summary="A file, byte for byte")
def file(query: FolderPlace) -> Response:
    """Takes ranges."""
    place = _place(query.drive, query.path)
    name = folders.shown(place.path.rpartition(b"/")[2])
    return deliver(place.mount, place.path, name=name, mime="application/octet-stream", download=True)


@route("POST", "/folders", summary="Make a folder in a folder", status=201)
def new_folder(body: NewName) -> FolderPlace:
    """Its name must be possible on every drive."""
    return _as_view(moving.new_folder(_place(body.drive, body.path), body.name))


@route("POST", "/folders/rename", summary="Give a file or folder another name")
def rename(body: NewName) -> FolderPlace:
    """Where it is now."""
    return _as_view(moving.rename(station().db, me(), _place(body.drive, body.path), body.name))


@route("POST", "/folders/move", summary="Move files and folders, also to another drive")
def move(body: Moving) -> Moved:
    """A name that was taken has a number.  Between drives each file is copied and proven before the original goes."""
    return _carry(body, keep=False)


@route("POST", "/folders/copy", summary="Copy files and folders, also to another drive")
def copy(body: Moving) -> Moved:
    """A name that was taken has a number."""
    return _carry(body, keep=True)


def _carry(body: Moving, *, keep: bool) -> Moved:
    things, target = _chosen(body.drive, body.paths), _place(body.into_drive or body.drive, body.into)
    outcome = errands.run(station().db, me(), things, target, keep=keep)
    return Moved([_as_view(place) for place in outcome.places], outcome.job_id, outcome.left)


@route("POST", "/folders/zip", summary="Files and folders as one ZIP")
def as_zip(body: ChosenFiles) -> Response:
    """Made while it is sent; a text at the end names what changed meanwhile."""
    here, user = mounts(), me()
    places = [folders.reached(user, here, body.drive, unquote_to_bytes(path)) for path in body.paths[:MOST_CHOSEN]]
    if not places:
        raise Invalid({"paths": N_("Choose at least one.")})
    return downloads.zipped(places, folders.shown(places[0].path.rpartition(b"/")[2]))


@route("POST", "/folders/delete", summary="Put files and folders into the bin")
def delete(body: ChosenFiles) -> list[BinView]:
    """They can be brought back until they expire."""
    things = _chosen(body.drive, body.paths)
    paths = [thing.path for thing in things]
    rows = bins.put_all(station().db, things[0].mount, paths, user=me().id, by=me().id)
    return [_bin_view(row) for row in rows]


@route("GET", "/bin", summary="What was deleted and can be brought back")
def in_bin() -> list[BinView]:
    """The latest first, 1000 at most."""
    with station().db.reading() as session:
        wanted = select(BinnedFile).where(bins.seen_by(me().id)).order_by(BinnedFile.binned.desc())
        return [_bin_view(row) for row in session.scalars(wanted.limit(MOST_CHOSEN))]


@route("POST", "/bin/bring-back", summary="Undo deletions")
def bring_back(body: BinChoice) -> list[FolderPlace]:
    """Where they are now; what is in a folder is in the library at once, of a very large one the rest soon."""
    here, back = station(), []
    for binned_id in body.ids[:MOST_CHOSEN]:
        with here.db.reading() as session:
            row = bins.find(session, binned_id, me().id)
            mount = mount_of(session, here.places, row.drive_id)
        back.append(_as_view(Place(mount, bins.bring_back(here.db, mount, row).path)))
    return back


@route("POST", "/bin/empty", summary="Remove things in the bin for good")
def empty(body: BinChoice) -> None:
    """Only those of drives that are here."""
    here = station()
    for mount in mounts():
        with here.db.reading() as session:
            mine = (bins.seen_by(me().id), BinnedFile.id.in_(body.ids[:MOST_CHOSEN]))
            rows = session.scalars(select(BinnedFile).where(*mine, BinnedFile.drive_id == mount.drive_id)).all()
        if rows:
            emptying.erase(here.db, mount, rows)
