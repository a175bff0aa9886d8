"""The addresses of WebDAV: ``/dav/``, and the two under which Nextcloud's clients know the same files.

What is behind them is imported when the first device comes: a station without one does not carry it.
"""

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request, url_for
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from werkzeug.routing import PathConverter

from appliance.errors import ApplianceError, NotFound
from appliance.people.models import User
from appliance.people.names import folded
from console.access import csrf, public
from console.deliver import deliver
from console.devices import for_devices, owner
from plugins.webdav import nextcloud

if TYPE_CHECKING:
    from plugins.webdav.tree import Entry

blueprint = Blueprint("webdav_files", __name__)
csrf.exempt(blueprint)  # only devices come here, by their password; a browser's cookie opens nothing
METHODS = [
    "OPTIONS", "GET", "HEAD", "PUT", "DELETE", "MKCOL", "MOVE", "COPY", "PROPFIND", "PROPPATCH", "LOCK", "UNLOCK",
    "REPORT", "SEARCH",
]  # fmt: skip
LARGEST_QUESTION = 1 << 20  # bytes of XML
ANYWHERE: dict[str, Any] = {"methods": METHODS, "provide_automatic_options": False}


class Rest(PathConverter):
    """Whatever follows, also nothing."""

    regex = ".*?"
    part_isolating = False


@blueprint.record_once
def _converter(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["rest"] = Rest


nextcloud.add_to(blueprint)


@blueprint.before_request
def _any_length() -> None:
    """Files have no limit but the drive's."""
    request.max_content_length = None


@blueprint.after_request
def _tidy(response: Response) -> Response:
    response.headers.setdefault("DAV", "1, 2")
    return response


@blueprint.errorhandler(ApplianceError)
def _expected(error: ApplianceError) -> ResponseReturnValue:
    """As clients of Nextcloud show it to people."""
    from wsgidav.dav_error import DAVError

    from plugins.webdav.server import refusal

    made = refusal(DAVError(error.status, str(error)))
    return Response(made.body, made.status, made.headers)


@blueprint.route("/dav", methods=["GET", "PROPFIND"], provide_automatic_options=False)
@public
def short() -> ResponseReturnValue:
    """As people type it."""
    return "", 308, {"Location": url_for("webdav_files.plain", path="")}


@blueprint.route("/dav/<rest:path>", **ANYWHERE)
@for_devices
def plain(path: str) -> ResponseReturnValue:
    """For file managers, rclone and whatever else speaks WebDAV."""
    return serve("/dav", path)


@blueprint.route("/remote.php/<rest:path>", **ANYWHERE)
@for_devices
def remote(path: str) -> ResponseReturnValue:
    """The same files as clients of Nextcloud know them, and ``webdav`` as ownCloud's first ones did."""
    from plugins.webdav import chunks, search, trash

    kind, _, rest = path.partition("/")
    if kind == "webdav":
        return serve("/remote.php/webdav", rest)
    if kind != "dav":
        raise NotFound(what="file")
    room, _, rest = rest.partition("/")
    if not room:
        return search.serve()
    name, _, rest = rest.partition("/")
    check_name(name)
    share = f"/remote.php/dav/{room}/{name}"
    if room == "files":
        return search.report(share, rest) if request.method == "REPORT" else serve(share, rest)
    if room == "uploads":
        return chunks.serve(share, rest)
    if room == "trashbin":
        return trash.serve(share, rest)
    raise NotFound(what="file")


def check_name(name: str) -> None:
    """Raises NotFound for the address of somebody else."""
    user = owner()
    if folded(name) not in (folded(user.name), folded(user.folder)):
        raise NotFound(what="file")


def serve(share: str, path: str) -> ResponseReturnValue:
    """One request on the tree of the device's owner."""
    from plugins.webdav import bodies
    from plugins.webdav.door import door
    from plugins.webdav.server import Server, answer, prepared
    from plugins.webdav.tree import parts_in

    if request.method != "PUT" and (request.content_length or 0) > LARGEST_QUESTION:
        return "", 413
    provider = provider_of(owner(), share)

    def put(at: str, there: "Entry | None") -> None:
        bodies.store(door().changes, provider.tree, parts_in(at), there)

    server = Server(provider, put)
    environ = prepared(request.environ | {"wsgi.input": request.stream}, provider, f"/{path}", owner().name)
    if request.method in ("GET", "HEAD"):
        return _send(server, environ)
    made = answer(server, environ)
    return Response(made.body, made.status, made.headers)


def provider_of(user: User, share: str) -> Any:
    """The tree of a person under an address."""
    from plugins.webdav.door import door
    from plugins.webdav.resources import Provider

    here = door()
    provider = Provider(here.trees.of(user), here.changes, share, here.name)
    provider.set_lock_manager(here.locks)
    provider.set_prop_manager(here.properties)
    return provider


def _send(server: Any, environ: dict[str, Any]) -> ResponseReturnValue:
    """A file, by nginx where it is in front; ranges are its business."""
    from wsgidav.dav_error import DAVError

    from plugins.webdav.server import refusal

    try:
        found = server.conditions(environ)
    except DAVError as error:
        made = refusal(error)
        return Response(made.body, made.status, made.headers)
    entry = found.entry
    response = deliver(
        entry.place.mount, entry.place.path, name=entry.name, mime=found.get_content_type(), download=True
    )
    response.headers["ETag"] = response.headers["OC-ETag"] = f'"{entry.etag}"'
    if entry.row and entry.row.checksum:
        response.headers["OC-Checksum"] = entry.row.checksum
    return response
