"""Page: photos that look the same, side by side, with a suggestion; a person decides, and the bin can bring back."""

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from appliance.drives.mounts import mount_of
from appliance.errors import ApplianceError
from appliance.library import bin as bins
from appliance.library import duplicates, timeline, visible
from appliance.people.models import User
from console.access import me, signed_in
from console.shell import done, not_done, show
from console.station import station

MOST_IDS = 200


def add_to(blueprint: Blueprint) -> None:
    """Put these addresses among those of the photos."""
    blueprint.add_url_rule("/duplicates", "duplicates", duplicates_page)
    blueprint.add_url_rule("/duplicates/different", "different", different, methods=["POST"])
    blueprint.add_url_rule("/duplicates/bin", "bin_duplicate", bin_duplicate, methods=["POST"])


@signed_in
def duplicates_page() -> ResponseReturnValue:
    """Groups, the newest first."""
    user = me()
    with station().db.reading() as session:
        found, before = duplicates.groups(session, user, request.args.get("before", type=int))
        owners = {look.user_id for group in found for look in group.looks} - {user.id}
        names = {owner: session.get_one(User, owner).name for owner in owners}
    following = url_for(".duplicates", before=before) if before is not None else ""
    return show(
        "library/duplicates.html", groups=found, names=names, next=following, begins="before" not in request.args
    )


@signed_in
def different() -> ResponseReturnValue:
    """Show a group no longer."""
    ids = [int(text) for text in request.form.getlist("ids") if text.isascii() and text.isdigit() and len(text) < 16]
    with station().db.writing() as session:
        duplicates.say_different(session, me(), ids[:MOST_IDS])
    return done(gettext("They are not shown as the same any more."), "library.duplicates")


@signed_in
def bin_duplicate() -> ResponseReturnValue:
    """One of a group goes to the bin, from where it can be brought back."""
    user, here = me(), station()
    try:
        with here.db.reading() as session:
            media_id = request.form.get("id", 0, type=int)
            found = timeline.detail(session, visible.changeable_by(user), media_id)
            mount = mount_of(session, here.places, found.drive_id)
        bins.put(here.db, mount, found.path, user=user.id, by=user.id)
    except ApplianceError as error:
        return not_done(error, "library.duplicates")
    return done(
        gettext("“%(name)s” is in the bin. It can be brought back from there.", name=found.name), "library.duplicates"
    )
