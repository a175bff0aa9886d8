"""Resumable uploads of guests (tus 1.0): a film of a wedding over a poor line; photos and films, into the album.

As :mod:`console.library.tus`, but nobody is signed in: the link is asked at every step, an upload is only its own
link's, and nothing that is said of folder or hash is believed.  What it is, its first bytes must show.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any

from flask import Response, jsonify, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.http import http_date

from appliance.errors import ApplianceError, Invalid, NotFound
from appliance.library.albums import gifts
from appliance.library.albums.links import Opened
from appliance.library.formats import HEAD, format_of
from appliance.library.models import Upload
from appliance.library.uploads import Wanted
from appliance.words import N_
from console.access import public
from console.albums.guests import NoPhoto, NotOpen, TooLargeForGuests, blueprint, opened
from console.library.receiving import moment, number, uploads
from console.library.tus import PIECE, VERSION, NotAPiece, WrongVersion
from console.station import station

__all__ = ["blueprint"]


def _as_program(view: Callable[..., ResponseReturnValue]) -> Callable[..., ResponseReturnValue]:
    """Errors as programs read them, and tus's header on every answer."""

    def answered(**parts: Any) -> ResponseReturnValue:
        request.max_content_length = None
        try:
            made = Response(*_parts(view(**parts)))
        except NotOpen:
            made = Response("{}", 401, content_type="application/json")
        except ApplianceError as error:
            made = _told(error)
        made.headers["Tus-Resumable"] = VERSION
        made.headers["Cache-Control"] = "no-store"
        return made

    answered.__name__ = view.__name__
    return public(answered)


def _parts(answer: Any) -> tuple[Any, ...]:
    body, status, headers = answer
    return body, status, headers


def _told(error: ApplianceError) -> Response:
    said = jsonify(error.as_json())
    said.status_code = error.status
    return said


def _link(token: str) -> Opened:
    """The link, if it holds, was unlocked, and takes photos.  Raises NotFound, NotOpen."""
    with station().db.reading() as session:
        found = opened(session, token)
    if not found.link.may_upload:
        raise NotFound(what="link")
    if request.headers.get("Tus-Resumable") != VERSION:
        raise WrongVersion()
    return found


@blueprint.post("/uploads")
@_as_program
def begin_upload(token: str) -> ResponseReturnValue:
    """Begin an upload; its first piece may come along."""
    found, size = _link(token), number("Upload-Length")
    name = _said().get("filename", "")[:200]
    if size > gifts.LARGEST:
        raise TooLargeForGuests(name=name[:100])
    if size == 0:
        raise NoPhoto(name=name[:100])
    upload, mount = uploads().create(found.owner, Wanted(name, size, modified=moment(_said().get("modified"))))
    try:
        with station().db.writing() as session:
            gifts.name_upload(session, found.link.id, upload.id, size)
        offset = 0
        if request.mimetype == PIECE:
            read = _shown(upload, 0)
            offset = uploads().append(found.owner, upload, mount, 0, read, None)
    except (gifts.EnoughForNow, NoPhoto):
        uploads().terminate(upload, mount)
        raise
    _finished(found, upload, offset)
    address = url_for(".upload_piece", token=token, tag=mount.tag, upload_id=upload.id)
    return "", 201, {"Location": address, "Upload-Offset": str(offset), "Upload-Expires": http_date(upload.expires)}


@blueprint.route("/uploads/<tag>/<upload_id>", methods=["HEAD", "PATCH", "DELETE"])
@_as_program
def upload_piece(token: str, tag: str, upload_id: str) -> ResponseReturnValue:
    """How far an upload is; a piece of it; or it is given up."""
    found = _link(token)
    with station().db.reading() as session:
        gifts.check(session, found.link.id, upload_id)
    upload, mount = uploads().find(found.owner, tag, upload_id)
    if request.method == "DELETE":
        uploads().terminate(upload, mount)
        return "", 204, {}
    if request.method == "HEAD":
        offset = uploads().offset(found.owner, upload, mount)
        _finished(found, upload, offset)
        return "", 200, {"Upload-Offset": str(offset), "Upload-Length": str(upload.size)}
    if request.mimetype != PIECE:
        raise NotAPiece()
    at = number("Upload-Offset")
    if mount is None:
        raise NotFound(what="upload")
    try:
        offset = uploads().append(found.owner, upload, mount, at, _shown(upload, at), None)
    except NoPhoto:
        uploads().terminate(upload, mount)
        raise
    _finished(found, upload, offset)
    return "", 204, {"Upload-Offset": str(offset), "Upload-Expires": http_date(upload.expires)}


def _shown(upload: Upload, offset: int) -> Callable[[int], bytes]:
    """Reads the body; the first bytes of a file must be those of a photo or film.  Raises NoPhoto."""
    if offset:
        return request.stream.read
    first = bytearray()
    while len(first) < min(HEAD, upload.size) and (block := request.stream.read(HEAD - len(first))):
        first += block
    if format_of(bytes(first)) is None:
        raise NoPhoto(name=upload.name[:100])
    waiting = [bytes(first)]
    return lambda count: waiting.pop() if waiting else request.stream.read(count)


def _finished(found: Opened, upload: Upload, offset: int) -> None:
    if offset == upload.size:
        with station().db.writing() as session:
            gifts.into_album(session, found, upload.id)


def _said() -> dict[str, str]:
    """``Upload-Metadata``; of it only name and date count."""
    said: dict[str, str] = {}
    for pair in request.headers.get("Upload-Metadata", "").split(","):
        key, _, encoded = pair.strip().partition(" ")
        try:
            said[key] = base64.b64decode(encoded, validate=True).decode("utf-8", "replace")
        except binascii.Error:
            raise Invalid({"Upload-Metadata": N_("This is not base64.")}) from None
    return said
