"""On this day: what somebody may see that was taken on today's day of earlier years, by the station's calendar."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.jobs.schedule import zone
from appliance.library import search
from appliance.library.filters import begin_of
from appliance.library.models import MediaMonth
from appliance.library.timeline import Item
from appliance.people.models import User

MOST_YEARS = 120


def years(session: Session, viewer: User, most: int, today: date | None = None) -> list[tuple[int, Sequence[Item]]]:
    """(how many years ago, the newest photos of that day), nearest first; years without any are left out."""
    here = zone(session)
    day = today or now().astimezone(here).date()
    oldest = session.scalar(select(func.min(MediaMonth.month)))
    if oldest is None:
        return []
    ago = [n for n in range(1, min(MOST_YEARS, day.year - oldest // 100) + 1) if _earlier(day, n)]
    ranges: list[tuple[datetime, datetime]] = []
    for n in ago:
        then = _earlier(day, n) or day
        ranges.append((begin_of(then, here), begin_of(then + timedelta(days=1), here)))
    found = search.between(session, viewer, ranges, most)
    return [(n, items) for n, items in zip(ago, found, strict=True) if items]


def _earlier(day: date, years: int) -> date | None:
    """The same day of an earlier year; None for the 29th of February of most."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return None
