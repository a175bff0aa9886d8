"""``/metrics`` for Prometheus: text format 0.0.4, for admins, best asked with an API token.

What is unknown has no line; it is never told as 0.
"""

from collections.abc import Iterator

from flask import Blueprint, Response
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from appliance import VERSION
from appliance.db import now
from appliance.drives import service as drives
from appliance.health import service as health
from appliance.health.models import Severity
from appliance.jobs.models import Job, JobState
from appliance.library.safety import safety
from console.access import admin_only
from console.api import auth
from console.station import station

blueprint = Blueprint("metrics", __name__)
auth.protect(blueprint)
Sample = tuple[str, dict[str, str], float]

HELP = {
    "everpx_info": "the station's version",
    "everpx_drive_size_bytes": "what a drive can hold",
    "everpx_drive_free_bytes": "room on a drive, now or when it was last here",
    "everpx_drive_connected": "1 while a drive is plugged in and switched on",
    "everpx_drive_healthy": "what a drive says of itself: 1 good, 0 failing",
    "everpx_drive_temperature_celsius": "temperature of a drive",
    "everpx_drive_write_errors": "writes to a drive that went wrong",
    "everpx_jobs": "jobs by state",
    "everpx_issues": "open findings by severity",
    "everpx_memories": "photos and videos of the family",
    "everpx_memories_safe": "those with a proven copy on a COLD drive",
    "everpx_last_proof_age_seconds": "since a COLD drive last proved its copy",
}


@blueprint.get("/metrics")
@admin_only
def page() -> Response:
    """Every number, grouped by name as the format wants it."""
    with station().db.reading() as session:
        samples = list(_samples(session))
    lines = []
    for name, words in HELP.items():
        found = [sample for sample in samples if sample[0] == name]
        if found:
            lines += [f"# HELP {name} {words}", f"# TYPE {name} gauge", *map(_line, found)]
    return Response("\n".join(lines) + "\n", content_type="text/plain; version=0.0.4; charset=utf-8")


def _line(sample: Sample) -> str:
    name, labels, value = sample
    listed = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{listed}}} {value:.15g}" if listed else f"{name} {value:.15g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _samples(session: Session) -> Iterator[Sample]:
    yield "everpx_info", {"version": VERSION}, 1
    yield from _of_drives(session)
    jobs = dict(session.execute(select(Job.state, func.count()).group_by(Job.state)).all())
    for state in JobState:
        yield "everpx_jobs", {"state": state.value}, jobs.get(state, 0)
    open_issues = [issue.severity for issue in health.issues(session, with_quiet=True)]
    for severity in Severity:
        yield "everpx_issues", {"severity": severity.value}, open_issues.count(severity)
    answer = safety(session)
    yield "everpx_memories", {}, answer.total
    yield "everpx_memories_safe", {}, answer.safe
    if answer.proven:
        yield "everpx_last_proof_age_seconds", {}, (now() - answer.proven).total_seconds()


def _of_drives(session: Session) -> Iterator[Sample]:
    here = drives.overview(session, station().places)
    for drive, found in here.drives:
        labels = {"drive": drive.tag, "name": drive.name, "role": drive.role.value}
        yield "everpx_drive_size_bytes", labels, drive.size
        free = found.free if found and found.free is not None else drive.free
        if free is not None:
            yield "everpx_drive_free_bytes", labels, free
        if here.known:
            yield "everpx_drive_connected", labels, found is not None
        if found and found.health in ("good", "failing"):
            yield "everpx_drive_healthy", labels, found.health == "good"
        if found and found.temperature_c is not None:
            yield "everpx_drive_temperature_celsius", labels, found.temperature_c
        yield "everpx_drive_write_errors", labels, drive.write_errors
