"""Long work of the import: the look that makes the report, and the import.  Both can be run again at any time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import update

from appliance import events
from appliance.db import now
from appliance.errors import ApplianceError, NotFound
from appliance.jobs.kinds import job_kind
from appliance.jobs.progress import Cancelled, Progress
from appliance.library.ingest import Ingest
from appliance.people.models import User
from appliance.words import N_
from plugins.importer import safe, secrets, service, telling
from plugins.importer.bringing import Bringing
from plugins.importer.look import Look
from plugins.importer.models import FileState, ImportRun, ImportSource, RunState, SourceKind
from plugins.importer.opening import opened


@dataclass(frozen=True)
class Task:
    """What both jobs need."""

    run: ImportRun
    source: ImportSource
    user: User


def _task(progress: Progress, run_id: int) -> Task:
    with progress.db.reading() as session:
        run = session.get(ImportRun, run_id)
        if run is None:
            raise NotFound(what="import")
        source = session.get_one(ImportSource, run.source_id)
        return Task(run, source, session.get_one(User, source.user_id))


@contextmanager
def _ending(progress: Progress, run_id: int) -> Iterator[None]:
    """A run that fails or is cancelled says so; one that is paused or interrupted goes on."""
    try:
        yield
    except (ApplianceError, Cancelled):
        _set(progress, run_id, state=RunState.STOPPED, finished=now())
        raise


def _set(progress: Progress, run_id: int, **values: Any) -> None:
    with progress.db.writing() as session:
        session.execute(update(ImportRun).where(ImportRun.id == run_id).values(**values))


@job_kind("importer.look", N_("Looking at photos to import"))
def look(progress: Progress, *, run_id: int) -> dict[str, Any]:
    """Make the report.  Nothing is written to any drive."""
    task = _task(progress, run_id)
    with _ending(progress, run_id), opened(progress.db, progress.broker, progress.places, task.source) as source:
        looking = Look(progress, Ingest(progress.db, progress.places), task.source.id, task.user)
        report = looking.look(source)
    with progress.db.writing() as session:
        looking.forget_the_gone(session)
        row = session.get_one(ImportSource, task.source.id)
        row.looked = now()
        if report["new"] or report["unreadable"]:
            row.safe = None
    _set(progress, run_id, state=RunState.READY, report=report)
    return report


@job_kind("importer.run", N_("Importing photos"))
def bring_in(progress: Progress, *, run_id: int) -> dict[str, Any]:
    """Look again (what was read is not read again), bring in what is new, read back, keep titles and albums."""
    task = _task(progress, run_id)
    began = progress.checkpoint.get("began") or now().isoformat()
    progress.keep(began=began)
    with _ending(progress, run_id):
        result = _bring_in(progress, task, datetime.fromisoformat(began))
    with progress.db.writing() as session:
        session.execute(update(ImportRun).where(ImportRun.id == run_id).values(
            state=RunState.DONE, result=result, finished=now()))  # fmt: skip
        row = session.get_one(ImportSource, task.source.id)
        row.safe = now() if result["safe"] else None
        template = N_("{count} photos and videos came in by an import.")
        events.record(session, "import.done", template, actor_id=progress.asked_by, count=result["done"])
    secrets.forget(progress.places, task.source.id)
    return result


def _bring_in(progress: Progress, task: Task, began: datetime) -> dict[str, Any]:
    door, source_id = Ingest(progress.db, progress.places), task.source.id
    with opened(progress.db, progress.broker, progress.places, task.source) as source:
        looking = Look(progress, door, source_id, task.user)
        looking.look(source, share=(0, 10))
        with progress.db.writing() as session:
            looking.forget_the_gone(session)
        rows = service.to_bring(progress.db, source_id, deleted_too=task.run.deleted_too)
        wanted = {path: row_id for path, row_id in rows.items() if not looking.seen[path].twice}
        bringing = Bringing(progress, door, task.user, task.run.id, looking.found.told)
        bringing.graves = set() if task.run.deleted_too else looking.graves
        bringing.clear()
        sizes = [looking.seen[path].entry.size for path in wanted]
        if wanted:
            bringing.bring(source, wanted, (len(sizes), sum(sizes)), (10, 85))
        looking.settle_twins(rows)
    told = telling.pass_on(progress, source_id, task.user, looking.found.told, (85, 90))
    proven = task.source.kind is SourceKind.DRIVE and safe.prove(progress, source_id, task.user, began, (90, 100))
    states = service.counts(progress.db, source_id)
    return {
        "done": service.came_in(progress.db, source_id, began),
        "known": states.get(FileState.KNOWN, 0),
        "unreadable": states.get(FileState.UNREADABLE, 0),
        "deleted": states.get(FileState.DELETED, 0),
        "told": told,
        "safe": proven,
        "unsafe": list(safe.unsafe(progress, source_id))[:50] if task.source.kind is SourceKind.DRIVE else [],
    }
