"""Page: on this day."""

from datetime import date
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from flask_babel import format_date, gettext, ngettext

from appliance.db import now
from appliance.jobs.schedule import zone
from appliance.library import this_day
from appliance.library.albums import service as albums
from console.access import me, signed_in
from console.library import grid, looking
from console.shell import show
from console.station import station


def add_to(blueprint: Blueprint) -> None:
    """Put this page among those of the photos."""
    blueprint.add_url_rule("/this-day", "this_day", this_day_page)


def years_ago(years: int) -> str:
    """``3 years ago``."""
    return ngettext("%(num)s year ago", "%(num)s years ago", years)


@signed_in
def this_day_page() -> ResponseReturnValue:
    """Photos of today's day in earlier years, or of another day with ``?day=``."""
    with station().db.reading() as session:
        day = _day(request.args.get("day")) or now().astimezone(zone(session)).date()
        found = this_day.years(session, me(), looking.DAY_SHOWS, day)
        fillable = albums.fillable(session, me())
    groups: list[tuple[str, Any]] = [(f"{years_ago(n)}, {day.year - n}", items) for n, items in found]
    return show(
        "library/this_day.html",
        items=groups,
        day=format_date(day, gettext("d MMMM")),
        chosen=day,
        next="",
        fillable=fillable,
        shape=grid.shape,
        length=grid.length,
        caption=grid.captions(),
        within=f"?in={looking.DAY}&day={day.isoformat()}",
    )


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None
