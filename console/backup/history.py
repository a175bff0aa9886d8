"""Past runs as people look at them: a calendar strip, a list, and one sentence each."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask_babel import format_date, get_locale, gettext, lazy_gettext, ngettext
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.backup.models import BackupRun, RunState
from appliance.backup.not_copied import KINDS
from appliance.db import now
from console import charts
from console.charts import DayMark
from console.translate import say, size, time_zone

LOOKS = {
    RunState.RUNNING: "running",
    RunState.BRAKED: "braked",
    RunState.PROVEN: "proven",
    RunState.NOTHING_TO_DO: "nothing",
    RunState.FAILED: "failed",
    RunState.CANCELLED: "cancelled",
}
STATES = {
    "proven": lazy_gettext("copied and proven"),
    "nothing": lazy_gettext("nothing was new"),
    "braked": lazy_gettext("stopped to ask"),
    "failed": lazy_gettext("not finished"),
    "cancelled": lazy_gettext("cancelled"),
    "running": lazy_gettext("under way"),
}
MOODS = {"proven": "good", "nothing": "good", "braked": "warn", "failed": "danger", "cancelled": "off", "running": ""}
ICONS = {
    "proven": "circle-check",
    "nothing": "check",
    "braked": "hand",
    "failed": "triangle-alert",
    "cancelled": "x",
    "running": "activity",
}
QUIET = ("nothing", "cancelled")  # a day's mark tells of these only when there was nothing else


@dataclass(frozen=True)
class Run:
    """A run with its words."""

    row: BackupRun

    @property
    def look(self) -> str:
        """The name of its mark."""
        return LOOKS[self.row.state]

    @property
    def words(self) -> str:
        """How it ended, in two or three words."""
        return str(STATES[self.look])

    @property
    def mood(self) -> str:
        """The colour of its words."""
        return MOODS[self.look]

    @property
    def icon(self) -> str:
        """The picture beside its words."""
        return ICONS[self.look]

    @property
    def numbers(self) -> str:
        """``412 new, 9 changed, 14.2 GB``"""
        row = self.row
        parts = [
            ngettext("%(num)s new", "%(num)s new", row.new) if row.new else "",
            ngettext("%(num)s changed", "%(num)s changed", row.changed) if row.changed else "",
            ngettext("%(num)s deleted", "%(num)s deleted", row.vanished) if row.vanished else "",
            size(row.bytes) if row.bytes else "",
        ]
        return ", ".join(part for part in parts if part) or gettext("nothing new")

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return (self.row.finished - self.row.started).total_seconds() if self.row.finished else None


@dataclass(frozen=True)
class LeftOut:
    """What lay on the drives and was not copied, because it is no file or could not be read."""

    count: int
    named: list[tuple[str, str, str]]  # drive, path, what it is

    @property
    def more(self) -> int:
        """How many have no name here."""
        return self.count - len(self.named)


def left_out(row: BackupRun) -> LeftOut:
    """Of one run."""
    found = row.details.get("others", {"count": 0, "named": []})
    named = [(one["drive"], _readable(one["path"]), say(KINDS[one["kind"]])) for one in found["named"]]
    return LeftOut(found["count"], named)


def _readable(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") or "/"


def braked(session: Session, drive_id: int) -> BackupRun | None:
    """The run that waits for an answer."""
    newest = session.scalars(
        select(BackupRun).where(BackupRun.cold_drive_id == drive_id).order_by(BackupRun.id.desc()).limit(1)
    ).first()
    return newest if newest and newest.state is RunState.BRAKED and newest.answer is None else None


def strip(session: Session, drive_id: int, name: str) -> tuple[Markup, list[Run]]:
    """The calendar of the last 24 weeks, and the runs behind it, newest first."""
    since = now() - timedelta(weeks=charts.WEEKS)
    wanted = select(BackupRun).where(BackupRun.cold_drive_id == drive_id, BackupRun.started >= since)
    runs = [Run(row) for row in session.scalars(wanted.order_by(BackupRun.id.desc()))]
    zone = ZoneInfo(time_zone())
    marks = day_marks(runs, zone)
    proven = sum(mark.state in ("proven", "nothing") for mark in marks.values())
    label = gettext(
        "Copies to %(drive)s in the last 24 weeks: on %(good)s of %(days)s days with a copy all went well.",
        drive=name,
        good=proven,
        days=len(marks),
    )
    months = [get_locale().months["stand-alone"]["abbreviated"][number] for number in range(1, 13)]
    return charts.calendar(marks, datetime.now(zone).date(), label, months), runs


def day_marks(runs: Iterable[Run], zone: ZoneInfo) -> dict[date, DayMark]:
    """One mark a day: the last run that did something, else the last one.  ``runs`` come newest first."""
    chosen: dict[date, Run] = {}
    for run in runs:
        day = run.row.started.astimezone(zone).date()
        if day not in chosen or (chosen[day].look in QUIET and run.look not in QUIET):
            chosen[day] = run
    return {day: DayMark(run.look, f"{format_date(day)}: {run.words}, {run.numbers}") for day, run in chosen.items()}


def legend() -> list[tuple[Markup, str]]:
    """Every mark with its meaning."""
    return [(charts.shape(state), str(words)) for state, words in STATES.items() if state != "running"]
