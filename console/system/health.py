"""Health: what was found wrong as repair cards, and every check with what it says; unknown is shown as unknown."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from appliance.db import now
from appliance.errors import ApplianceError, NotFound
from appliance.health import look, service
from appliance.health.look import Look
from appliance.health.models import Issue
from appliance.jobs import service as jobs
from console.access import admin_only, me
from console.shell import done, not_done, show
from console.station import station
from console.system.room import blueprint
from console.translate import say

REMIND_AFTER_DAYS = 7


@dataclass(frozen=True)
class Checked:
    """One check and how it stands: healthy, found, or unknown."""

    title: str
    state: str


@blueprint.get("/health")
@admin_only
def health_page() -> ResponseReturnValue:
    """Repair cards first, then every check."""
    with station().db.reading() as session:
        issues = service.issues(session, with_quiet=True)
        labels = {issue.id: service.label_of(issue) for issue in issues}
        guides = {issue.id: service.guide_of(issue.guide) for issue in issues}
    last = look.last(station().places)
    return show(
        "system/health.html",
        "health",
        open=[issue for issue in issues if not _is_quiet(issue)],
        quiet=[issue for issue in issues if _is_quiet(issue)],
        labels=labels,
        guides=guides,
        worker_runs=jobs.worker_runs(station().places),
        checks=_checks(issues, last),
        looked=last.at if last else None,
        days=REMIND_AFTER_DAYS,
    )


def _is_quiet(issue: Issue) -> bool:
    return issue.quiet_until is not None and issue.quiet_until > now()


def _checks(issues: Sequence[Issue], look: Look | None) -> list[Checked]:
    """Every check by title; one that has not looked since the start is unknown."""
    troubled = {issue.check for issue in issues}
    rows = []
    for check, _ in service.gather():
        if look is None or check.name not in look.able:
            state = "unknown"
        else:
            state = "found" if check.name in troubled else "healthy"
        rows.append(Checked(say(check.title) or check.name, state))
    return rows


@blueprint.get("/health/guides/<guide>")
@admin_only
def guide_page(guide: str) -> ResponseReturnValue:
    """Steps for a person.  Raises NotFound."""
    found = service.guide_of(guide)
    if found is None:
        raise NotFound(what="page")
    return show("system/guide.html", guide=found)


@blueprint.post("/health/look")
@admin_only
def look_now() -> ResponseReturnValue:
    """Run every check now, as a job."""
    with station().db.writing() as session:
        service.look_soon(session, asked_by=me().id)
    return done(gettext("The station looks at everything now."), "system.health_page")


@blueprint.post("/health/<int:issue_id>/fix")
@admin_only
def fix(issue_id: int) -> ResponseReturnValue:
    """Press an issue's button."""
    try:
        with station().db.writing() as session:
            answer = service.apply_fix(session, station().broker, station().places, issue_id)
            service.look_soon(session, asked_by=me().id)
    except NotFound:
        raise
    except ApplianceError as error:
        return not_done(error, "system.health_page")
    words = say(answer) or gettext("Done. The station looks again whether that helped.")
    return done(words, "system.health_page")


@blueprint.post("/health/<int:issue_id>/quiet")
@admin_only
def quiet(issue_id: int) -> ResponseReturnValue:
    """Put an issue aside for a week, or bring it back."""
    days = REMIND_AFTER_DAYS if request.form.get("later") else 0
    with station().db.writing() as session:
        service.quiet(session, issue_id, days)
    words = gettext("You will be reminded in %(days)s days.", days=days) if days else gettext("It is back on the list.")
    return done(words, "system.health_page")
