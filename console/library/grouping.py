"""Taking apart what is shown as one, and leaving it to the station again; putting together is among ``choosing``."""

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext

from appliance.errors import ApplianceError
from appliance.library import groupings
from console.access import me, signed_in
from console.library.looking import within
from console.shell import problems_of
from console.station import station


def add_to(blueprint: Blueprint) -> None:
    """Put this address among those of the photos."""
    blueprint.add_url_rule("/<int:media_id>/grouping", "grouping", grouping, methods=["POST"])


@signed_in
def grouping(media_id: int) -> ResponseReturnValue:
    """``apart``: all of the group one by one; ``alone``: this one by itself; ``guess``: as the station thinks."""
    wanted = request.form.get("as", "")
    try:
        with station().db.writing() as session:
            if wanted == "apart":
                count = groupings.take_apart(session, me(), media_id)
                words = ngettext(
                    "%(num)s photo is shown by itself now.", "%(num)s photos are shown one by one now.", count
                )
            elif wanted == "alone":
                groupings.take_out(session, me(), media_id)
                words = gettext("It is shown by itself now.")
            else:
                groupings.guess(session, me(), media_id)
                words = gettext("The station decides again what belongs together.")
        flash(words, "done")
    except ApplianceError as error:
        flash(" ".join(problems_of(error).values()), "problem")
    return redirect(url_for("library.item", media_id=media_id, **within()), 303)
