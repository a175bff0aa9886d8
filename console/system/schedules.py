"""Schedules: everything that starts by itself, in one list; each can be given another time."""

from typing import Any

from flask import request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from appliance import events
from appliance.errors import ApplianceError, NotFound
from appliance.jobs import schedule
from appliance.jobs.models import Schedule
from appliance.words import N_
from console.access import admin_only, by
from console.backup import planning
from console.shell import done, problems_of, show
from console.station import station
from console.system.room import blueprint


@blueprint.get("/schedules")
@admin_only
def schedules_page() -> ResponseReturnValue:
    """What starts by itself, the next first."""
    with station().db.reading() as session:
        rows = [(row, schedule.plan_of(row).words()) for row in schedule.listing(session)]
        zone = schedule.time_zone_name(session)
    return show("system/schedules.html", "schedules", rows=rows, zone=zone)


@blueprint.get("/schedules/<int:schedule_id>")
@admin_only
def schedule_page(schedule_id: int) -> ResponseReturnValue:
    """One of them, to be given another time."""
    with station().db.reading() as session:
        row = _find(session.get(Schedule, schedule_id))
    return _form(row, planning.as_form(schedule.plan_of(row)), {}, 200)


def _form(row: Schedule, typed: dict[str, Any], problems: dict[str, str], status: int) -> ResponseReturnValue:
    return show(
        "system/schedule.html", "form", status, row=row, form=typed, problems=problems, offered=planning.choices()
    )


def _find(row: Schedule | None) -> Schedule:
    if row is None:
        raise NotFound(what="schedule")
    return row


@blueprint.post("/schedules/<int:schedule_id>")
@admin_only
def change_schedule(schedule_id: int) -> ResponseReturnValue:
    """Another time, or by hand only."""
    try:
        plan = planning.from_form()
        with station().db.writing() as session:
            row = schedule.change(session, schedule_id, plan)
            events.record(
                session,
                "schedule.changed",
                N_("“{title}” starts at another time now: {plan}."),
                actor_id=by().user_id,
                address=by().address,
                title=row.title,
                plan=plan.words(),
            )
    except NotFound:
        raise
    except ApplianceError as error:
        with station().db.reading() as session:
            row = _find(session.get(Schedule, schedule_id))
        return _form(row, planning.as_typed(request.form), problems_of(error), error.status)
    return done(gettext("Saved."), "system.schedules_page")
