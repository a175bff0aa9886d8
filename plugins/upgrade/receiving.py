"""Where bundles are sent to: tus 1.0.0 with creation and termination, into the station's own folder."""

from flask import Blueprint, Response, request, url_for
from flask.typing import ResponseReturnValue

from console.access import admin_only
from console.api import auth
from console.library.receiving import number
from console.library.tus import PIECE, VERSION, NotAPiece, WrongVersion
from console.station import station
from plugins.upgrade import incoming

blueprint = Blueprint("upgrade_receiving", __name__)
auth.protect(blueprint)
ADDRESS = "/api/v1/plugins/upgrade/bundles"


@blueprint.after_request
def _tus_headers(response: Response) -> Response:
    response.headers["Tus-Resumable"] = VERSION
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post(ADDRESS)
@admin_only
def create() -> ResponseReturnValue:
    """Begin to send one; what was sent before goes."""
    _speaks_tus()
    part = incoming.create(station().places, number("Upload-Length"))
    return "", 201, {"Location": url_for("upgrade_receiving.head", name=part.name), "Upload-Offset": "0"}


@blueprint.route(f"{ADDRESS}/<name>", methods=["HEAD"])
@admin_only
def head(name: str) -> ResponseReturnValue:
    """How far it is; one that is complete is named first, so that "all" always means stored."""
    _speaks_tus()
    part = incoming.finish(station().places, name)
    return "", 200, {"Upload-Offset": str(part.arrived), "Upload-Length": str(part.size)}


@blueprint.patch(f"{ADDRESS}/<name>")
@admin_only
def patch(name: str) -> ResponseReturnValue:
    """The next piece."""
    _speaks_tus()
    if request.mimetype != PIECE:
        raise NotAPiece()
    part = incoming.append(station().places, name, number("Upload-Offset"), request.stream.read)
    return "", 204, {"Upload-Offset": str(part.arrived)}


@blueprint.delete(f"{ADDRESS}/<name>")
@admin_only
def terminate(name: str) -> ResponseReturnValue:
    """Give it up."""
    _speaks_tus()
    incoming.find(station().places, name).path.unlink(missing_ok=True)
    return "", 204


def _speaks_tus() -> None:
    if request.headers.get("Tus-Resumable") != VERSION:
        raise WrongVersion()
