"""The API's blueprint, with every room of endpoints; and its description, for machines and for people."""

import json
from itertools import groupby

from flask import Response, current_app, render_template

from console.access import ADMIN, PUBLIC, signed_in
from console.api import (
    albums,
    backup,
    drives,
    folders,
    jobs,
    library,
    people,
    phones,
    recovery,
    restore,
    saying,
    session,
    system,
    tokens,
)
from console.api.routes import core, endpoints, foreign

__all__ = [
    "albums",
    "backup",
    "blueprint",
    "drives",
    "folders",
    "jobs",
    "library",
    "people",
    "phones",
    "recovery",
    "restore",
    "saying",
    "session",
    "system",
    "tokens",
]
blueprint = core.blueprint


@blueprint.get("/openapi.json")
@signed_in
def document() -> Response:
    """The OpenAPI 3.1 document; made once per process."""
    made = current_app.extensions.get("everpx.openapi")
    if made is None:
        from console.api import openapi  # with pydantic: 8 MiB that only this address needs, saying

        made = current_app.extensions["everpx.openapi"] = json.dumps(openapi.document(endpoints(), foreign()))
    return Response(made, mimetype="application/json")


@blueprint.get("/")
@signed_in
def index() -> str:
    """What there is, for reading."""
    listed = sorted(endpoints(), key=lambda e: (e.room, e.path, e.method))
    rooms = {room: list(inside) for room, inside in groupby(listed, key=lambda e: e.room)}
    return render_template("api/index.html", rooms=rooms, admin=ADMIN, public=PUBLIC)
