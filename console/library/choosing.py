"""What is done with many photos at once: chosen in the grid by keyboard, mouse or finger, or by checkboxes.

Everything but downloading and deleting changes words, not files, and can be undone as long as nobody says more; what is
deleted lies in the bin.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from htmx_flask import request as htmx_request
from sqlalchemy.orm import Session

from appliance.drives.mounts import mount_of
from appliance.errors import ApplianceError, Invalid, NotFound
from appliance.library import bin as bins
from appliance.library import catalogue, groupings, notes
from appliance.library.albums import service as albums
from appliance.library.notes import Change, tags_in
from appliance.words import N_
from console.access import me, signed_in
from console.shell import problems_of
from console.station import station

Notices = list[tuple[str, str]]  # words and their category
CONTRARY = {"favourite": "plain", "plain": "favourite", "ours": "mine", "mine": "ours", "tag": "untag", "untag": "tag"}


def add_to(blueprint: Blueprint) -> None:
    """Put these addresses among those of the photos."""
    blueprint.app_template_global("undo_facts")(undo_facts)
    blueprint.add_url_rule("/chosen", "chosen", chosen, methods=["POST"])
    blueprint.add_url_rule("/chosen/undo", "undo", undo, methods=["POST"])


@signed_in
def chosen() -> ResponseReturnValue:
    """Do something with the photos that were chosen, and go back to where they were."""
    back, action = _back(), request.form.get("action", "")
    notices: Notices
    try:
        ids = _ids()
        if action == "delete":
            notices = [(_into_the_bin(ids), "done")]
        else:
            in_words = _edit if action in CONTRARY else _together if action == "together" else _in_album
            with station().db.writing() as session:
                notices = in_words(session, ids, action)
    except ApplianceError as error:
        notices = [(" ".join(problems_of(error).values()), "problem")]
    for words, category in notices:
        flash(words, category)
    return _told(back, again=action in ("cover", "first", "last", "together"))


def _told(back: str, *, again: bool) -> ResponseReturnValue:
    """The notices: on the page as it is for htmx, else on the page that comes back."""
    if not htmx_request.htmx or htmx_request.htmx.boosted:
        return redirect(back, 303)
    return ("", 204, {"HX-Redirect": back}) if again else render_template("_flashes.html")


def _ids() -> list[int]:
    """``ids`` once for each photo, or all in one field.  Raises Invalid."""
    texts = [text for field in request.form.getlist("ids") for text in field.split(",") if text]
    if not all(text.isascii() and text.isdigit() and len(text) < 19 for text in texts):
        raise Invalid({"ids": N_("Choose photos first.")})
    if not texts:
        raise Invalid({"ids": N_("Choose photos first.")})
    return [int(text) for text in texts]


def _back() -> str:
    """The page that the choice was made on; only ever one of this station."""
    parts = urlsplit(request.form.get("back", ""))
    straight = parts.path.startswith("/") and not parts.path.startswith("//") and "\\" not in parts.path
    if parts.scheme or parts.netloc or not straight:
        return url_for("library.photos")
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _change(action: str) -> Change:
    tags = tags_in(request.form.get("tags", "")) if action in ("tag", "untag") else ()
    if action in ("tag", "untag") and not tags:
        raise Invalid({"tags": N_("Write at least one tag.")})
    return {
        "favourite": lambda: Change(favourite=True),
        "plain": lambda: Change(favourite=False),
        "ours": lambda: Change(shared=True),
        "mine": lambda: Change(shared=False),
        "tag": lambda: Change(more=tags),
        "untag": lambda: Change(fewer=tags),
    }[action]()


def _edit(session: Session, ids: Sequence[int], action: str) -> Notices:
    done = notes.edit(session, me(), ids, _change(action))
    count, others = done.changed, len(set(ids)) - len(done.mine)
    words = {
        "favourite": ngettext("%(num)s photo is a favourite now.", "%(num)s photos are favourites now.", count),
        "plain": ngettext("%(num)s photo is no longer a favourite.", "%(num)s photos are no longer favourites.", count),
        "ours": ngettext(
            "%(num)s photo is ours now: the family sees it.",
            "%(num)s photos are ours now: the family sees them.",
            count,
        ),
        "mine": ngettext("%(num)s photo is only yours now.", "%(num)s photos are only yours now.", count),
        "tag": ngettext("%(num)s photo has new tags.", "%(num)s photos have new tags.", count),
        "untag": ngettext("%(num)s photo has fewer tags.", "%(num)s photos have fewer tags.", count),
    }[action]
    if others:
        words += " " + ngettext("%(num)s belongs to somebody else.", "%(num)s belong to somebody else.", others)
    facts = {"action": CONTRARY[action], "tags": request.form.get("tags", "")[:500]}
    undo = json.dumps(facts | {"moment": done.moment.isoformat(), "back": _back()})
    return [(words, "done")] + ([(undo, "undo")] if count else [])


def _together(session: Session, ids: Sequence[int], action: str) -> Notices:
    count = groupings.put_together(session, me(), ids)
    return [(ngettext("%(num)s photo is shown as one now.", "%(num)s photos are shown as one now.", count), "done")]


def _in_album(session: Session, ids: Sequence[int], action: str) -> Notices:
    return [(_arranged(session, ids, action), "done")]


def _arranged(session: Session, ids: Sequence[int], action: str) -> str:
    """Actions on an album; ``album`` is its number, or a title for a new one is in ``new_album``."""
    user, form = me(), request.form
    title = form.get("new_album", "").strip()
    if action == "add":
        album_id = albums.create(session, user, title).id if title else _number("album")
        count = albums.add(session, user, album_id, ids)
        name = albums.get(session, user, album_id).title
        if not count:
            return gettext("They were in “%(title)s” already.", title=name)
        return ngettext(
            "%(num)s photo is in “%(title)s” now.", "%(num)s photos are in “%(title)s” now.", count, title=name
        )
    album_id = _number("album")
    if action == "remove":
        count = albums.remove(session, user, album_id, ids)
        return ngettext(
            "%(num)s photo is no longer in the album. It is still in Photos.",
            "%(num)s photos are no longer in the album. They are still in Photos.",
            count,
        )
    if action == "cover":
        albums.set_cover(session, user, album_id, ids[0])
        return gettext("The album has a new cover.")
    if action in ("first", "last"):
        albums.move(session, user, album_id, ids, first=action == "first")
        return gettext("The order is changed.")
    raise Invalid({"action": N_("Choose what to do.")})


def _into_the_bin(ids: Sequence[int]) -> str:
    """One's own of them, drive by drive; the bin keeps them for a while."""
    user, here = me(), station()
    with here.db.reading() as session:
        found = catalogue.places_of(session, notes.own(session, user, ids))
        mounts = {drive_id: mount_of(session, here.places, drive_id) for drive_id, _ in found}
    if not found:
        raise NotFound(what="photo")
    for drive_id, mount in mounts.items():
        paths = [path for on_drive, path in found if on_drive == drive_id]
        bins.put_all(here.db, mount, paths, user=user.id, by=user.id)
    template = ngettext("%(num)s photo is in the bin.", "%(num)s photos are in the bin.", len(found))
    return template + " " + gettext("From there it can be brought back.")


def _number(field: str) -> int:
    text = request.form.get(field, "")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Invalid({field: N_("Choose an album.")})
    return int(text)


@signed_in
def undo() -> ResponseReturnValue:
    """Take back what was just said of many photos, where nothing has been said since."""
    action, text = request.form.get("action", ""), request.form.get("moment", "")
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None or action not in CONTRARY:
            raise ValueError(text)
        with station().db.writing() as session:
            count = notes.take_back(session, me(), moment, _change(action))
    except ValueError:
        return redirect(_back(), 303)
    except ApplianceError as error:
        flash(" ".join(problems_of(error).values()), "problem")
        return redirect(_back(), 303)
    flash(ngettext("%(num)s photo is as it was.", "%(num)s photos are as they were.", count), "done")
    return redirect(_back(), 303)


def undo_facts(text: str) -> dict[str, Any]:
    """What a notice with an undo button needs; for the template."""
    facts: dict[str, Any] = json.loads(text)
    return facts
