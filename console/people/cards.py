"""The recovery card: made, printed, renewed, given up.  Its code is on the page that answers, and nowhere after."""

from flask import Blueprint
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from appliance.errors import ApplianceError
from appliance.people import recovery_card
from appliance.people import service as people
from appliance.people.models import Role, UserState
from console.access import admin_only, by
from console.people.confirming import confirm
from console.qr import drawn
from console.shell import done, problems_of, show
from console.station import station


def add_to(blueprint: Blueprint) -> None:
    """Its pages, in the people's room."""
    blueprint.add_url_rule("/recovery-card", "recovery_card_page", recovery_card_page)
    blueprint.add_url_rule("/recovery-card", "make_recovery_card", make_recovery_card, methods=["POST"])
    blueprint.add_url_rule("/recovery-card/give-up", "give_up_recovery_card", give_up_recovery_card, methods=["POST"])


@admin_only
def recovery_card_page() -> ResponseReturnValue:
    """Whether there is one, and what it is for."""
    return _page({})


def _page(problems: dict[str, str], status: int = 200, code: str = "") -> ResponseReturnValue:
    with station().db.reading() as session:
        card = recovery_card.current(session)
        able = (Role.ADMIN, UserState.ACTIVE)
        admins = [user.name for user in people.listing(session) if (user.role, user.state) == able]
    picture = drawn(code) if code else ""
    return show(
        "people/recovery_card.html", "", status, card=card, code=code, picture=picture, admins=admins, problems=problems
    )


@admin_only
def make_recovery_card() -> ResponseReturnValue:
    """A new one; the answer is the page to print."""
    try:
        with station().db.writing() as session:
            confirm(session)
            code = recovery_card.make(session, by())
    except ApplianceError as error:
        return _page(problems_of(error), error.status)
    return _page({}, code=code)


@admin_only
def give_up_recovery_card() -> ResponseReturnValue:
    """None is good any more."""
    try:
        with station().db.writing() as session:
            confirm(session)
            recovery_card.give_up(session, by())
    except ApplianceError as error:
        return _page(problems_of(error), error.status)
    return done(gettext("The recovery card is no longer good."), "people.recovery_card_page")
