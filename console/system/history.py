"""History: everything that happened, newest first; who did it and from where.  The audit log of the station."""

from flask import request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select

from appliance import events
from appliance.people.models import User
from console.access import admin_only
from console.shell import show
from console.station import station
from console.system.room import blueprint

A_PAGE = 50


def rooms() -> dict[str, str]:
    """What a kind of event can start with, in the family's words."""
    return {
        "people": gettext("People and sign-ins"),
        "drive": gettext("Drives"),
        "power": gettext("Power of drives"),
        "backup": gettext("Copies"),
        "restore": gettext("Restores"),
        "library": gettext("Photos and files"),
        "job": gettext("Activity"),
        "schedule": gettext("Schedules"),
        "health": gettext("Health"),
        "settings": gettext("Settings"),
        "plugin": gettext("Plugins"),
    }


@blueprint.get("/history")
@admin_only
def history_page() -> ResponseReturnValue:
    """One page of events; ``before`` is the last one of the page before."""
    person, room, before = _number("person"), request.args.get("room", ""), _number("before")
    with station().db.reading() as session:
        found = events.listing(session, actor_id=person, room=room, before=before, limit=A_PAGE + 1)
        people = {user.id: user for user in session.scalars(select(User).order_by(User.name))}
    more = found[A_PAGE - 1].id if len(found) > A_PAGE else None
    return show(
        "system/history.html",
        "log",
        found=found[:A_PAGE],
        more=more,
        people=people,
        rooms=rooms(),
        person=person,
        room=room,
        before=before,
    )


def _number(name: str) -> int | None:
    text = request.args.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
