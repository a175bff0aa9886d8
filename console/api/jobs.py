"""Jobs and schedules by the API.

A member sees what the station is doing; its log, and stopping it, are an admin's.  Of a job that works on what is
somebody's own (``told_others``), everybody else sees that it is going on, and no words.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from appliance.errors import NotFound
from appliance.jobs import plan, schedule, service
from appliance.jobs.models import Job, JobState, Schedule, Wish
from appliance.words import Message
from console.access import admin_only, me
from console.api.routes import route
from console.station import station


@dataclass(frozen=True)
class JobView:
    """Long work; ``seconds_left`` and ``rate`` (a second, in ``rate_unit``) are null while they cannot be told."""

    id: int
    kind: str
    title: Message
    state: JobState
    wish: Wish
    percent: int
    stage: Message | None
    rate: float | None
    rate_unit: str
    seconds_left: int | None
    error_code: str | None
    error: Message | None
    result: dict[str, Any]
    asked_by: int | None
    created: datetime
    started: datetime | None
    finished: datetime | None


@dataclass(frozen=True)
class Activity:
    """What has not ended, oldest first, and what has, newest first."""

    active: list[JobView]
    recent: list[JobView]


@dataclass(frozen=True)
class LogLine:
    """One line that a job said."""

    at: datetime
    text: Message


@dataclass(frozen=True)
class ScheduleView:
    """When a job starts by itself."""

    id: int
    kind: str
    title: Message
    words: Message
    enabled: bool
    next_due: datetime | None
    last_started: datetime | None


@dataclass(frozen=True)
class PlanForm:
    """When: ``rhythm`` and the fields it needs (``days`` are weekday names, ``every`` is in hours)."""

    rhythm: plan.Rhythm
    time: str = ""
    days: tuple[str, ...] = ()
    day: int = 0
    every: int = 0

    def plan(self) -> plan.Plan:
        """Raises Invalid naming each field that is wrong."""
        form = {"rhythm": self.rhythm.value, "time": self.time, "day": str(self.day), "every": str(self.every)}
        return plan.parse(form, self.days)


def job_view(job: Job) -> JobView:
    """A row as the API shows it."""
    return JobView(**{name: getattr(job, name) for name in JobView.__dataclass_fields__})


def schedule_view(row: Schedule) -> ScheduleView:
    """A row as the API shows it."""
    words = schedule.plan_of(row).words()
    return ScheduleView(row.id, row.kind, row.title, words, row.enabled, row.next_due, row.last_started)


@route("GET", "/jobs", summary="What the station is doing, and did lately")
def listing() -> Activity:
    """Everything active and the newest fifty that ended."""
    with station().db.reading() as session:
        active = service.seen_by(session, service.active(session), me().id)
        recent = service.seen_by(session, service.recent(session, 50), me().id)
        return Activity([job_view(job) for job in active], [job_view(job) for job in recent])


@route("GET", "/jobs/<int:job_id>", summary="One job")
def one(job_id: int) -> JobView:
    """For watching it: ask every two seconds at most."""
    with station().db.reading() as session:
        job = session.get(Job, job_id)
        if job is None:
            raise NotFound(what="job")
        return job_view(*service.seen_by(session, [job], me().id))


@route("GET", "/jobs/<int:job_id>/log", summary="What a job said", access=admin_only)
def log(job_id: int) -> list[LogLine]:
    """The newest two hundred lines, oldest first."""
    with station().db.reading() as session:
        job = session.get(Job, job_id)
        if job is None:
            raise NotFound(what="job")
        if service.is_veiled(job, me().id):
            return []
        return [LogLine(line.at, line.message) for line in service.log_of(session, job_id)]


@route("POST", "/jobs/<int:job_id>/pause", summary="Pause a job", access=admin_only, status=202)
def pause(job_id: int) -> JobView:
    """Honoured at its next step."""
    return _wish(job_id, Wish.PAUSE)


@route("POST", "/jobs/<int:job_id>/resume", summary="Let a job go on", access=admin_only, status=202)
def resume(job_id: int) -> JobView:
    """From where it stopped."""
    return _wish(job_id, Wish.RUN)


@route("POST", "/jobs/<int:job_id>/cancel", summary="Cancel a job", access=admin_only, status=202)
def cancel(job_id: int) -> JobView:
    """For good; what is half-done is cleaned up."""
    return _wish(job_id, Wish.CANCEL)


def _wish(job_id: int, wanted: Wish) -> JobView:
    with station().db.writing() as session:
        job = service.wish(session, job_id, wanted)
        session.flush()
        return job_view(*service.seen_by(session, [job], me().id))


@route("GET", "/schedules", summary="What starts by itself, and when", access=admin_only)
def schedules() -> list[ScheduleView]:
    """The next one first."""
    with station().db.reading() as session:
        return [schedule_view(row) for row in schedule.listing(session)]


@route("PUT", "/schedules/<int:schedule_id>", summary="Choose another time", access=admin_only)
def change_schedule(schedule_id: int, body: PlanForm) -> ScheduleView:
    """``by_hand`` switches it off."""
    with station().db.writing() as session:
        return schedule_view(schedule.change(session, schedule_id, body.plan()))
