"""Copies by the API: for each drive that keeps one, how it stands, and what may be done."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from appliance.backup import preview, service
from appliance.backup.models import BackupRun, RunState
from appliance.drives.models import Drive, DriveState
from appliance.errors import NotFound
from appliance.jobs import schedule as schedules
from appliance.words import Message
from console.access import admin_only, me
from console.api.jobs import JobView, PlanForm, ScheduleView, job_view, schedule_view
from console.api.routes import route
from console.station import station

MOST_RUNS = 200


@dataclass(frozen=True)
class CopyView:
    """A drive that keeps a copy; ``overdue`` is in seconds, null while the copy is fresh enough."""

    drive_id: int
    tag: str
    name: str
    state: DriveState
    rotation: Message | None
    files: int
    last_proven: datetime | None
    overdue: float | None
    sources: list[str]
    schedule: ScheduleView | None


@dataclass(frozen=True)
class RunView:
    """One copy, from plan to proof; ``question`` is the brake's while it waits for an answer."""

    id: int
    drive_id: int
    job_id: int | None
    state: RunState
    started: datetime
    finished: datetime | None
    new: int
    changed: int
    vanished: int
    bytes: int
    copied: int
    scrubbed: int
    repaired: int
    skipped: int
    question: Message | None
    answer: str | None


@dataclass(frozen=True)
class RunQuery:
    """``drive``: only copies to this drive, by its id."""

    drive: int | None = None
    limit: int = 50


class Verdict(StrEnum):
    """What to do about an alarming plan."""

    GO = "go"
    STOP = "stop"


@dataclass(frozen=True)
class Answer:
    """To the brake: ``go`` starts the copy, ``stop`` leaves the copy as it is."""

    answer: Verdict


@dataclass(frozen=True)
class Sources:
    """Ids of the HOT drives to keep a copy of; none means all."""

    drives: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Words:
    """A sentence."""

    text: Message


def _run_view(run: BackupRun) -> RunView:
    names = [name for name in RunView.__dataclass_fields__ if name not in ("drive_id", "question")]
    facts = {name: getattr(run, name) for name in names}
    return RunView(drive_id=run.cold_drive_id, question=run.brake, **facts)


def _copy_view(session: Session, drive: Drive) -> CopyView:
    last, late = service.last_proven(session, drive.id), service.overdue_since(session, drive.id)
    planned = next((s for s in schedules.listing(session) if s.lock == service.lock(drive.id)), None)
    return CopyView(
        drive_id=drive.id,
        tag=drive.tag,
        name=drive.name,
        state=drive.state,
        rotation=service.rotation(session).get(drive.id),
        files=service.holds(session, drive.id),
        last_proven=last.finished if last else None,
        overdue=late.total_seconds() if late else None,
        sources=[hot.tag for hot in service.sources(session, drive.id)],
        schedule=schedule_view(planned) if planned else None,
    )


@route("GET", "/backup", summary="Every drive that keeps a copy", access=admin_only)
def listing() -> list[CopyView]:
    """In the order of their numbers."""
    with station().db.reading() as session:
        return [_copy_view(session, drive) for drive in service.colds(session)]


@route("GET", "/backup/<int:drive_id>", summary="One drive that keeps a copy", access=admin_only)
def one(drive_id: int) -> CopyView:
    """By the id of the drive."""
    with station().db.reading() as session:
        return _copy_view(session, service.cold(session, drive_id))


@route("POST", "/backup/<int:drive_id>/run", summary="Copy now", access=admin_only, status=202)
def run(drive_id: int) -> JobView:
    """The drive is switched on only if there is something to do."""
    with station().db.writing() as session:
        return job_view(service.start(session, drive_id, me().id))


@route("GET", "/backup/<int:drive_id>/plan", summary="What a copy would do now, in words", access=admin_only)
def plan(drive_id: int) -> Words:
    """The drive stays off."""
    here = station()
    return Words(preview.words(here.db, here.places, drive_id))


@route("PUT", "/backup/<int:drive_id>/schedule", summary="Choose when copies are made", access=admin_only)
def change_schedule(drive_id: int, body: PlanForm) -> ScheduleView:
    """``by_hand``: only when somebody asks."""
    with station().db.writing() as session:
        return schedule_view(service.schedule(session, drive_id, body.plan()))


@route("PUT", "/backup/<int:drive_id>/sources", summary="Choose what a drive keeps a copy of", access=admin_only)
def choose_sources(drive_id: int, body: Sources) -> CopyView:
    """None means all HOT drives."""
    with station().db.writing() as session:
        service.choose_sources(session, drive_id, body.drives)
        session.flush()
        return _copy_view(session, service.cold(session, drive_id))


@route("GET", "/backup/runs", summary="Copies so far, newest first", access=admin_only)
def list_runs(query: RunQuery) -> list[RunView]:
    """Two hundred at most."""
    with station().db.reading() as session:
        limit = max(1, min(query.limit, MOST_RUNS))
        return [_run_view(run) for run in service.history(session, query.drive, limit)]


@route("GET", "/backup/runs/<int:run_id>", summary="One copy", access=admin_only)
def one_run(run_id: int) -> RunView:
    """From plan to proof."""
    with station().db.reading() as session:
        found = session.get(BackupRun, run_id)
        if found is None:
            raise NotFound(what="copy")
        return _run_view(found)


@route("POST", "/backup/runs/<int:run_id>/answer", summary="Answer the brake's question", access=admin_only)
def answer(run_id: int, body: Answer) -> RunView:
    """The drive stays off until then."""
    with station().db.writing() as session:
        return _run_view(service.answer(session, run_id, body.answer.value, me().id))
