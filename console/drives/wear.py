"""A drive's health over time: what it said of itself, as charts and a table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from flask_babel import format_date, gettext
from markupsafe import Markup
from sqlalchemy.orm import Session

from appliance.drives import smart_history
from appliance.drives.models import SmartSample
from appliance.drives.smart_history import SPOTS
from appliance.drives.wear import WARM_C, WARM_OTHERS_C
from console import charts
from console.charts import TrendWords

POINTS = 160  # a chart has no room for more
ROWS = 200
Words = Callable[[int, int], str]  # newest, highest -> the whole in a sentence


@dataclass(frozen=True)
class Picture:
    """One thing that a drive tells of itself: a chart from the second day on, until then the one value."""

    title: str
    says: str
    chart: Markup | None


@dataclass(frozen=True)
class History:
    """What the page shows; of what the drive never told there is no picture."""

    rows: Sequence[SmartSample]  # the newest first
    pictures: Sequence[Picture]


def history(session: Session, drive_id: int, kind: str) -> History:
    """Everything that was noted of a drive of this kind (ssd, hdd …)."""
    samples = smart_history.samples(session, drive_id)
    warm_from = WARM_C.get(kind, WARM_OTHERS_C)
    warmth = [(s.at.date(), s.temperature_c) for s in samples]
    spots = [(s.at.date(), spots_of(s)) for s in samples]
    worn = [(s.at.date(), s.percent_used) for s in samples]
    told = gettext("too warm from %(limit)s °C on", limit=warm_from)
    drawn = (
        _picture(gettext("Warmth"), warmth, _warmth, " °C", (warm_from, told)),
        _picture(gettext("Bad spots"), spots, _spots),
        _picture(gettext("Wear"), worn, _worn, " %", (100, gettext("worn out"))),
    )
    return History(samples[:ROWS], [picture for picture in drawn if picture])


def spots_of(sample: SmartSample) -> int | None:
    """Bad spots of every sort together; None when the drive counts none of them."""
    known = [value for name in SPOTS if (value := getattr(sample, name)) is not None]
    return sum(known) if known else None


def _picture(
    title: str,
    found: list[tuple[date, int | None]],
    words: Words,
    unit: str = "",
    limit: tuple[int, str] | None = None,
) -> Picture | None:
    """None where nothing was told; of several samples on a day the last one counts."""
    by_day = {day: value for day, value in reversed(found) if value is not None}
    points = sorted(by_day.items())
    if not points:
        return None
    says = words(points[-1][1], max(by_day.values()))
    if len(points) < 2:
        return Picture(title, says, None)
    step = max(1, len(points) // POINTS)
    shown = [*points[:-1:step], points[-1]]
    spoken = TrendWords(says, unit, _short(points[0][0]), _short(points[-1][0]), limit[1] if limit else "")
    return Picture(title, says, charts.trend(shown, spoken, limit[0] if limit else None))


def _short(day: date) -> str:
    return format_date(day, "medium")


def _warmth(now: int, highest: int) -> str:
    return gettext("%(now)s °C now, %(highest)s °C at most.", now=now, highest=highest)


def _spots(now: int, highest: int) -> str:
    return gettext("%(now)s bad spots now.", now=now)


def _worn(now: int, highest: int) -> str:
    return gettext("%(now)s %% of its life is used up.", now=now)
