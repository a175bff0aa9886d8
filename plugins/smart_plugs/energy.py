"""What went through the plugs: readings, months, and how long drives were on.

A plug's own counter is believed where it has one; it may begin anew (a reset, a new month), then what it shows is what
came since.  Without a counter the power is taken as steady between two readings that are close together.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from appliance import clock
from appliance.db import now
from appliance.drives.models import Drive, DriveRole, PowerMove, PowerState
from appliance.jobs.schedule import time_zone_name
from plugins.smart_plugs.models import PlugDrive, PlugMonth, Reading, SmartPlug, Switching
from plugins.smart_plugs.protocols.answers import UNKNOWN

STEADY = timedelta(hours=2)  # longer apart, nobody knows what the power was
MOST_W = 4000.0  # no household's socket gives more: a counter that says so lies
KEEP_READINGS, KEEP_SWITCHINGS = timedelta(days=62), timedelta(days=400)
MONTHS = 12


def note(session: Session, plug: SmartPlug, state: dict[str, Any]) -> None:
    """Keep what a plug said, and what went through it since the last time."""
    last = session.scalar(select(Reading).where(Reading.plug_id == plug.id).order_by(Reading.id.desc()).limit(1))
    reading = Reading(plug_id=plug.id, at=now(), on=state["on"], watts=state["watts"], counter_wh=state["counter_wh"])
    plug.answered, plug.is_on, plug.watts = reading.at, state["on"], state["watts"]
    plug.has_meter = plug.has_meter or state["meter"]
    if plug.key.startswith(UNKNOWN) and state["key"]:  # its password is known now
        plug.key = state["key"]
    if not state["meter"]:
        return
    session.add(reading)
    session.flush()
    wh = None if last is None else since(last, reading)
    if wh:
        month = month_of(session, reading.at)
        row = session.get(PlugMonth, (plug.id, month)) or PlugMonth(plug_id=plug.id, month=month, wh=0.0)
        row.wh += wh
        session.add(row)


def since(last: Reading, reading: Reading) -> float | None:
    """Watt hours between two readings, None when that cannot be known."""
    apart = reading.at - last.at
    hours = apart.total_seconds() / 3600
    if hours < 0:  # the clock was put back
        return None
    if last.counter_wh is not None and reading.counter_wh is not None:
        gone = reading.counter_wh - last.counter_wh
        gone = reading.counter_wh if gone < 0 else gone
        return gone if gone <= MOST_W * hours + 10 else None
    if last.watts is not None and last.on and apart <= STEADY:
        return last.watts * hours
    return None


def month_of(session: Session, moment: datetime) -> str:
    """``2026-11``, by the station's clock."""
    return f"{moment.astimezone(ZoneInfo(time_zone_name(session))):%Y-%m}"


def prune(session: Session) -> None:
    """Readings and switchings that nobody looks at any more."""
    moment = clock.read().passed
    session.execute(delete(Reading).where(Reading.at < moment - KEEP_READINGS))
    session.execute(delete(Switching).where(Switching.at < moment - KEEP_SWITCHINGS))


@dataclass(frozen=True)
class DriveHours:
    """How long a drive was on, by month; ``by_plug`` says whether a plug knows or only the station's own use."""

    drive: Drive
    by_plug: bool
    hours: dict[str, float]


@dataclass(frozen=True)
class PlugUse:
    """What went through a plug, by month."""

    plug: SmartPlug
    kwh: dict[str, float]


@dataclass(frozen=True)
class Year:
    """The last twelve months, oldest first."""

    months: list[str]
    drives: list[DriveHours]
    plugs: list[PlugUse]

    def kwh(self, month: str) -> float:
        """All plugs together."""
        return sum(use.kwh.get(month, 0.0) for use in self.plugs)


def year(session: Session) -> Year:
    """Everything that the page shows."""
    zone = ZoneInfo(time_zone_name(session))
    today = now().astimezone(zone)
    months = [_back(today, back) for back in reversed(range(MONTHS))]
    begin = datetime.strptime(months[0] + "-01", "%Y-%m-%d").replace(tzinfo=zone).astimezone(UTC)
    plug_of = {row.drive_id: row.plug_id for row in session.scalars(select(PlugDrive))}
    cold = session.scalars(select(Drive).where(Drive.role == DriveRole.COLD).order_by(Drive.number)).all()
    drives = []
    for drive in cold:
        spans = _by_plug(session, plug_of[drive.id], begin) if drive.id in plug_of else _by_use(session, drive, begin)
        hours = _spread(spans, begin, zone)
        if hours or drive.id in plug_of:
            drives.append(DriveHours(drive, drive.id in plug_of, hours))
    plugs = [
        PlugUse(plug, _kwh(session, plug.id, months[0]))
        for plug in session.scalars(select(SmartPlug).where(SmartPlug.has_meter).order_by(SmartPlug.id))
    ]
    return Year(months, drives, plugs)


def _back(today: datetime, months: int) -> str:
    count = today.year * 12 + today.month - 1 - months
    return f"{count // 12}-{count % 12 + 1:02}"


def _kwh(session: Session, plug_id: int, first: str) -> dict[str, float]:
    rows = session.scalars(select(PlugMonth).where(PlugMonth.plug_id == plug_id, PlugMonth.month >= first))
    return {row.month: row.wh / 1000 for row in rows}


Span = tuple[datetime, datetime]


def _by_plug(session: Session, plug_id: int, begin: datetime) -> list[Span]:
    """From each switching on to the next switching off that was done."""
    wanted = select(Switching.at, Switching.on).where(Switching.plug_id == plug_id, Switching.done)
    rows = session.execute(wanted.where(Switching.at >= begin - timedelta(days=31)).order_by(Switching.id))
    return _spans((at, on) for at, on in rows)


def _by_use(session: Session, drive: Drive, begin: datetime) -> list[Span]:
    """From when it was in use until it might be switched off: what came after, people know."""
    wanted = select(PowerMove.at, PowerMove.state).where(PowerMove.drive_id == drive.id)
    rows = session.execute(wanted.where(PowerMove.at >= begin - timedelta(days=31)).order_by(PowerMove.id))
    states = {PowerState.MOUNTED: True, PowerState.UNMOUNTED: False, PowerState.OFF: False}
    return _spans((at, states[state]) for at, state in rows if state in states)


def _spans(moves: Iterable[tuple[datetime, bool]]) -> list[Span]:
    spans, began = [], None
    for at, on in moves:
        if on and began is None:
            began = at
        elif not on and began is not None:
            spans.append((began, max(began, at)))
            began = None
    if began is not None:
        spans.append((began, max(began, now())))
    return spans


def _spread(spans: Iterable[Span], begin: datetime, zone: ZoneInfo) -> dict[str, float]:
    """Hours by month; a span over midnight of the first counts for both."""
    hours: dict[str, float] = {}
    for start, end in spans:
        at = max(start, begin)
        while at < end:
            local = at.astimezone(zone)
            count = local.year * 12 + local.month
            following = datetime(count // 12, count % 12 + 1, 1, tzinfo=zone).astimezone(UTC)
            until = min(end, following)
            hours[f"{local:%Y-%m}"] = hours.get(f"{local:%Y-%m}", 0.0) + (until - at).total_seconds() / 3600
            at = until
    return hours
