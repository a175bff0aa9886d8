"""One photo among others: which come before and after it, where the way back leads, and what its owner says of it."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from htmx_flask import request as htmx_request
from sqlalchemy.orm import Session

from appliance.errors import Invalid
from appliance.library import notes, timeline, visible
from appliance.library.albums import service as albums
from appliance.library.notes import Change, tags_in
from appliance.library.timeline import Detail, Key
from appliance.people.models import User
from appliance.words import N_
from console.access import me, signed_in
from console.shell import problems_of, show
from console.station import station

OURS = "ours"


@dataclass(frozen=True)
class Around:
    """The neighbours of a photo in what is being looked through, the way back, and how links say what that is."""

    newer: int | None
    older: int | None
    back: str
    within: dict[str, Any]


def add_to(blueprint: Blueprint) -> None:
    """Put this address among those of the photos."""
    blueprint.add_url_rule("/<int:media_id>/say", "say", say, methods=["POST"])


def around(session: Session, user: User, found: Detail) -> Around:
    """In the album that ``album`` names, among what is "ours" (``in=ours``), else in one's own timeline."""
    item = found.item
    key = str(Key(item.taken, item.id + 1))
    if album_id := request.args.get("album", type=int):
        album = albums.get(session, user, album_id)
        before, after = albums.neighbours(session, album, visible.by_person(user), item.id)
        return Around(before, after, url_for("albums.one", album_id=album_id), {"album": album_id})
    if request.args.get("in") == OURS:
        newer, older = timeline.family_neighbours(session, item)
        return Around(newer, older, url_for("library.ours", after=key), {"in": OURS})
    if found.user_id != user.id:
        return Around(None, None, url_for("library.photos"), {})
    newer, older = timeline.neighbours(session, user.id, item)
    return Around(newer, older, url_for("library.photos", after=key), {})


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
        return redirect(url_for("library.item", media_id=media_id, **_within()), 303)
    with station().db.reading() as session:
        found = timeline.detail(session, visible.changeable_by(user), media_id)
        context = about(session, user, found)
    status = 422 if problems else 200
    typed = request.form if problems else None
    return show(
        "library/_said.html", "said", status, detail=found, item=found.item, problems=problems, typed=typed,
        within=_within(), **context,
    )  # fmt: skip


def _within() -> dict[str, Any]:
    return {name: request.args[name] for name in ("album", "in") if name in request.args}


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
