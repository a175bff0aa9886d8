"""Photos: the timeline, one photo or video, its previews and its original; and the page to add more.

The timeline is one's own, an admin's too; what else somebody may look at, ``library.visible`` says.
"""

import os
from datetime import date
from itertools import groupby
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from flask import Blueprint, Response, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date, gettext, ngettext
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.datastructures import FileStorage

from appliance.drives.mounts import mount_of
from appliance.errors import ApplianceError, Invalid, NotFound
from appliance.jobs.schedule import zone
from appliance.library import previews, room, spool, stacks, timeline, visible
from appliance.library.albums import service as albums
from appliance.library.arrivals import Arrival, Stored
from appliance.library.beneath import open_beneath
from appliance.library.folders import Place, reached, shown
from appliance.library.formats import HEAD, format_of
from appliance.library.models import Folder, Media, MediaKind, PreviewState, StoredFile
from appliance.library.names import safe_name
from appliance.library.timeline import Key
from appliance.library.uploads import LARGEST, Wanted
from appliance.words import N_
from console.access import me, signed_in
from console.deliver import deliver
from console.files import downloads
from console.library import (
    choosing,
    doubles,
    finding,
    grid,
    grouping,
    looking,
    mapping,
    one,
    ours,
    receiving,
    remembering,
)
from console.library.receiving import uploads
from console.shell import done, problems_of, show
from console.station import station

blueprint = Blueprint("library", __name__, template_folder="templates", url_prefix="/photos")
for room_of_photos in (finding, doubles, mapping, remembering, one, grouping, choosing, ours):
    room_of_photos.add_to(blueprint)
blueprint.app_template_global("ways_in")(receiving.ways_in)
PREVIEW_CACHE = "private, max-age=604800"


@blueprint.get("/")
@signed_in
def photos() -> ResponseReturnValue:
    """The timeline from its newest item, from a month, or after a key; htmx asks for the next page alone."""
    user, part = me(), bool(request.headers.get("HX-Request"))
    with station().db.reading() as session:
        after = timeline.key_in(request.args.get("after")) or _month_key(session)
        items = timeline.page(session, user.id, after)
        months = [] if part else timeline.months(session, user.id)
        fillable = [] if part else albums.fillable(session, user)
    last = items[-1] if len(items) == timeline.PAGE else None
    shown = items[0].month if items else 0
    return show(
        "library/photos.html",
        "more",
        items=grid.with_months(items, request.args.get("seen", type=int)),
        next=url_for(".photos", after=str(Key(last.taken, last.id)), seen=last.month, choose=request.args.get("choose"))
        if last
        else "",
        years=_years(months, shown // 100),
        shown=shown,
        total=sum(count for _, count in months),
        begins=after is None,
        fillable=fillable,
        choosing="choose" in request.args,
        shape=grid.shape,
        length=grid.length,
        caption=grid.captions(),
    )


def _month_key(session: Session) -> Key | None:
    month = request.args.get("month", type=int)
    return timeline.end_of_month(month, zone(session)) if month else None


def _years(months: list[tuple[int, int]], shown: int) -> list[dict[str, Any]]:
    """For the scrubber: each year with its newest month, and every month of the year that is shown."""
    years = []
    for year, group in groupby(months, lambda entry: entry[0] // 100):
        inside = list(group)
        named = inside if year == shown else []
        years.append(
            {
                "year": year,
                "newest": inside[0][0],
                "count": sum(count for _, count in inside),
                "months": [(month, format_date(date(year, month % 100, 1), "LLL"), count) for month, count in named],
            }
        )
    return years


@blueprint.get("/<int:media_id>")
@signed_in
def item(media_id: int) -> ResponseReturnValue:
    """One photo or video, with what is known of it and where its copies are."""
    user = me()
    with station().db.reading() as session:
        found = timeline.detail(session, visible.by_person(user), media_id)
        together = stacks.together(session, user, media_id)
        around = looking.around(session, user, found)
        said = one.about(session, user, found)
    return show(
        "library/item.html",
        "stage",
        detail=found,
        item=found.item,
        together=together,
        newer=around.newer,
        older=around.older,
        within=around.within,
        problems={},
        typed=None,
        month=grid.month_name(found.item.month),
        length=grid.length(found.item.seconds),
        is_video=found.item.kind is MediaKind.VIDEO,
        has_preview=found.item.preview is PreviewState.READY,
        hopeless=found.item.preview is PreviewState.NONE,
        back=around.back,
        **said,
    )


@blueprint.get("/<int:media_id>/preview/<int:pixels>")
@signed_in
def preview(media_id: int, pixels: int) -> Response:
    """The small picture for the grid (320) or the large one for the viewer (1600)."""
    if pixels not in previews.SIZES:
        raise NotFound(what="preview")
    here = station()
    with here.db.reading() as session:
        row = session.execute(
            select(Folder.drive_id, StoredFile.digest)
            .select_from(Media)
            .join(StoredFile, StoredFile.id == Media.file_id)
            .join(Folder, Folder.id == StoredFile.folder_id)
            .where(Media.id == media_id, visible.by_person(me()), Media.preview == PreviewState.READY)
        ).first()
        if row is None or row.digest is None:
            raise NotFound(what="preview")
        mount = mount_of(session, here.places, row.drive_id)
    path = previews.path_of(row.digest, pixels)
    return deliver(mount, path, name=f"{media_id}.webp", mime="image/webp", cache=PREVIEW_CACHE)


@blueprint.get("/<int:media_id>/original")
@signed_in
def original(media_id: int) -> Response:
    """The file as it came, byte for byte; ``?download`` as a download."""
    here = station()
    with here.db.reading() as session:
        found = timeline.detail(session, visible.by_person(me()), media_id)
        mount = mount_of(session, here.places, found.drive_id)
    with room.opened(mount) as root:
        try:
            fd = open_beneath(root, found.path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            raise NotFound(what="file") from None
        try:
            kind = format_of(os.pread(fd, HEAD, 0))
        finally:
            os.close(fd)
    mime = kind.mime if kind else "application/octet-stream"
    return deliver(mount, found.path, name=safe_name(found.name), mime=mime, download="download" in request.args)


@blueprint.post("/zip")
@signed_in
def as_zip() -> Response:
    """The originals of ``ids`` (numbers, repeated or with commas between them) as one ZIP."""
    numbers = ",".join(request.form.getlist("ids")).split(",")
    return downloads.photos([int(number) for number in numbers if number.isdigit() and len(number) < 19])


@blueprint.get("/upload")
@signed_in
def upload() -> ResponseReturnValue:
    """The page to add photos."""
    return _upload_page({})


def _upload_page(problems: dict[str, str], status: int = 200) -> ResponseReturnValue:
    chosen = _chosen_folder()
    name = shown(chosen.path.rpartition(b"/")[2]) if chosen else ""
    facts = {"drive": chosen.mount.tag, "path": quote(chosen.path)} if chosen else {}
    return show("library/upload.html", status=status, problems=problems, into=facts, into_name=name)


def _chosen_folder() -> Place | None:
    """The folder that somebody came from, to add files to it.  Raises NotFound."""
    if not request.values.get("folder"):
        return None
    tag, path = request.values.get("drive", ""), unquote_to_bytes(request.values["folder"])
    return reached(me(), uploads().shelves.mounts(), tag, path)


@blueprint.post("/upload")
@signed_in
def upload_form() -> ResponseReturnValue:
    """Files from a plain form, for browsers without JavaScript."""
    files = [file for file in request.files.getlist("files") if file.filename]
    try:
        if not files:
            raise Invalid({"files": N_("Choose at least one file.")})
        stored = [_store(file) for file in files]
    except ApplianceError as error:
        return _upload_page(problems_of(error), error.status)
    new = sum(not each.known for each in stored)
    words = ngettext("%(num)s file is safe on the drive.", "%(num)s files are safe on the drive.", len(stored))
    if new < len(stored):
        words += " " + gettext("%(count)s of them were here already.", count=len(stored) - new)
    if chosen := _chosen_folder():
        return done(words, "files.folder", drive=chosen.mount.tag, path=quote(chosen.path))
    return done(words, "library.photos")


def _store(file: FileStorage) -> Stored:
    user, chosen = me(), _chosen_folder()
    folder = "/" + quote(chosen.path) if chosen else ""
    wanted = Wanted("", request.content_length or 0, folder, drive=chosen.mount.tag if chosen else "")
    mount = uploads().mount_for(user, wanted)
    name = spool.receive(mount, file.stream.read, LARGEST)
    try:
        return uploads().door.take(mount, name, Arrival(user.id, user.folder, file.filename or "", folder))
    except (ApplianceError, OSError):
        spool.discard(mount, name)
        raise
