"""Keys for programs: the REST API's tokens of the admin who looks.  A new one is shown once and never again."""

from flask import request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from appliance.errors import ApplianceError
from appliance.people import service, tokens
from console.access import admin_only, by, me
from console.shell import done, problems_of, show
from console.station import station
from console.system.room import blueprint


@blueprint.get("/keys")
@admin_only
def keys_page() -> ResponseReturnValue:
    """What the API is, and the keys there are."""
    return _keys()


def _keys(problems: dict[str, str] | None = None, status: int = 200, secret: str = "") -> ResponseReturnValue:
    with station().db.reading() as session:
        rows = tokens.listing(session, me().id)
    return show(
        "system/keys.html",
        "keys",
        status,
        rows=rows,
        secret=secret,
        problems=problems or {},
        name=request.form.get("name", "") if problems else "",
    )


@blueprint.post("/keys")
@admin_only
def make_key() -> ResponseReturnValue:
    """A new key.  Its text is in this one answer only, so there is no redirect that could carry it elsewhere."""
    try:
        with station().db.writing() as session:
            myself = service.get(session, me().id)
            service.confirm(session, by(), myself, request.form.get("own_password", ""), "own_password")
            _, text = tokens.create(session, by(), myself, request.form.get("name", ""))
    except ApplianceError as error:
        return _keys(problems_of(error), error.status)
    return _keys(secret=text)


@blueprint.post("/keys/<int:token_id>/end")
@admin_only
def end_key(token_id: int) -> ResponseReturnValue:
    """A program loses its key."""
    with station().db.writing() as session:
        tokens.revoke(session, by(), service.get(session, me().id), token_id)
    return done(gettext("That key no longer opens anything."), "system.keys_page")
