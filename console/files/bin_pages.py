"""The bin: what was deleted, to bring back or to remove for good."""

from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import ngettext
from sqlalchemy import func, select

from appliance.drives.mounts import mount_of
from appliance.errors import ApplianceError
from appliance.library import bin as bins
from appliance.library import emptying, folders
from appliance.library.folders import Place
from appliance.library.models import BinnedFile
from console.access import me, signed_in
from console.files.places import MOST_CHOSEN, SHOWN, address, blueprint, mounts
from console.shell import done, not_done, show
from console.station import station


@blueprint.get("/bin")
@signed_in
def bin_page() -> ResponseReturnValue:
    """What was deleted and can still be brought back, the latest first."""
    offset = max(0, request.args.get("from", 0, int))
    with station().db.reading() as session:
        which = bins.seen_by(me().id)
        count, size = session.execute(
            select(func.count(), func.coalesce(func.sum(BinnedFile.size), 0)).where(which)
        ).one()
        newest = select(BinnedFile).where(which).order_by(BinnedFile.binned.desc())
        rows = session.scalars(newest.offset(offset).limit(SHOWN)).all()
        days = bins.KEEP_DAYS.get(session)
    here = {mount.drive_id for mount in mounts()}
    more = offset + SHOWN if count > offset + SHOWN else None
    facts: dict[str, Any] = {"count": count, "size": size, "days": days, "here": here, "more": more}
    return show("files/bin.html", rows=rows, name_of=_name_of, folder_of=_folder_of, **facts)


def _name_of(row: BinnedFile) -> str:
    return folders.shown(row.path.rpartition(b"/")[2])


def _folder_of(row: BinnedFile) -> str:
    return folders.shown(row.path.rpartition(b"/")[0])


@blueprint.post("/bin/bring-back")
@signed_in
def bring_back() -> ResponseReturnValue:
    """Undo deletions: of ``ids``."""
    back = []
    try:
        for text in request.form.getlist("ids")[:MOST_CHOSEN]:
            back.append(_bring_one_back(int(text) if text.isdigit() else 0))
    except ApplianceError as error:
        return not_done(error, "files.bin_page")
    if not back:
        return redirect(url_for("files.bin_page"), 303)
    place, brought = back[-1]
    words = ngettext("%(num)s thing is back.", "%(num)s things are back.", len(back))
    flash(words, "done")
    return redirect(address(Place(place.mount, brought.path.rpartition(b"/")[0])), 303)


def _bring_one_back(binned_id: int) -> tuple[Place, bins.BroughtBack]:
    here = station()
    with here.db.reading() as session:
        row = bins.find(session, binned_id, me().id)
        mount = mount_of(session, here.places, row.drive_id)
    brought = bins.bring_back(here.db, mount, row)
    return Place(mount, brought.path), brought


@blueprint.post("/bin/empty")
@signed_in
def empty_bin() -> ResponseReturnValue:
    """Remove for good: one's own, and one by one what is ticked of the family's."""
    here, user = station(), me()
    ids = [int(text) for text in request.form.getlist("ids")[:MOST_CHOSEN] if text.isdigit()]
    which = BinnedFile.id.in_(ids) if ids else BinnedFile.user_id == user.id
    gone = 0
    try:
        for mount in mounts():
            with here.db.reading() as session:
                mine = (bins.seen_by(user.id), which, BinnedFile.drive_id == mount.drive_id)
                rows = session.scalars(select(BinnedFile).where(*mine)).all()
            gone += emptying.erase(here.db, mount, rows) if rows else 0
    except ApplianceError as error:
        return not_done(error, "files.bin_page")
    return done(
        ngettext("%(num)s thing is gone for good.", "%(num)s things are gone for good.", gone), "files.bin_page"
    )
