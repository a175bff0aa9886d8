"""Nights: when somebody does not want to be disturbed.  Pure; times are the station's wall clock.

A night is named by two wall-clock times and may cross midnight.  What falls into it waits for its end, computed from
the calendar: the night of the change to summer time is an hour shorter, the other one an hour longer, and a time that
is skipped or comes twice still ends the night once.
"""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


def clock(text: str) -> time | None:
    """``"22:00"`` as a time; None for anything else."""
    found = CLOCK.fullmatch(text.strip())
    return time(int(found[1]), int(found[2])) if found else None


def quiet_until(begins: str, ends: str, moment: datetime, zone: tzinfo) -> datetime | None:
    """When the night that ``moment`` falls into ends (UTC), None when it falls into none."""
    start, end = clock(begins), clock(ends)
    if start is None or end is None or start == end:
        return None
    today = moment.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        night = _at(day, start, zone), _at(day + timedelta(days=end < start), end, zone)
        if night[0] <= moment < night[1]:
            return night[1]
    return None


def _at(day: date, clock: time, zone: tzinfo) -> datetime:
    """A wall-clock time of a day, in UTC; of an hour that comes twice the first pass."""
    return datetime.combine(day, clock, zone).astimezone(UTC)
