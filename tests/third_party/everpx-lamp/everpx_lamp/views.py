"""The plugin's page: how the relay is, and the lamp."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from appliance.errors import ApplianceError
from appliance.jobs.plan import Plan, Rhythm
from appliance.words import N_, Message
from console.access import admin_only, me
from console.shell import done, show
from console.station import station
from console.translate import say
from everpx_lamp import relay, service

blueprint = Blueprint("lamp", __name__, template_folder="templates")


@blueprint.get("/")
@admin_only
def page() -> ResponseReturnValue:
    """How it stands."""
    with station().db.reading() as session:
        where = service.address(session)
    return show("lamp/page.html", "lamp", state=_state(where), switchings=service.switchings(station().places))


def _state(where: str) -> Message:
    if not where:
        return Message(N_("Say first where the relay is."))
    try:
        return Message(N_("The relay is on.")) if relay.is_on(where) else Message(N_("The relay is off."))
    except ApplianceError as error:
        return error.message


@blueprint.post("/blink")
@admin_only
def blink() -> ResponseReturnValue:
    """Now."""
    with station().db.writing() as session:
        service.start_blinking(session, me().id)
    return done(say(Message(N_("The lamp blinks."))), "lamp.page")


@blueprint.post("/weekly")
@admin_only
def weekly() -> ResponseReturnValue:
    """Every Sunday at noon."""
    with station().db.writing() as session:
        service.plan_blinking(session, Plan(Rhythm.WEEKLY, hour=12, days=(6,)))
    return done(say(Message(N_("The lamp blinks every Sunday."))), "lamp.page")
