"""When jobs start by themselves: plain words for people, cron for the machine, and the clock rules.

The clock rules, for a box whose clock may be wrong at boot and which may be off at night:

* what was missed while the station was off is caught up at its first tick, once, however often it was missed;
* never two runs of the same thing within two hours; the later one waits until the two hours are over;
* a run dated in the future never happened: the clock was wrong then;
* a clock that shows a moment which has certainly passed is wrong now (appliance/clock.py): schedules wait, and health
  says so;
* a plugin's plan rests while the plugin is off or not installed, and is caught up, once, when it is back;
* a time that a change to summer time skips is run right after it; one that comes twice is run once.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from appliance import clock
from appliance.errors import NotFound
from appliance.jobs import kinds, service
from appliance.jobs.models import Job, Schedule
from appliance.jobs.plan import Plan
from appliance.settings import Setting, UnreadableSetting
from appliance.words import N_, Message

GAP = timedelta(hours=2)


def _zone_problem(name: str) -> Message | None:
    if name == "":
        return None
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return Message(N_("There is no time zone “{name}”. Write it like Europe/Berlin."), {"name": name[:60]})
    return None


TIME_ZONE = Setting(
    "station.time_zone",
    "",
    N_("Time zone"),
    help=N_("Like Europe/Berlin or Asia/Shanghai. Leave it empty to use the one the station was installed with."),
    check=_zone_problem,
)


def machine_zone() -> str:
    """The time zone of the operating system; UTC when it has none."""
    name = str(Path("/etc/localtime").resolve()).rpartition("zoneinfo/")[2]
    return name if name and not name.startswith("/") and _zone_problem(name) is None else "UTC"


def zone(session: Session) -> ZoneInfo:
    """The zone in which schedules are meant.  Raises UnreadableSetting."""
    return ZoneInfo(TIME_ZONE.get(session) or machine_zone())


def time_zone_name(session: Session) -> str:
    """The zone in which moments are shown: as :func:`zone`, but a bad setting does not take the pages down."""
    try:
        return TIME_ZONE.get(session) or machine_zone()
    except UnreadableSetting:
        return machine_zone()


def next_after(cron: str, moment: datetime, where: ZoneInfo) -> datetime:
    """The first time after ``moment`` that a cron text names, in UTC."""
    for candidate in CronSim(cron, moment.astimezone(where)):
        at: datetime = candidate.astimezone(UTC)
        if at > moment:  # in an hour that comes twice, a candidate may be its first pass
            return at
    raise ValueError(f"never: {cron}")  # a day that no year has; Plan cannot say that


def upsert(
    session: Session,
    kind: str,
    lock: str,
    plan: Plan,
    *,
    title: Message,
    arguments: Mapping[str, Any] | None = None,
    moment: datetime | None = None,
) -> Schedule:
    """Set when a job starts by itself; one schedule per lock.  By hand only: the row stays, and is never due."""
    schedule = session.scalar(select(Schedule).where(Schedule.lock == lock))
    if schedule is None:
        schedule = Schedule(lock=lock)
        session.add(schedule)
    schedule.kind, schedule.title, schedule.arguments = kind, title, dict(arguments or {})
    _set_plan(session, schedule, plan, moment or _now())
    return schedule


def change(session: Session, schedule_id: int, plan: Plan) -> Schedule:
    """Another time for an existing schedule.  Raises NotFound."""
    schedule = session.get(Schedule, schedule_id)
    if schedule is None:
        raise NotFound(what="schedule")
    _set_plan(session, schedule, plan, _now())
    return schedule


def remove(session: Session, lock: str) -> None:
    """Forget the schedule of a lock, if there is one."""
    schedule = session.scalar(select(Schedule).where(Schedule.lock == lock))
    if schedule is not None:
        session.delete(schedule)


def listing(session: Session) -> Sequence[Schedule]:
    """Every schedule, the next one first, those by hand last."""
    return session.scalars(select(Schedule).order_by(Schedule.next_due.is_(None), Schedule.next_due)).all()


def plan_of(schedule: Schedule) -> Plan:
    """A schedule as a person chose it."""
    return Plan.from_cron(schedule.cron if schedule.enabled else "")


def _set_plan(session: Session, schedule: Schedule, plan: Plan, moment: datetime) -> None:
    schedule.cron, schedule.enabled = plan.cron(), plan.cron() != ""
    schedule.next_due = next_after(schedule.cron, moment, zone(session)) if schedule.enabled else None
    session.flush()


def due(session: Session, moment: datetime) -> list[Schedule]:
    """The schedules whose time has come; every other one gets the right ``next_due``.

    Raises UnreadableSetting when the time zone cannot be known.
    """
    if clock.read(moment=moment).is_wrong:
        return []
    where = zone(session)
    planned = [s for s in session.scalars(select(Schedule).where(Schedule.enabled)) if not kinds.waits(s.kind)]
    return [s for s in planned if _is_due(session, s, moment, where)]


def _is_due(session: Session, schedule: Schedule, moment: datetime, where: ZoneInfo) -> bool:
    coming = next_after(schedule.cron, moment, where)
    if schedule.next_due is None or schedule.next_due > moment:
        postponed = schedule.next_due is not None and schedule.next_due < min(coming, moment + GAP)
        if not postponed:  # new, or the clock was set back, or the zone changed: when the words say
            schedule.next_due = coming
        return False
    last = _last_run(session, schedule, moment)
    if last is not None and moment < last + GAP:
        schedule.next_due = last + GAP
        return False
    return True


def _last_run(session: Session, schedule: Schedule, moment: datetime) -> datetime | None:
    """When this last began, by schedule or by hand; what is dated in the future never happened."""
    if schedule.last_started is not None and schedule.last_started > moment:
        schedule.last_started = None
    by_hand = session.scalar(select(func.max(Job.started)).where(Job.lock == schedule.lock, Job.started <= moment))
    return max((t for t in (schedule.last_started, by_hand) if t is not None), default=None)


def start_due(session: Session, moment: datetime) -> Iterator[Job]:
    """Queue a job for each schedule whose time has come; one that is still under way counts as this run."""
    for schedule in due(session, moment):
        schedule.next_due = next_after(schedule.cron, moment, zone(session))
        try:
            job = service.start(
                session, schedule.kind, title=schedule.title, lock=schedule.lock, arguments=schedule.arguments
            )
        except service.AlreadyRunning:
            continue
        schedule.last_started = moment
        yield job


def _now() -> datetime:
    return datetime.now(UTC)
