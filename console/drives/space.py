"""Space over time: a drive's daily samples as a chart, and when it will be full, in words."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from babel.dates import format_skeleton
from flask_babel import get_locale, gettext, ngettext
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.drives.models import SpaceSample
from console import charts
from console.charts import Sample
from console.translate import size

MOST_SAMPLES = 800  # days; older ones say nothing about the coming year
POINTS = 160  # a chart has no room for more


def samples(session: Session, drive_id: int) -> list[Sample]:
    """The drive's days, oldest first."""
    rows = session.scalars(
        select(SpaceSample).where(SpaceSample.drive_id == drive_id).order_by(SpaceSample.day.desc()).limit(MOST_SAMPLES)
    )
    return [Sample(row.day, row.used, row.size) for row in reversed(rows.all())]


def forecast(days: Sequence[Sample]) -> str:
    """``At this pace it is full in about 7 months.``"""
    full = charts.full_on(days)
    if full is None:
        return gettext("There is no telling yet when it will be full.")
    left = (full - days[-1].day).days
    if left < 14:
        return gettext("At this pace it is full within two weeks.")
    if left < 60:
        weeks = round(left / 7)
        return ngettext(
            "At this pace it is full in about %(num)s week.", "At this pace it is full in about %(num)s weeks.", weeks
        )
    if left < 730:
        months = round(left / 30.4)
        return ngettext(
            "At this pace it is full in about %(num)s month.",
            "At this pace it is full in about %(num)s months.",
            months,
        )
    years = round(left / 365)
    return ngettext(
        "At this pace it is full in about %(num)s year.", "At this pace it is full in about %(num)s years.", years
    )


def chart(days: Sequence[Sample]) -> Markup | None:
    """The picture; None while there is no more than a day."""
    if len(days) < 2:
        return None
    step = max(1, len(days) // POINTS)
    shown = [*days[:-1:step], days[-1]]
    full = charts.full_on(days)
    words = charts.SpaceWords(
        label=gettext(
            "%(used)s of %(size)s used. %(forecast)s",
            used=size(days[-1].used),
            size=size(days[-1].size),
            forecast=forecast(days),
        ),
        marks=[(part, size(round(part))) for part in (0, days[-1].size / 2, days[-1].size)],
        first=_short(days[0].day),
        last=_short(charts.last_day(shown, full)),
        today=gettext("today") if full else "",
    )
    return charts.space(shown, full, words)


def _short(day: date) -> str:
    return format_skeleton("yMMM", datetime(day.year, day.month, day.day, tzinfo=UTC), locale=get_locale())
