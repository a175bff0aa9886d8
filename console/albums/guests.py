"""What a guest with a link sees: one album, and nothing else of the station.  Nobody signs in here.

Every query is ``visible.by_link``.  The pages touch no session: whoever is signed in stays so.  What a password has
opened is kept in a signed cookie of this one address.  There is no CSRF token: whoever could forge a form knows the
address, and may do all that the form does.
"""

from datetime import date
from typing import Any

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date, gettext
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy.orm import Session
from werkzeug.datastructures import FileStorage

from appliance.drives.mounts import hot_mounts, mount_of
from appliance.errors import ApplianceError, Invalid, NotFound
from appliance.library import previews, room, spool, timeline, visible
from appliance.library.albums import gifts, links, service
from appliance.library.albums.links import Opened
from appliance.library.arrivals import Arrival, Stored
from appliance.library.contents import head_of
from appliance.library.formats import format_of
from appliance.library.models import MediaKind, PreviewState
from appliance.library.names import safe_name
from appliance.words import N_
from console.access import address, csrf, public
from console.albums.views import place_in, place_text
from console.deliver import deliver
from console.library import grid
from console.library.receiving import uploads
from console.shell import problems_of
from console.station import station

blueprint = Blueprint("guests", __name__, template_folder="templates", url_prefix="/s/<token>")
csrf.exempt(blueprint)
COOKIE = "everpx-guest"
OPEN_FOR_S = 12 * 3600
LARGEST = 60 * 10**6  # bytes; nginx takes forms of 64 MiB


class NotOpen(Exception):
    """The password has not been shown yet."""

    def __init__(self, found: Opened) -> None:
        self.found = found


class NoPhoto(ApplianceError):
    """Guests bring photos and videos."""

    code, status = "no_photo", 422
    template = N_("“{name}” is no photo or video.")
    hint = N_("Nothing else can be added here.")


class TooLargeForGuests(ApplianceError):
    """There is a largest file that guests may send, and a form takes less."""

    code, status, template = "too_large", 413, N_("“{name}” is too large for this page.")


def opened(session: Session, token: str) -> Opened:
    """The album, if the link holds and its password was shown.  Raises NotFound, NotOpen."""
    found = links.opened(session, token)
    if found.link.password_hash:
        try:
            shown = _signer().loads(request.cookies.get(COOKIE, ""), max_age=OPEN_FOR_S)
        except BadSignature:
            shown = None
        if shown != links.proof(found.link):
            raise NotOpen(found)
    return found


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(str(current_app.secret_key), salt=COOKIE)


@blueprint.errorhandler(NotOpen)
def _ask(asked: NotOpen) -> ResponseReturnValue:
    return _password_page(request.view_args or {}, {}, 401)


def _password_page(parts: dict[str, Any], problems: dict[str, str], status: int) -> ResponseReturnValue:
    return render_template("guests/password.html", token=parts["token"], problems=problems), status


@blueprint.errorhandler(ApplianceError)
def _told(error: ApplianceError) -> ResponseReturnValue:
    gone = isinstance(error, NotFound)
    words = gettext("This link leads nowhere, or no longer does.") if gone else " ".join(problems_of(error).values())
    return render_template("guests/gone.html", words=words), error.status


@blueprint.after_request
def _kept_out_of_search_engines(response: Response) -> Response:
    response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    return response


@blueprint.get("/")
@public
def page(token: str) -> ResponseReturnValue:
    """The album; htmx asks for the next page alone."""
    return _page(token, {}, 200)


def _page(token: str, problems: dict[str, str], status: int) -> ResponseReturnValue:
    with station().db.reading() as session:
        found = opened(session, token)
        after = place_in(request.args.get("after"))
        items, last = service.page(session, found.album, visible.by_link(found.link), after)
    if request.method == "GET" and links.is_stale(found.link):
        _touch(found)
    template = "guests/_more.html" if request.headers.get("HX-Request") else "guests/album.html"
    context = {
        "found": found,
        "token": token,
        "items": items,
        "next": url_for(".page", token=token, after=place_text(last)) if last else "",
        "shape": grid.shape,
        "length": grid.length,
        "caption": grid.captions(),
        "problems": problems,
        "sent": request.args.get("sent", 0, type=int),
        "begins": after is None,
    }
    return render_template(template, **context), status


def _touch(found: Opened) -> None:
    with station().db.noting() as session:
        links.touch(session, found.link.id)


@blueprint.post("/unlock")
@public
def unlock(token: str) -> ResponseReturnValue:
    """Show the password once; this browser may look for half a day."""
    with station().db.reading() as session:
        found = links.opened(session, token)
    try:
        if found.link.password_hash:
            links.unlock(station().db, found.link, request.form.get("password", "")[:200], address())
    except ApplianceError as error:
        return _password_page({"token": token}, problems_of(error), error.status)
    response = redirect(url_for(".page", token=token), 303)
    response.set_cookie(
        COOKIE,
        _signer().dumps(links.proof(found.link)),
        max_age=OPEN_FOR_S,
        path=url_for(".page", token=token),
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )
    return make_response(response)


@blueprint.get("/<int:media_id>")
@public
def one(token: str, media_id: int) -> ResponseReturnValue:
    """One photo or video of the album."""
    with station().db.reading() as session:
        found = opened(session, token)
        seen = visible.by_link(found.link)
        detail = timeline.detail(session, seen, media_id)
        before, after = service.neighbours(session, found.album, seen, media_id)
    item = detail.item
    return render_template(
        "guests/one.html",
        found=found,
        token=token,
        item=item,
        before=before,
        after=after,
        is_video=item.kind is MediaKind.VIDEO,
        has_preview=item.preview is PreviewState.READY,
        name=format_date(date(item.taken.year, item.taken.month, item.taken.day), "long"),
    )


@blueprint.get("/<int:media_id>/preview/<int:pixels>")
@public
def preview(token: str, media_id: int, pixels: int) -> Response:
    """The small picture or the large one."""
    with station().db.reading() as session:
        detail = timeline.detail(session, visible.by_link(opened(session, token).link), media_id)
        if pixels not in previews.SIZES or detail.item.preview is not PreviewState.READY or detail.digest is None:
            raise NotFound(what="preview")
        mount = mount_of(session, station().places, detail.drive_id)
    path = previews.path_of(detail.digest, pixels)
    return deliver(mount, path, name=f"{media_id}.webp", mime="image/webp", cache="private, max-age=3600")


@blueprint.get("/<int:media_id>/original")
@public
def original(token: str, media_id: int) -> Response:
    """The file as it came; ``?download`` as a download."""
    with station().db.reading() as session:
        detail = timeline.detail(session, visible.by_link(opened(session, token).link), media_id)
        mount = mount_of(session, station().places, detail.drive_id)
    with room.opened(mount) as root:
        kind = format_of(head_of(root, detail.path))
    mime = kind.mime if kind else "application/octet-stream"
    return deliver(mount, detail.path, name=safe_name(detail.name), mime=mime, download="download" in request.args)


@blueprint.post("/upload")
@public
def upload(token: str) -> ResponseReturnValue:
    """Photos and videos from a guest, into the album; they belong to its owner."""
    with station().db.reading() as session:
        found = opened(session, token)
    if not found.link.may_upload:
        raise NotFound(what="link")
    files = [file for file in request.files.getlist("files") if file.filename]
    try:
        if not files:
            raise Invalid({"files": N_("Choose at least one file.")})
        stored = [_take(found, file) for file in files]
    except ApplianceError as error:
        return _page(token, problems_of(error), error.status)
    media_ids = [each.media_id for each in stored if each.media_id is not None]
    with station().db.writing() as session:
        service.add(session, found.owner, found.album.id, media_ids)
    if request.headers.get("Accept") == "application/json":
        return {"stored": len(stored)}, 201
    return redirect(url_for(".page", token=token, sent=len(stored)), 303)


def _take(found: Opened, file: FileStorage) -> Stored:
    """One file through the same door as everybody's.  Raises NoPhoto, TooLargeForGuests, EnoughForNow, OutOfSpace."""
    name, here = file.filename or "", station()
    file.stream.seek(0, 2)
    size = file.stream.tell()
    file.stream.seek(0)
    if size > LARGEST:
        raise TooLargeForGuests(name=name[:100])
    if format_of(file.stream.read(1024)) is None:
        raise NoPhoto(name=name[:100])
    file.stream.seek(0)
    with here.db.writing() as session:
        gifts.ask(session, found.link.id, size)
    with here.db.reading() as session:
        mount = room.choose(hot_mounts(session, here.places), size)
    part = spool.receive(mount, file.stream.read, LARGEST)
    try:
        return uploads().door.take(mount, part, Arrival(found.owner.id, found.owner.folder, name))
    except (ApplianceError, OSError):
        spool.discard(mount, part)
        raise
