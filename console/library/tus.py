"""Resumable uploads: tus 1.0.0 (tus.io) with creation, creation-with-upload, termination, checksum and expiration."""

import base64
import binascii

from flask import Blueprint, Response, request
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from werkzeug.http import http_date

from appliance.errors import ApplianceError, Invalid
from appliance.library.ingest import Ingest
from appliance.library.models import Upload
from appliance.library.pieces import ALGORITHMS
from appliance.library.uploads import LARGEST, Uploads, Wanted
from appliance.words import N_
from console.access import me, public, signed_in
from console.api import auth
from console.library import files
from console.library.receiving import body_on, checksum, digest_in, moment, number, uploads
from console.station import Station

blueprint = Blueprint("tus", __name__)
auth.protect(blueprint)
files.add_to(blueprint)
VERSION = "1.0.0"
PIECE = "application/offset+octet-stream"


@blueprint.record_once
def _open_door(state: BlueprintSetupState) -> None:
    here: Station = state.app.extensions["everpx"]
    state.app.extensions["everpx.uploads"] = Uploads(here.db, here.places, Ingest(here.db, here.places))


class WrongVersion(ApplianceError):
    """The client speaks another version of tus."""

    code, status, template = "tus_version", 412, N_("This station speaks tus 1.0.0.")


class NotAPiece(ApplianceError):
    """A PATCH with another kind of body."""

    code, status, template = "not_a_piece", 415, N_("Send pieces as application/offset+octet-stream.")


@blueprint.before_request
def _any_length() -> None:
    """Files have no limit but the drive's; forms keep the application's."""
    request.max_content_length = None


@blueprint.after_request
def _tus_headers(response: Response) -> Response:
    if request.path.startswith("/api/v1/uploads"):
        response.headers["Tus-Resumable"] = VERSION
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.route("/api/v1/uploads", methods=["OPTIONS"], provide_automatic_options=False)
@public
def options() -> ResponseReturnValue:
    """What this server can do."""
    return (
        "",
        204,
        {
            "Tus-Version": VERSION,
            "Tus-Max-Size": str(LARGEST),
            "Tus-Extension": "creation,creation-with-upload,termination,checksum,expiration",
            "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
        },
    )


@blueprint.post("/api/v1/uploads")
@signed_in
def create() -> ResponseReturnValue:
    """Begin an upload; its first piece may come along."""
    _speaks_tus()
    user, wanted = me(), _wanted(number("Upload-Length"))
    upload, mount = uploads().create(user, wanted)
    offset = 0
    if request.mimetype == PIECE or wanted.size == 0:
        offset = uploads().append(user, upload, mount, 0, request.stream.read, checksum())
    address = f"/api/v1/uploads/{mount.tag}/{upload.id}"
    return "", 201, {"Location": address, "Upload-Offset": str(offset)} | _expiry(upload)


@blueprint.route("/api/v1/uploads/<tag>/<upload_id>", methods=["HEAD"])
@signed_in
def head(tag: str, upload_id: str) -> ResponseReturnValue:
    """How far an upload is."""
    _speaks_tus()
    user = me()
    upload, mount = uploads().find(user, tag, upload_id)
    offset = uploads().offset(user, upload, mount)
    return "", 200, {"Upload-Offset": str(offset), "Upload-Length": str(upload.size)} | _expiry(upload)


@blueprint.patch("/api/v1/uploads/<tag>/<upload_id>")
@signed_in
def patch(tag: str, upload_id: str) -> ResponseReturnValue:
    """The next piece; the answer to the last one means that the file is safe on the drive."""
    _speaks_tus()
    if request.mimetype != PIECE:
        raise NotAPiece()
    user, offset, check = me(), number("Upload-Offset"), checksum()
    upload, mount = uploads().find(user, tag, upload_id)
    if mount is None:  # it has finished, and the client did not hear the answer
        return "", 204, {"Upload-Offset": str(upload.size)}
    if body := body_on(mount):
        offset = uploads().append_body(user, upload, mount, offset, body, check)
    else:
        offset = uploads().append(user, upload, mount, offset, request.stream.read, check)
    return "", 204, {"Upload-Offset": str(offset)} | _expiry(upload)


@blueprint.delete("/api/v1/uploads/<tag>/<upload_id>")
@signed_in
def terminate(tag: str, upload_id: str) -> ResponseReturnValue:
    """Give an upload up."""
    _speaks_tus()
    uploads().terminate(*uploads().find(me(), tag, upload_id))
    return "", 204


def _speaks_tus() -> None:
    if request.headers.get("Tus-Resumable") != VERSION:
        raise WrongVersion()


def _wanted(size: int) -> Wanted:
    """``Upload-Metadata: filename <base64>,modified <base64>,digest <base64>,folder <base64>,drive <base64>``."""
    said: dict[str, str] = {}
    for pair in request.headers.get("Upload-Metadata", "").split(","):
        key, _, encoded = pair.strip().partition(" ")
        try:
            said[key] = base64.b64decode(encoded, validate=True).decode("utf-8", "replace")
        except binascii.Error:
            raise Invalid({"Upload-Metadata": N_("This is not base64.")}) from None
    name = said.get("filename") or said.get("name") or ""
    folder, drive = said.get("folder", ""), said.get("drive", "")
    return Wanted(name, size, folder, moment(said.get("modified")), digest_in(said.get("digest")), drive)


def _expiry(upload: Upload) -> dict[str, str]:
    return {"Upload-Expires": http_date(upload.expires)}
