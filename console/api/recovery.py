"""The recovery card by the API."""

from dataclasses import dataclass, field
from datetime import datetime

from appliance.people import recovery_card
from console.access import admin_only, by
from console.api import auth
from console.api.routes import route
from console.station import station


@dataclass(frozen=True)
class CardView:
    """When the card that counts was made; null when there is none."""

    made: datetime | None


@dataclass(frozen=True)
class NewCard:
    """Its code, this once."""

    code: str
    made: datetime


@dataclass(frozen=True)
class Sure:
    """A browser sends the caller's own password."""

    own_password: str = field(default="", repr=False)


@route("GET", "/recovery-card", summary="Whether there is a recovery card", access=admin_only)
def card() -> CardView:
    """With it and a drive, a new station takes this one's place when nobody knows a password."""
    with station().db.reading() as session:
        found = recovery_card.current(session)
        return CardView(found.made if found else None)


@route("POST", "/recovery-card", summary="Make a recovery card", access=admin_only, status=201)
def make(body: Sure) -> NewCard:
    """The one before is no longer good here, and on each drive after its next copy."""
    with station().db.writing() as session:
        auth.confirm(session, body.own_password)
        code = recovery_card.make(session, by())
        made = recovery_card.current(session)
        assert made is not None
        return NewCard(code, made.made)


@route("POST", "/recovery-card/end", summary="Have no recovery card", access=admin_only)
def end(body: Sure) -> None:
    """None is good any more."""
    with station().db.writing() as session:
        auth.confirm(session, body.own_password)
        recovery_card.give_up(session, by())
