"""The import pages: choose where from, see what would come in, say yes, watch it, and what came of it before.

Who may do what stands in ``access``.
"""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext

from appliance.errors import ApplianceError, Forbidden, Invalid, NotFound
from appliance.words import N_
from console.access import me, signed_in
from console.shell import not_done, problems_of, show
from console.station import station
from plugins.importer import access, secrets, service
from plugins.importer.models import FileState, ImportRun, RunState, SourceKind

blueprint = Blueprint("importer", __name__, template_folder="templates")


@blueprint.get("/")
@signed_in
def page() -> ResponseReturnValue:
    """Where from, and what was brought in before."""
    return _page({}, {})


def _page(form: dict[str, str], problems: dict[str, str], status: int = 200) -> ResponseReturnValue:
    here = station()
    with here.db.reading() as session:
        context: dict[str, Any] = {
            "people": service.people(session) if access.is_admin(me()) else [],
            "drives": access.drives(session, here.places, me()),
            "hot": service.hot(session),
            "lines": service.history(session, access.seen_by(me())),
        }
    chosen = form.get("user_id") or str(me().id)
    return show(
        "importer/page.html", "", status, form={"port": "445"} | form, problems=problems, chosen=chosen, **context
    )


@blueprint.post("/drive")
@signed_in
def from_drive() -> ResponseReturnValue:
    """Look at a drive that is plugged in."""
    here, device = station(), request.form.get("device", "")
    return _look(lambda session: access.from_drive(session, here.places, me(), device))


@blueprint.post("/folder")
@signed_in
def from_folder() -> ResponseReturnValue:
    """Look at a folder of a HOT drive."""
    form = request.form
    return _look(lambda session: access.from_folder(session, me(), _number("drive_id"), form.get("folder", "")))


@blueprint.post("/share")
@signed_in
def from_share() -> ResponseReturnValue:
    """Look at a share of another computer."""
    form = request.form
    names = ("host", "share", "folder_there", "port", "user")
    return _look(lambda session: service.from_share(*(form.get(name, "") for name in names)))


def _look(wanted: Callable[[Any], service.Wanted]) -> ResponseReturnValue:
    form = request.form.to_dict()
    try:
        with station().db.writing() as session:
            user_id = access.whose(me(), _number("user_id") if "user_id" in form else None)
            run = service.start_look(session, wanted(session), user_id, asked_by=me().id)
            _remember_password(session, run)
    except Invalid as error:
        return _page(form, problems_of(error), error.status)
    except ApplianceError as error:
        return _not_done(error)
    return redirect(url_for("importer.run", run_id=run.id), 303)


def _not_done(error: ApplianceError) -> ResponseReturnValue:
    """Said on the first page; an import that is not theirs is not there."""
    if isinstance(error, NotFound | Forbidden):
        raise error
    return not_done(error, "importer.page")


def _remember_password(session: Any, run: ImportRun) -> None:
    _, source = service.get(session, run.id)
    if source.kind is SourceKind.SHARE and "password" in request.form:
        secrets.remember(station().places, source, request.form["password"], keep="keep" in request.form)


def _number(name: str) -> int:
    text = request.form.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 18):
        raise Invalid({name: N_("Choose one.")})
    return int(text)


@blueprint.get("/runs/<int:run_id>")
@signed_in
def run(run_id: int) -> ResponseReturnValue:
    """The report, how far it is, or what came of it."""
    with station().db.reading() as session:
        line = service.line(session, *access.run_of(session, me(), run_id))
        lists = {
            state.value: service.details(session, line.source.id, state)
            for state in (FileState.UNREADABLE, FileState.LEFT_OUT)
        }
    return show("importer/run.html", "live", line=line, summary=summary(line.run.report), lists=lists, states=RunState)


def summary(report: dict[str, Any]) -> list[str]:
    """The report as people say it: what is new first, then the rest, without what there is none of."""
    if not report:
        return []
    words = [ngettext("%(count)s is new", "%(count)s are new", report["new"], count=f"{report['new']:,}")]
    said: list[tuple[str, Callable[[int, str], str]]] = [
        ("known", lambda n, t: ngettext("%(count)s is here already", "%(count)s are here already", n, count=t)),
        ("twice", lambda n, t: ngettext("%(count)s is there twice", "%(count)s are there twice", n, count=t)),
        ("undated", lambda n, t: ngettext("%(count)s without a date", "%(count)s without a date", n, count=t)),
        ("deleted", lambda n, t: ngettext("%(count)s was deleted here", "%(count)s were deleted here", n, count=t)),
        ("unreadable", lambda n, t: ngettext("%(count)s cannot be read", "%(count)s cannot be read", n, count=t)),
        ("left_out", lambda n, t: ngettext("%(count)s other file", "%(count)s other files", n, count=t)),
    ]
    return words + [say(report[name], f"{report[name]:,}") for name, say in said if report.get(name)]


@blueprint.post("/runs/<int:run_id>/import")
@signed_in
def bring_in(run_id: int) -> ResponseReturnValue:
    """The yes."""
    try:
        with station().db.writing() as session:
            access.run_of(session, me(), run_id)
            service.start_import(session, run_id, deleted_too="deleted_too" in request.form, asked_by=me().id)
    except ApplianceError as error:
        return _not_done(error)
    return redirect(url_for("importer.run", run_id=run_id), 303)


@blueprint.post("/runs/<int:run_id>/again")
@signed_in
def again(run_id: int) -> ResponseReturnValue:
    """Look at the same place once more, with a new password if one was entered."""
    try:
        with station().db.writing() as session:
            _, source = access.run_of(session, me(), run_id)
            fresh = service.look_again(session, source, asked_by=me().id)
            _remember_password(session, fresh)
    except ApplianceError as error:
        return _not_done(error)
    return redirect(url_for("importer.run", run_id=fresh.id), 303)


@blueprint.post("/runs/<int:run_id>/stop")
@signed_in
def stop(run_id: int) -> ResponseReturnValue:
    """Cancel; what came in stays."""
    try:
        with station().db.writing() as session:
            access.run_of(session, me(), run_id)
            service.stop(session, run_id)
    except ApplianceError as error:
        return _not_done(error)
    flash(gettext("It is being stopped. What came in stays."), "done")
    return redirect(url_for("importer.run", run_id=run_id), 303)
