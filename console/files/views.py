"""Files: a person's own folder and the family's on each HOT drive, folder by folder.

By drive, not merged: a folder lies where it lies, and whoever unplugs that drive takes it along.
"""

from datetime import UTC, datetime
from urllib.parse import quote

from flask import Response, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import func, select

from appliance.library import bin as bins
from appliance.library import folders
from appliance.library.folders import Entry, Place
from appliance.library.formats import HEAD, format_of
from appliance.library.models import BinnedFile, Folder, Media, PreviewState, StoredFile
from appliance.library.names import safe_name
from console.access import me, signed_in
from console.deliver import deliver
from console.files import downloads
from console.files.places import SHOWN, address, blueprint, chosen, is_family, mounts, parents, title, wanted
from console.shell import show
from console.station import station

UNDO_AT_MOST = 50  # rows that the notice after a deletion carries


@blueprint.get("/")
@signed_in
def page() -> ResponseReturnValue:
    """Where to begin: the top folders, drive by drive, and the bin."""
    here = mounts()
    with station().db.reading() as session:
        binned = session.execute(
            select(func.count(), func.coalesce(func.sum(BinnedFile.size), 0)).where(bins.seen_by(me().id))
        ).one()
    return show(
        "files/start.html",
        starts=folders.starts(me(), here),
        several=len(here) > 1,
        binned=binned,
        is_family=is_family,
        address=address,
        title=title,
    )


@blueprint.get("/folder")
@signed_in
def folder() -> ResponseReturnValue:
    """What is in a folder."""
    return folder_page(wanted(), {}, 200)


def folder_page(place: Place, problems: dict[str, str], status: int, typed: str = "") -> ResponseReturnValue:
    """The page of a folder; with what is wrong with the name that was typed for a new one."""
    sort = request.args.get("sort", "name")
    offset = max(0, request.args.get("from", 0, int))
    found = _sorted(folders.listing(place), sort)
    return show(
        "files/folder.html",
        "listing",
        status,
        place=place,
        rows=[_row(place, entry) for entry in found[offset:][:SHOWN]],
        photos=_photos(place),
        several=len(mounts()) > 1,
        count=len(found),
        size=sum(entry.size for entry in found),
        more=offset + SHOWN if len(found) > offset + SHOWN else None,
        sort=sort,
        sorts={"name": gettext("Name"), "newest": gettext("Newest"), "largest": gettext("Largest")},
        way=parents(place),
        quoted=quote,
        title=title,
        address=address,
        problems=problems,
        typed=typed,
        undo=_undo(),
    )


def _sorted(found: list[Entry], sort: str) -> list[Entry]:
    if sort == "newest":
        return sorted(found, key=lambda entry: (not entry.is_folder, -entry.modified))
    if sort == "largest":
        return sorted(found, key=lambda entry: (not entry.is_folder, -entry.size))
    return found


def _row(place: Place, entry: Entry) -> dict[str, object]:
    inside = place.below(entry.name)
    return {
        "key": entry.name,
        "name": folders.shown(entry.name),
        "is_folder": entry.is_folder,
        "size": entry.size,
        "modified": datetime.fromtimestamp(max(0.0, entry.modified), UTC),
        "path": quote(inside.path),
        "address": address(inside, "files.folder" if entry.is_folder else "files.file"),
        "rename": address(inside, "files.rename_page"),
    }


def _photos(place: Place) -> dict[bytes, tuple[int, bool]]:
    """Name -> (media id, has a preview) of this person's photos in a folder."""
    with station().db.reading() as session:
        rows = session.execute(
            select(StoredFile.name, Media.id, Media.preview)
            .join(Media, Media.file_id == StoredFile.id)
            .join(Folder, Folder.id == StoredFile.folder_id)
            .where(Folder.drive_id == place.mount.drive_id, Folder.path == place.path, Media.user_id == me().id)
        )
        return {name: (media_id, preview is PreviewState.READY) for name, media_id, preview in rows}


def _undo() -> list[BinnedFile]:
    """What was just deleted, for the notice that can bring it back."""
    ids = [int(text) for text in request.args.get("deleted", "").split("-")[:UNDO_AT_MOST] if text.isdigit()]
    if not ids:
        return []
    with station().db.reading() as session:
        return list(session.scalars(select(BinnedFile).where(BinnedFile.id.in_(ids), bins.seen_by(me().id))))


@blueprint.get("/file")
@signed_in
def file() -> Response:
    """One file; a photo or film is shown, everything else downloaded.  Ranges are answered."""
    place = wanted()
    name = folders.shown(place.path.rpartition(b"/")[2])
    kind = format_of(downloads.head_of(place, HEAD))
    mime = kind.mime if kind else "application/octet-stream"
    return deliver(place.mount, place.path, name=safe_name(name), mime=mime, download="download" in request.args)


@blueprint.post("/zip")
@signed_in
def as_zip() -> Response:
    """What was ticked, or the folder itself where nothing was, as one ZIP."""
    if request.form.getlist("paths"):
        return downloads.zipped(chosen(), gettext("Files"))
    place = wanted()
    return downloads.zipped([place], title(place))
