"""The family's library: what somebody made "ours", everybody's together, newest first."""

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from appliance.library import timeline
from appliance.library.albums import service as albums
from appliance.library.timeline import Key
from console.access import me, signed_in
from console.library import grid
from console.library.looking import OURS
from console.shell import show
from console.station import station


def add_to(blueprint: Blueprint) -> None:
    """Put this address among those of the photos."""
    blueprint.add_url_rule("/ours", "ours", ours)


@signed_in
def ours() -> ResponseReturnValue:
    """From the newest, or after a key; htmx asks for the next page alone."""
    after = timeline.key_in(request.args.get("after"))
    choosing = "choose" in request.args
    with station().db.reading() as session:
        items = timeline.family_page(session, after)
        fillable = albums.fillable(session, me())
    last = items[-1] if len(items) == timeline.PAGE else None
    return show(
        "library/ours.html",
        "more",
        items=grid.with_months(items, request.args.get("seen", type=int)),
        next=url_for(".ours", after=str(Key(last.taken, last.id)), seen=last.month, choose=1 if choosing else None)
        if last
        else "",
        shape=grid.shape,
        length=grid.length,
        caption=grid.captions(),
        within=f"?in={OURS}",
        fillable=fillable,
        choosing=choosing,
        begins=after is None,
        nothing=not items and after is None,
    )
