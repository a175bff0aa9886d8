"""How an endpoint is declared: a function whose annotations are its documentation.

    @route("POST", "/people", summary="Add a person", access=admin_only, status=201)
    def add(body: AddPerson) -> PersonView: ...

A plugin has a ``Room`` of its own, whose addresses begin with ``/plugins/<name>`` (the hook ``api_room``).

``body`` is read from JSON and ``query`` from the query string, both into their dataclass; every other parameter comes
from the path.  What is returned becomes JSON; None is 204.  Whatever fails is an ``ApplianceError`` and looks the same
everywhere: ``{"error": code, "message": sentence, "hint": sentence, "problems"?: {field: sentence}}``.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue

from appliance.errors import ApplianceError, NotFound
from appliance.words import N_
from console.access import signed_in
from console.api import auth, shapes
from console.api.foreign import FOREIGN

LARGEST_BODY = 1024 * 1024  # bytes of JSON

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Endpoint:
    """One method of one path, as declared."""

    method: str
    path: str  # below /api/v1, as Flask writes it: "/people/<int:user_id>"
    summary: str
    access: str  # PUBLIC, SIGNED_IN or ADMIN
    status: int
    function: Callable[..., Any]
    room: str  # what it is listed under
    name: str  # unique

    @property
    def hints(self) -> dict[str, Any]:
        """Types of the parameters and of ``return``."""
        return get_type_hints(self.function)


class BadJson(ApplianceError):
    """The body cannot be read as JSON at all."""

    code, status, template = "bad_json", 400, N_("The body is not JSON: {why}")


class NotJson(ApplianceError):
    """A body of another type: a form of a foreign page could send that, JSON it cannot."""

    code, status, template = "not_json", 415, N_("Send JSON, with Content-Type: application/json.")


class TooLarge(ApplianceError):
    """More than any request of this API needs."""

    code, status, template = "too_large", 413, N_("A request may have at most 1 MiB.")


class Room:
    """Endpoints that come and go together: the core's, or a plugin's."""

    def __init__(self, plugin: str = "") -> None:
        self.plugin, self.endpoints = plugin, list[Endpoint]()
        self.foreign: dict[str, dict[str, Any]] = {}  # by path: what is not JSON, described by hand (foreign.py)
        name = f"api_{plugin}" if plugin else "api"
        self.blueprint = Blueprint(name, __name__, url_prefix="/api/v1", template_folder="templates")
        auth.protect(self.blueprint)

    def route(
        self, method: str, path: str, *, summary: str, access: Callable[[Any], Any] = signed_in, status: int = 200
    ) -> Callable[[View], View]:
        """Declare an endpoint; ``access`` is one of console.access's marks."""
        if self.plugin:
            path = f"/plugins/{self.plugin}{path}"
        room = self.plugin or path.split("/")[1]

        def register(function: View) -> View:
            def view(**parts: Any) -> ResponseReturnValue:
                return answer(function, parts, status)

            marked = access(view)
            view.__doc__ = function.__doc__
            module = function.__module__.rpartition(".")[2]
            name = f"{self.plugin}_{module}_{function.__name__}".lstrip("_")
            self.blueprint.add_url_rule(path, name, marked, methods=[method])
            level = marked.everpx_access
            self.endpoints.append(Endpoint(method, path, summary, level, status, function, room, name))
            return function

        return register


core = Room()
core.foreign = FOREIGN
route = core.route


def endpoints() -> list[Endpoint]:
    """Of this application: the core's, and those of the plugins that are on."""
    rooms: list[Room] = current_app.extensions["everpx.api"]
    return [endpoint for room in rooms for endpoint in room.endpoints]


def foreign() -> dict[str, dict[str, Any]]:
    """Of this application: what is described by hand."""
    rooms: list[Room] = current_app.extensions["everpx.api"]
    return {path: operations for room in rooms for path, operations in room.foreign.items()}


def answer(function: Callable[..., Any], parts: dict[str, Any], status: int) -> ResponseReturnValue:
    """Call an endpoint's function with what the request says, and turn its result into an answer."""
    if any(isinstance(part, int) and part > shapes.LARGEST for part in parts.values()):
        raise NotFound(what="thing")
    hints = _hints(function)
    if "body" in hints:
        parts["body"] = shapes.build(hints["body"], read_json())
    if "query" in hints:
        parts["query"] = shapes.build(hints["query"], request.args.to_dict(), text=True)
    result = function(**parts)
    if isinstance(result, Response):
        return result
    if result is None:
        return "", 204
    text = json.dumps(shapes.dump(result), ensure_ascii=False)
    # a name on an old drive need not be UTF-8; what cannot be shown becomes "?"
    return Response(text.encode("utf-8", "replace"), status, mimetype="application/json")


_known_hints: dict[Callable[..., Any], dict[str, Any]] = {}


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    if function not in _known_hints:
        _known_hints[function] = get_type_hints(function)
    return _known_hints[function]


def read_json() -> object:
    """The request's body.  Raises NotJson, TooLarge or BadJson."""
    if request.mimetype != "application/json":
        raise NotJson()
    raw = request.stream.read(LARGEST_BODY + 1)
    if len(raw) > LARGEST_BODY:
        raise TooLarge()
    try:
        parsed: object = json.loads(raw or b"{}")
    except (ValueError, RecursionError) as error:
        raise BadJson(why=str(error)[:200]) from None
    return parsed
