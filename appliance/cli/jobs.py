"""``everpx jobs`` and ``everpx schedule``."""

from typing import Any

import click

from appliance.cli.speech import Here, Said, answers, moment, table
from appliance.errors import Invalid, NotFound
from appliance.jobs import plan, service
from appliance.jobs import schedule as schedules
from appliance.jobs.models import Job, Schedule, Wish


@click.group()
def jobs() -> None:
    """What is under way."""


def as_data(job: Job) -> dict[str, Any]:
    """A job for programs."""
    return {
        "id": job.id,
        "kind": job.kind,
        "title": str(job.title),
        "state": job.state,
        "wish": job.wish,
        "percent": job.percent,
        "stage": str(job.stage) if job.stage else None,
        "rate": job.rate,
        "rate_unit": job.rate_unit,
        "seconds_left": job.seconds_left,
        "error": str(job.error) if job.error else None,
        "error_code": job.error_code,
        "result": job.result,
        "created": job.created,
        "finished": job.finished,
    }


def started(job: Job) -> Said:
    """The answer of every command that starts one."""
    return Said(as_data(job), [f"job {job.id}: {job.title}"])


@jobs.command("list")
@click.option("--all", "everything", is_flag=True, help="Finished ones, too.")
@answers
def listing(here: Here, *, everything: bool) -> Said:
    """Jobs that have not ended."""
    with here.db.reading() as session:
        found = [*service.active(session), *(service.recent(session, 50) if everything else ())]
    rows = [(j.id, j.state, f"{j.percent} %", j.title, j.error or j.stage or "") for j in found]
    return Said([as_data(j) for j in found], table(rows))


@jobs.command()
@click.argument("job_id", type=int)
@answers
def show(here: Here, *, job_id: int) -> Said:
    """One job."""
    with here.db.reading() as session:
        job = session.get(Job, job_id)
    if job is None:
        raise NotFound(what="job")
    return Said(as_data(job), [f"{name}: {value}" for name, value in as_data(job).items() if value is not None])


@jobs.command()
@click.argument("job_id", type=int)
@answers
def log(here: Here, *, job_id: int) -> Said:
    """What a job said."""
    with here.db.reading() as session:
        lines = service.log_of(session, job_id)
    data = [{"at": line.at, "message": str(line.message)} for line in lines]
    return Said(data, [f"{moment(line.at)}  {line.message}" for line in lines])


def _wishing(name: str, wanted: Wish, words: str) -> None:
    @jobs.command(name, help=words)
    @click.argument("job_id", type=int)
    @answers
    def command(here: Here, *, job_id: int) -> Said:
        with here.db.writing() as session:
            job = service.wish(session, job_id, wanted)
        return Said(as_data(job), [f"job {job.id}: {job.title}: asked to {wanted}"])


_wishing("pause", Wish.PAUSE, "Ask a job to pause.")
_wishing("resume", Wish.RUN, "Let a paused job go on.")
_wishing("cancel", Wish.CANCEL, "End a job for good.")


@click.group()
def schedule() -> None:
    """What starts by itself, and when."""


def planned(row: Schedule) -> dict[str, Any]:
    """A schedule for programs."""
    return {
        "id": row.id,
        "title": str(row.title),
        "words": str(schedules.plan_of(row).words()),
        "next": row.next_due,
        "last": row.last_started,
    }


@schedule.command("list")
@answers
def schedules_listing(here: Here) -> Said:
    """Every schedule in plain words."""
    with here.db.reading() as session:
        found = [planned(row) for row in schedules.listing(session)]
    return Said(found, table((s["id"], s["title"], s["words"], f"next: {moment(s['next'])}") for s in found))


@schedule.command("set")
@click.argument("schedule_id", type=int)
@click.argument("rhythm", type=click.Choice([rhythm.value for rhythm in plan.Rhythm]))
@click.option("--time", default="03:00", show_default=True)
@click.option("--days", default="", help="For weekly: sunday,wednesday")
@click.option("--day", default="1", help="For monthly: 1 to 28")
@click.option("--every", default="6", help="For hourly: hours")
@answers
def set_plan(here: Here, *, schedule_id: int, **form: str) -> Said:
    """Another time for a schedule; “everpx backup schedule” makes the first one."""
    chosen = plan.parse(form)
    with here.db.writing() as session:
        row = planned(schedules.change(session, schedule_id, chosen))
    return Said(row, [f"{row['title']}: {row['words']}"])


def plan_of(rhythm: str, time: str, days: str, day: str, every: str) -> plan.Plan:
    """The options of a schedule as a plan.  Raises Invalid."""
    if not rhythm:
        raise Invalid({"rhythm": "Choose how often."})
    return plan.parse({"rhythm": rhythm, "time": time, "days": days, "day": day, "every": every})
