"""API tokens by the API."""

from dataclasses import dataclass, field
from datetime import datetime

from appliance.people import tokens
from appliance.people.models import ApiToken
from console.access import by, me
from console.api import auth
from console.api.routes import route
from console.station import station


@dataclass(frozen=True)
class TokenView:
    """A token, without its text."""

    id: int
    name: str
    created: datetime
    last_used: datetime | None


@dataclass(frozen=True)
class NewToken:
    """What it is for; a browser sends the caller's own password, too."""

    name: str
    own_password: str = field(default="", repr=False)


@dataclass(frozen=True)
class CreatedToken:
    """``text`` is shown this once."""

    token: TokenView
    text: str = field(repr=False)


def _view(row: ApiToken) -> TokenView:
    return TokenView(row.id, row.name, row.created, row.last_used)


@route("GET", "/tokens", summary="Your API tokens")
def listing() -> list[TokenView]:
    """Newest first."""
    with station().db.reading() as session:
        return [_view(row) for row in tokens.listing(session, me().id)]


@route("POST", "/tokens", summary="Create an API token", status=201)
def create(body: NewToken) -> CreatedToken:
    """It can do what you can."""
    with station().db.writing() as session:
        auth.confirm(session, body.own_password)
        row, text = tokens.create(session, by(), me(), body.name)
    return CreatedToken(_view(row), text)


@route("DELETE", "/tokens/<int:token_id>", summary="Revoke an API token")
def revoke(token_id: int) -> None:
    """Only your own."""
    with station().db.writing() as session:
        tokens.revoke(session, by(), me(), token_id)
