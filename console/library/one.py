"""One photo: what its owner says of it, and what else its page shows."""

from typing import Any

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from htmx_flask import request as htmx_request
from sqlalchemy.orm import Session

from appliance.errors import Invalid
from appliance.library import notes, timeline, visible
from appliance.library.albums import service as albums
from appliance.library.notes import Change, tags_in
from appliance.library.timeline import Detail
from appliance.people.models import User
from appliance.words import N_
from console.access import me, signed_in
from console.library.looking import within
from console.shell import problems_of, show
from console.station import station


def add_to(blueprint: Blueprint) -> None:
    """Put this address among those of the photos."""
    blueprint.add_url_rule("/<int:media_id>/say", "say", say, methods=["POST"])


def about(session: Session, user: User, found: Detail) -> dict[str, Any]:
    """What the page says of a photo besides its picture."""
    mine = found.user_id == user.id
    return {
        "said": notes.of(session, [found.item.id])[found.item.id],
        "mine": mine,
        "owner": None if mine else session.get_one(User, found.user_id),
        "known_tags": notes.known_tags(session, user) if mine else [],
        "fillable": albums.fillable(session, user),
        "inside": albums.holding(session, user, found.item.id),
        "best": notes.BEST,
    }


@signed_in
def say(media_id: int) -> ResponseReturnValue:
    """Say something of one's own photo: only the fields that were sent change."""
    user, problems = me(), dict[str, str]()
    try:
        change = change_in(request.form)
        with station().db.writing() as session:
            notes.edit(session, user, [media_id], change)
    except Invalid as error:
        problems = problems_of(error)
    if not problems and not (htmx_request.htmx and not htmx_request.htmx.boosted):
        return redirect(url_for("library.item", media_id=media_id, **within()), 303)
    with station().db.reading() as session:
        found = timeline.detail(session, visible.changeable_by(user), media_id)
        context = about(session, user, found)
    status = 422 if problems else 200
    typed = request.form if problems else None
    return show(
        "library/_said.html", "said", status, detail=found, item=found.item, problems=problems, typed=typed,
        within=within(), **context,
    )  # fmt: skip


def change_in(form: Any) -> Change:
    """What a form wants to be different.  Raises Invalid."""
    return Change(
        title=form.get("title"),
        description=form.get("description"),
        favourite=_flag(form.get("favourite")),
        rating=_stars(form.get("rating")),
        shared=_flag(form.get("shared")),
        tags=tags_in(form["tags"]) if "tags" in form else None,
    )


def _flag(text: str | None) -> bool | None:
    return None if text is None else text == "1"


def _stars(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 2:
        raise Invalid({"rating": N_("Choose 0 to 5 stars.")})
    return int(text)
