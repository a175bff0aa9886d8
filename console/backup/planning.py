"""The schedule form: when copies are made, in plain words.  The wizard and the backup page share it."""

from typing import Any

from flask import request
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from appliance.drives.models import Drive
from appliance.drives.service import lock_of
from appliance.jobs import plan
from appliance.jobs.models import Schedule
from appliance.jobs.plan import HOURS, LAST_DAY, WEEKDAYS, Plan, Rhythm
from appliance.words import Message

Typed = dict[str, Any]


def as_form(planned: Plan) -> Typed:
    """A plan as the form shows it."""
    return {
        "rhythm": planned.rhythm.value,
        "time": planned.time,
        "days": [WEEKDAYS[day][0] for day in planned.days] or ["sunday"],
        "day": planned.day,
        "every": planned.every or HOURS[0],
    }


NIGHTLY = as_form(Plan(Rhythm.DAILY, hour=3))


def as_typed(form: "MultiDict[str, str]") -> Typed:
    """What somebody typed, kept for showing it again beside its problems."""
    return NIGHTLY | form.to_dict() | {"days": form.getlist("days")}


def from_form() -> Plan:
    """The plan that was sent.  Raises Invalid naming each field that is wrong."""
    return plan.parse(request.form, request.form.getlist("days"))


def choices() -> dict[str, Any]:
    """What the form offers."""
    return {"weekdays": WEEKDAYS, "hours": HOURS, "last_day": LAST_DAY}


def schedule_of(session: Session, drive: Drive) -> Schedule | None:
    """When a drive gets its copy by itself."""
    return session.scalar(select(Schedule).where(Schedule.lock == lock_of(drive)))


def plan_of(schedule: Schedule | None) -> Plan | None:
    """A schedule as a plan; None when there is none, or when nobody can say it in plain words."""
    try:
        return Plan.from_cron(schedule.cron if schedule.enabled else "") if schedule else None
    except ValueError:
        return None


def words(schedule: Schedule | None) -> Message | None:
    """``Every day at 03:00``"""
    planned = plan_of(schedule)
    return planned.words() if planned else None
