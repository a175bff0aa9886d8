"""Changing files: a new folder, another name, another place, the bin.  Without JavaScript each is a page or button."""

from urllib.parse import quote

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext

from appliance.errors import ApplianceError, Invalid
from appliance.library import bin as bins
from appliance.library import errands, folders, moving
from appliance.library.folders import Place
from console.access import me, signed_in
from console.files.places import address, at, blueprint, chosen, into, mounts, parents, title, wanted
from console.files.views import UNDO_AT_MOST, folder_page
from console.shell import done, not_done, problems_of, show
from console.station import station


@blueprint.post("/new-folder")
@signed_in
def new_folder() -> ResponseReturnValue:
    """A folder in a folder."""
    place, name = wanted(), request.form.get("name", "")
    try:
        made = moving.new_folder(place, name)
    except Invalid as error:
        return folder_page(place, problems_of(error), error.status, name)
    return done(gettext("The folder is ready."), "files.folder", drive=made.mount.tag, path=quote(made.path))


@blueprint.get("/rename")
@signed_in
def rename_page() -> ResponseReturnValue:
    """Another name for a file or folder."""
    place = folders.changeable(me(), wanted())
    folders.kind(place)
    return _rename_form(place, folders.shown(place.path.rpartition(b"/")[2]), {}, 200)


def _rename_form(place: Place, typed: str, problems: dict[str, str], status: int) -> ResponseReturnValue:
    back = address(parents(place)[-2])
    old = folders.shown(place.path.rpartition(b"/")[2])
    return show(
        "files/rename.html", "", status, place=place, old=old, typed=typed, problems=problems, back=back, quoted=quote
    )


@blueprint.post("/rename")
@signed_in
def rename() -> ResponseReturnValue:
    """Give it the name."""
    place, name = wanted(), request.form.get("name", "")
    try:
        renamed = moving.rename(station().db, me(), place, name)
    except ApplianceError as error:
        return _rename_form(place, name, problems_of(error), error.status)
    parent = parents(renamed)[-2]
    return done(gettext("It is called “%(name)s” now.", name=name), "files.folder", **at(parent))


@blueprint.post("/where-to")
@signed_in
def where_to() -> ResponseReturnValue:
    """Which folder shall what was ticked go to?  ``into`` walks through the folders, each a button of the form."""
    try:
        things = chosen()
    except Invalid as error:
        return not_done(error, "files.folder", **at(wanted()))
    start, here = wanted(), mounts()
    target = into(start) if request.form.get("into") else start
    own = set(things)
    inside = [target.below(e.name) for e in folders.listing(target) if e.is_folder and target.below(e.name) not in own]
    top = target.path.partition(b"/")[0]
    return show(
        "files/where_to.html",
        things=things,
        start=start,
        into=target,
        inside=inside,
        tops=[Place(target.mount, each) for each in folders.tops(me())],
        drives=[Place(mount, top) for mount in here if not mount.read_only] if len(here) > 1 else [],
        way=parents(target),
        quoted=quote,
        named=lambda place: f"{place.mount.tag}:{quote(place.path)}",
        title=title,
        address=address,
        shown=folders.shown,
    )


@blueprint.post("/move")
@signed_in
def move() -> ResponseReturnValue:
    """Put what was ticked into a folder, also of another drive."""
    return _carry(keep=False)


@blueprint.post("/copy")
@signed_in
def copy() -> ResponseReturnValue:
    """Put a copy of what was ticked into a folder."""
    return _carry(keep=True)


def _carry(*, keep: bool) -> ResponseReturnValue:
    start = wanted()
    try:
        target = into(start)
        outcome = errands.run(station().db, me(), chosen(), target, keep=keep)
    except ApplianceError as error:
        return not_done(error, "files.folder", **at(start))
    if outcome.job_id is not None:
        words = gettext("This takes a while. You can go on; Activity shows how far it is.")
        return done(words, "files.folder", **at(start))
    if outcome.left:
        name, count = outcome.left[0], len(outcome.left)
        words = ngettext(
            "“%(name)s” could not be read as it was stored, and stayed where it is.",
            "“%(name)s” and others, %(num)s in all, could not be read as they were stored, and stayed where they are.",
            count,
            name=name,
        )
        flash(words, "problem")
    count = len(outcome.places)
    if keep:
        words = ngettext("%(num)s thing was copied here.", "%(num)s things were copied here.", count)
    else:
        words = ngettext("%(num)s thing was moved here.", "%(num)s things were moved here.", count)
    return done(words, "files.folder", **at(target))


@blueprint.post("/delete")
@signed_in
def delete() -> ResponseReturnValue:
    """Put what was ticked into the bin."""
    start = wanted()
    try:
        things = chosen()
        paths = [thing.path for thing in things]
        rows = bins.put_all(station().db, start.mount, paths, user=me().id, by=me().id)
    except ApplianceError as error:
        return not_done(error, "files.folder", **at(start))
    ids = "-".join(str(row.id) for row in rows[:UNDO_AT_MOST])
    return redirect(url_for("files.folder", **at(start), deleted=ids), 303)
