"""What drives said of their health over time: noted at each power-on and once a day, never by waking one.

The worker's list of drives has what was last said (asked with ``-n standby``); what was said before a drive fell
asleep is not noted again.  The table is bounded: :data:`MOST` rows a drive, :data:`MOST_A_DAY` of them on one day,
because a cable that comes and goes is a power-on every minute.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.drives import inventory as live
from appliance.drives import records, service
from appliance.drives.identity import VerdictKind, own_ids, verdict
from appliance.drives.inventory import Found
from appliance.drives.models import Drive, SmartSample
from appliance.places import Places

MOST = 800
MOST_A_DAY = 6
LOOK_BACK = timedelta(days=30)
SPOTS = ("reallocated", "pending", "uncorrectable")
KEPT = (*SPOTS, "crc_errors", "percent_used", "temperature_c")


@dataclass(frozen=True)
class Growth:
    """How a counter grew within :data:`LOOK_BACK`."""

    before: int
    after: int
    days: int  # at least 1


def sample_all(session: Session, places: Places) -> None:
    """Note what each drive of ours that is here said last."""
    try:
        here = live.load(places)
    except (OSError, ValueError, KeyError, TypeError):
        return  # nobody has looked yet
    drives, own = service.every(session), own_ids(places)
    for found in here.found:
        judged = verdict(found, here, drives, own)
        drive = session.get(Drive, judged.drive_id) if judged.drive_id else None
        if drive is not None and judged.kind in (VerdictKind.OURS, VerdictKind.DIRTY):
            keep(session, drive, found, now())


def keep(session: Session, drive: Drive, found: Found, moment: datetime) -> None:
    """Note one drive, when it said something and this day or this power-on has nothing yet."""
    said = found.health_details
    if not said.get("known") or said.get("asleep"):
        return
    power_on = _power_on(found)
    newest = samples(session, drive.id, 1)
    if newest and newest[0].at.date() == moment.date():
        today = _hotter(newest[0], said.get("temperature_c"))
        if today.power_on == power_on or _on(session, drive.id, moment) >= MOST_A_DAY:
            return
    session.add(
        SmartSample(
            drive_id=drive.id,
            at=moment,
            power_on=power_on,
            passed=bool(said.get("passed")),
            hours=said.get("power_on_hours"),
            cycles=said.get("power_cycles"),
            **{name: said.get(name) for name in KEPT},
        )
    )
    session.flush()
    _forget_the_oldest(session, drive.id)


def _power_on(found: Found) -> str:
    """The drive's own count where it has one: a cable that was pulled is no power-on.  Else the kernel's."""
    cycles = found.health_details.get("power_cycles")
    return f"cycle {cycles}" if cycles is not None else f"{records.boot_id()[:18]} {found.sequence}"


def _hotter(sample: SmartSample, degrees: int | None) -> SmartSample:
    if degrees is not None and degrees > (sample.temperature_c or -273):
        sample.temperature_c = degrees
    return sample


def _on(session: Session, drive_id: int, moment: datetime) -> int:
    start = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    counted = select(func.count()).where(SmartSample.drive_id == drive_id, SmartSample.at >= start)
    return session.scalar(counted) or 0


def _forget_the_oldest(session: Session, drive_id: int) -> None:
    kept = select(SmartSample.id).where(SmartSample.drive_id == drive_id).order_by(SmartSample.id.desc()).limit(MOST)
    session.execute(
        delete(SmartSample).where(SmartSample.drive_id == drive_id, SmartSample.id.not_in(kept.scalar_subquery()))
    )


def samples(session: Session, drive_id: int, most: int = MOST) -> Sequence[SmartSample]:
    """The newest first."""
    wanted = select(SmartSample).where(SmartSample.drive_id == drive_id).order_by(SmartSample.id.desc()).limit(most)
    return session.scalars(wanted).all()


def growth(history: Sequence[SmartSample], *counters: str) -> Growth | None:
    """How much the sum of these counters grew over the last month; None when it did not.  ``history``: newest first."""
    known = [(s.at, total) for s in history if (total := _sum(s, counters)) is not None]
    if not known:
        return None
    at, after = known[0]
    earlier = [(then, count) for then, count in known[1:] if at - then <= LOOK_BACK]
    if not earlier or after <= min(count for _, count in earlier):
        return None
    since, before = min(earlier, key=lambda one: (one[1], -one[0].timestamp()))  # when it was last so low
    return Growth(before, after, max(1, (at - since).days))


def _sum(sample: SmartSample, counters: Sequence[str]) -> int | None:
    values = [value for name in counters if (value := getattr(sample, name)) is not None]
    return sum(values) if values else None
