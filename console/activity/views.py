"""Activity: what the station is doing, in a drawer on every page and as a page of its own."""

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext

from appliance.errors import NotFound
from appliance.jobs import service
from appliance.jobs.models import Job, Wish
from console.access import admin_only, me, signed_in
from console.shell import show
from console.station import station

blueprint = Blueprint("activity", __name__, template_folder="templates", url_prefix="/activity")

STATES = {
    "waiting": lazy_gettext("waiting its turn"),
    "running": lazy_gettext("under way"),
    "paused": lazy_gettext("paused"),
    "interrupted": lazy_gettext("interrupted, goes on by itself"),
    "done": lazy_gettext("done"),
    "failed": lazy_gettext("not done"),
    "cancelled": lazy_gettext("cancelled"),
}
#: A global, because macros that are imported see no context.
blueprint.record_once(lambda setup: setup.app.jinja_env.globals.update(job_states=STATES))


@blueprint.get("/")
@signed_in
def page() -> ResponseReturnValue:
    """Everything under way, and what ended lately."""
    return _jobs("activity/page.html", 50)


@blueprint.get("/drawer")
@signed_in
def drawer() -> ResponseReturnValue:
    """The same in short, for the drawer."""
    return _jobs("activity/_jobs.html", 8)


def _jobs(template: str, limit: int) -> ResponseReturnValue:
    with station().db.reading() as session:
        active = service.seen_by(session, service.active(session), me().id)
        recent = service.seen_by(session, service.recent(session, limit), me().id)
    return show(template, "jobs" if template.endswith("page.html") else "", active=active, recent=recent)


@blueprint.get("/<int:job_id>")
@admin_only
def job(job_id: int) -> ResponseReturnValue:
    """One job with its log."""
    with station().db.reading() as session:
        found = session.get(Job, job_id)
        if found is None:
            raise NotFound(what="job")
        lines = [] if service.is_veiled(found, me().id) else service.log_of(session, job_id)
        (found,) = service.seen_by(session, [found], me().id)
    return show("activity/job.html", "job", job=found, lines=lines)


@blueprint.post("/<int:job_id>")
@admin_only
def wish(job_id: int) -> ResponseReturnValue:
    """Pause, go on, or cancel."""
    try:
        wanted = Wish(request.form.get("wish", ""))
    except ValueError:
        raise NotFound(what="wish") from None
    with station().db.writing() as session:
        service.wish(session, job_id, wanted)
    return redirect(url_for("activity.page"), 303)
