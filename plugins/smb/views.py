"""The page of Windows and Mac sharing: the address to type, who may use what, room for Macs, and trying it."""

from typing import Any

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance import plugin
from appliance.errors import ApplianceError, Invalid
from appliance.jobs.models import Job
from console.access import admin_only, me
from console.shell import done, not_done, problems_of, show
from console.station import station
from plugins.smb import service, wanted
from plugins.smb.models import Level, SmbFolder
from plugins.smb.wanted import NAME

blueprint = Blueprint("smb", __name__, template_folder="templates")
PAGE = "smb.page"


@blueprint.get("/")
@admin_only
def page() -> ResponseReturnValue:
    """Everything on one page."""
    return _page({}, {})


def _page(form: dict[str, str], problems: dict[str, str], status: int = 200) -> ResponseReturnValue:
    here = station()
    with here.db.reading() as session:
        folders: list[tuple[int | None, str]] = [(None, "Family")]
        folders += [(f.id, f.name) for f in session.scalars(select(SmbFolder).order_by(SmbFolder.name))]
        test = session.scalars(
            select(Job).where(Job.kind == service.SELF_TEST).order_by(Job.id.desc()).limit(1)
        ).first()
        context: dict[str, Any] = {
            "people": wanted.people(session),
            "chosen": wanted.levels(session),
            "less": _less(session),
            "families": wanted.names_of_family(session),
            "folders": folders,
            "test": test,
            "port": plugin.options(session, NAME)["port"],
        }
    host = request.host.rsplit(":", 1)[0]
    return show("smb/page.html", "test", status, form=form, problems=problems, levels=Level, host=host, **context)


def _less(session: Session) -> dict[int, str]:
    """person -> the folders that are not in their share of ``Family``, as words."""
    names: dict[int, list[str]] = {}
    for drive_id in session.scalars(select(SmbFolder.drive_id).distinct()):
        for user_id, folders in wanted.less(session, drive_id).items():
            names.setdefault(user_id, []).extend(folders)
    return {user_id: ", ".join(f"“{name}”" for name in sorted(folders)) for user_id, folders in names.items()}


@blueprint.post("/access")
@admin_only
def access() -> ResponseReturnValue:
    """The whole table of people and folders."""
    chosen: dict[tuple[int, int | None], Level] = {}
    with station().db.writing() as session:
        folders = [None, *session.scalars(select(SmbFolder.id))]
        for person in wanted.people(session):
            for folder in folders:
                said = request.form.get(f"level-{person.user.id}-{folder or 'family'}", "")
                if said in set(Level):
                    chosen[person.user.id, folder] = Level(said)
        service.allow(session, chosen)
        return _settled(session, gettext("Saved. It holds from now on."))


@blueprint.post("/folders")
@admin_only
def add_folder() -> ResponseReturnValue:
    """A new share inside the family's folder."""
    here, form = station(), request.form.to_dict()
    try:
        with here.db.writing() as session:
            folder = service.add_folder(session, here.places, form.get("name", ""))
            return _settled(session, gettext("“%(name)s” is shared now.", name=folder.name))
    except Invalid as error:
        return _page(form, problems_of(error), error.status)


@blueprint.post("/folders/<int:folder_id>/remove")
@admin_only
def remove_folder(folder_id: int) -> ResponseReturnValue:
    """No longer a share of its own; the folder stays."""
    with station().db.writing() as session:
        name = service.remove_folder(session, folder_id)
        return _settled(session, gettext("“%(name)s” has no share of its own now. All files stay.", name=name))


@blueprint.post("/time-machine")
@admin_only
def time_machine() -> ResponseReturnValue:
    """Room for a person's Mac, or none."""
    form = request.form.to_dict()
    text = form.get("gigabytes", "").strip()
    try:
        gigabytes = int(text or "0") if "on" in form else None
        user_id = int(form.get("user_id", ""))
    except ValueError:
        return _page(form, {"gigabytes": gettext("Enter a whole number.")}, 422)
    try:
        with station().db.writing() as session:
            service.give_room(session, user_id, gigabytes)
            return _settled(session, gettext("Saved. It holds from now on."))
    except Invalid as error:
        return _page(form, problems_of(error), error.status)


@blueprint.post("/test")
@admin_only
def test() -> ResponseReturnValue:
    """Try the shares like a computer."""
    try:
        with station().db.writing() as session:
            service.start_self_test(session, me().id)
    except ApplianceError as error:
        return not_done(error, PAGE)
    return redirect(url_for(PAGE), 303)


def _settled(session: Session, words: str) -> ResponseReturnValue:
    """Have it served; where root cannot just now it follows by itself, and the wish is kept."""
    session.flush()
    if not service.is_on(session):
        return done(gettext("Saved. Sharing is switched off: nobody is served until it is on again."), PAGE)
    try:
        service.settle(session, station().broker, station().places)
    except ApplianceError as error:
        return not_done(error, PAGE)
    return done(words, PAGE)
