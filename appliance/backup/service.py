"""What the console, the REST API and the command line ask of the backup room."""

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from appliance import events
from appliance.backup import browse, policy, runs, versions
from appliance.backup.models import BackupRun, ColdFile, Drill, RunState
from appliance.backup.plan import Numbers
from appliance.db import now
from appliance.drives.models import ColdSource, Drive, DriveRole, DriveState
from appliance.errors import Conflict, Invalid, NotFound
from appliance.jobs import schedule as schedules
from appliance.jobs import service as jobs
from appliance.jobs.models import Job, Schedule
from appliance.jobs.plan import Plan
from appliance.words import N_, Message

RUN, RESTORE, DRILL, SCRUB_HOT = "backup.run", "backup.restore", "backup.drill", "backup.scrub_hot"
TITLE = N_("Copy to {drive}")
USUAL_RATE = 30_000_000  # bytes a second, for a first guess


def cold(session: Session, drive_id: int) -> Drive:
    """A COLD drive that is still in service.  Raises NotFound."""
    drive = session.get(Drive, drive_id)
    if drive is None or drive.role is not DriveRole.COLD or drive.state is DriveState.RETIRED:
        raise NotFound(what="backup drive")
    return drive


def colds(session: Session) -> Sequence[Drive]:
    """Every COLD drive in service, in the order of its number."""
    wanted = select(Drive).where(Drive.role == DriveRole.COLD, Drive.state != DriveState.RETIRED)
    return session.scalars(wanted.order_by(Drive.number)).all()


def sources(session: Session, cold_drive_id: int) -> list[Drive]:
    """The HOT drives that a COLD drive keeps a copy of; all of them where nobody chose."""
    chosen = set(
        session.scalars(select(ColdSource.hot_drive_id).where(ColdSource.cold_drive_id == cold_drive_id)).all()
    )
    wanted = select(Drive).where(Drive.role == DriveRole.HOT, Drive.state != DriveState.RETIRED)
    hots = session.scalars(wanted.order_by(Drive.number)).all()
    return [hot for hot in hots if not chosen or hot.id in chosen]


def choose_sources(session: Session, cold_drive_id: int, hot_drive_ids: Sequence[int]) -> None:
    """Which HOT drives a COLD drive keeps a copy of; an empty list means all.  Raises NotFound."""
    cold(session, cold_drive_id)
    for hot_id in hot_drive_ids:
        hot = session.get(Drive, hot_id)
        if hot is None or hot.role is not DriveRole.HOT:
            raise NotFound(what="drive")
    for row in session.scalars(select(ColdSource).where(ColdSource.cold_drive_id == cold_drive_id)).all():
        session.delete(row)
    session.flush()
    session.add_all(ColdSource(cold_drive_id=cold_drive_id, hot_drive_id=hot_id) for hot_id in set(hot_drive_ids))


def start(session: Session, cold_drive_id: int, asked_by: int | None = None) -> Job:
    """Start a copy.  Raises NotFound, AlreadyRunning, or Conflict for a drive that is not trusted any more."""
    drive = cold(session, cold_drive_id)
    if drive.state is not DriveState.ACTIVE:
        raise Conflict()
    return jobs.start(
        session,
        RUN,
        title=Message(TITLE, {"drive": drive.name}),
        lock=lock(drive.id),
        arguments={"cold_drive_id": drive.id},
        asked_by=asked_by,
    )


def lock(cold_drive_id: int) -> str:
    """What every job that needs this COLD drive holds alone."""
    return f"cold:{cold_drive_id}"


def schedule(session: Session, cold_drive_id: int, plan: Plan) -> Schedule:
    """When a COLD drive gets its copy by itself; each has a schedule of its own.  Raises NotFound."""
    drive = cold(session, cold_drive_id)
    title, arguments = Message(TITLE, {"drive": drive.name}), {"cold_drive_id": drive.id}
    return schedules.upsert(session, RUN, lock(drive.id), plan, title=title, arguments=arguments)


def answer(session: Session, run_id: int, given: str, asked_by: int | None = None) -> BackupRun:
    """Answer the brake's question: "go" starts the copy, "stop" leaves the copy as it is.

    Raises NotFound, Invalid, or Conflict when the question is no longer open.
    """
    run = session.get(BackupRun, run_id)
    if run is None:
        raise NotFound(what="copy")
    if given not in (runs.GO, runs.STOP):
        raise Invalid({"answer": N_("Choose one of the listed values.")})
    if run.state is not RunState.BRAKED:
        raise Conflict()
    run.answer = given
    drive = cold(session, run.cold_drive_id)
    template = N_("The copy to {drive} may go on.") if given == runs.GO else N_("The copy to {drive} stays stopped.")
    events.record(session, "backup.answered", template, actor_id=asked_by, drive=drive.name)
    if given == runs.GO:
        start(session, run.cold_drive_id, asked_by)
    return run


def history(session: Session, cold_drive_id: int | None = None, limit: int = 50) -> Sequence[BackupRun]:
    """Runs, newest first."""
    wanted = select(BackupRun).order_by(BackupRun.id.desc()).limit(limit)
    return session.scalars(wanted.where(BackupRun.cold_drive_id == cold_drive_id) if cold_drive_id else wanted).all()


def plan_words(session: Session, cold_drive_id: int, numbers: Numbers) -> Message:
    """``412 new, 9 changed, 0 deleted, 14.2 GB, about 11 min``."""
    if not (numbers.new or numbers.changed or numbers.vanished):
        return Message(N_("Everything is copied: {files} files."), {"files": numbers.files})
    rate = runs.bytes_per_second(session, cold_drive_id) or USUAL_RATE
    minutes = max(1, round(numbers.bytes / rate / 60))
    return Message(
        N_("{new} new, {changed} changed, {vanished} deleted, {size}, about {minutes} min"),
        {
            "new": numbers.new,
            "changed": numbers.changed,
            "vanished": numbers.vanished,
            "size": versions.in_words(numbers.bytes),
            "minutes": minutes,
        },
    )


def rotation(session: Session) -> dict[int, Message]:
    """For each COLD drive, in words, when it last was here."""
    words = {}
    for drive in colds(session):
        if drive.last_here is None:
            words[drive.id] = Message(N_("{drive} has not held a copy yet"), {"drive": drive.name})
        elif (days := (now() - drive.last_here) // timedelta(days=1)) <= 0:
            words[drive.id] = Message(N_("{drive} was here today"), {"drive": drive.name})
        else:
            words[drive.id] = Message(N_("{drive} was last here {days} days ago"), {"drive": drive.name, "days": days})
    return words


def last_proven(session: Session, cold_drive_id: int) -> BackupRun | None:
    """The newest run that proved a complete copy."""
    good = BackupRun.state.in_((RunState.PROVEN, RunState.NOTHING_TO_DO))
    return session.scalars(
        select(BackupRun).where(BackupRun.cold_drive_id == cold_drive_id, good).order_by(BackupRun.id.desc()).limit(1)
    ).first()


def holds(session: Session, cold_drive_id: int) -> int:
    """How many proven files a COLD drive holds."""
    return session.scalar(select(func.count()).where(ColdFile.cold_drive_id == cold_drive_id)) or 0


def restore(
    session: Session,
    cold_drive_id: int,
    hot_tag: str,
    path: bytes = b"",
    *,
    day: date | None = None,
    version: int | None = None,
    to_drive_id: int | None = None,
    asked_by: int | None = None,
) -> Job:
    """Bring back a file, a folder (``path``), or a whole drive (``path`` empty), as it is or as it was on a day.

    ``version`` is the row of one of a file's older versions, see browse.versions_of.  It goes to the HOT drive it came
    from, or to another one; nothing there is overwritten.  Raises NotFound or AlreadyRunning.
    """
    drive = cold(session, cold_drive_id)
    if version is not None:
        browse.version_of(session, drive.id, hot_tag, path, version)
    arguments = {
        "cold_drive_id": drive.id,
        "hot_tag": hot_tag,
        "path": path.hex(),
        "day": day.isoformat() if day else None,
        "to_drive_id": to_drive_id,
        "version": version,
    }
    title = Message(N_("Bring files back from {drive}"), {"drive": drive.name})
    return jobs.start(session, RESTORE, title=title, lock=lock(drive.id), arguments=arguments, asked_by=asked_by)


def start_drill(session: Session, cold_drive_id: int, asked_by: int | None = None) -> Job:
    """Practise a restore.  Raises NotFound or AlreadyRunning."""
    drive = cold(session, cold_drive_id)
    title = Message(N_("Practise a restore from {drive}"), {"drive": drive.name})
    arguments = {"cold_drive_id": drive.id}
    return jobs.start(session, DRILL, title=title, lock=lock(drive.id), arguments=arguments, asked_by=asked_by)


def scrub_lock(hot_drive_id: int) -> str:
    """What reading a HOT drive again holds alone."""
    return f"scrub:{hot_drive_id}"


def start_scrub_hot(session: Session, hot_drive_id: int, asked_by: int | None = None) -> Job:
    """Read a slice of a HOT drive.  Raises NotFound or AlreadyRunning."""
    drive = session.get(Drive, hot_drive_id)
    if drive is None or drive.role is not DriveRole.HOT:
        raise NotFound(what="drive")
    title = Message(N_("Read the files on {drive} again"), {"drive": drive.name})
    lock, arguments = scrub_lock(drive.id), {"hot_drive_id": drive.id}
    return jobs.start(session, SCRUB_HOT, title=title, lock=lock, arguments=arguments, asked_by=asked_by)


def drills(session: Session, cold_drive_id: int, limit: int = 12) -> Sequence[Drill]:
    """Restore drills, newest first."""
    return session.scalars(
        select(Drill).where(Drill.cold_drive_id == cold_drive_id).order_by(Drill.id.desc()).limit(limit)
    ).all()


def overdue_since(session: Session, cold_drive_id: int) -> timedelta | None:
    """How long a copy is older than it should be; None while it is fresh enough."""
    last = runs.last_proven(session, cold_drive_id)
    drive = cold(session, cold_drive_id)
    late = now() - (last or drive.handed_over) - timedelta(days=policy.OVERDUE_DAYS.get(session))
    return late if late > timedelta(0) else None
