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
Words = Callable[[int, int, int | None], tuple[str, str]]  # newest, highest, limit -> the whole in a sentence, the line


@dataclass(frozen=True)
class History:
    """What the page shows; a chart is None while there is no more than a day, or nothing to show."""

    rows: Sequence[SmartSample]  # the newest first
    warmth: Markup | None
    spots: Markup | None
    worn: Markup | None


def history(session: Session, drive_id: int, kind: str) -> History:
    """Everything that was noted of a drive of this kind (ssd, hdd …)."""
    samples = smart_history.samples(session, drive_id)
    warm_from = WARM_C.get(kind, WARM_OTHERS_C)
    return History(
        samples[:ROWS],
        _chart([(s.at.date(), s.temperature_c) for s in samples], _warmth, warm_from),
        _chart([(s.at.date(), spots_of(s)) for s in samples], _spots),
        _chart([(s.at.date(), s.percent_used) for s in samples], _worn, 100),
    )


def spots_of(sample: SmartSample) -> int | None:
    """Bad spots of every sort together; None when the drive counts none of them."""
    known = [value for name in SPOTS if (value := getattr(sample, name)) is not None]
    return sum(known) if known else None


def _chart(found: list[tuple[date, int | None]], words: Words, limit: int | None = None) -> Markup | None:
    """The picture; of several samples on a day the last one counts."""
    by_day = {day: value for day, value in reversed(found) if value is not None}
    points = sorted(by_day.items())
    if len(points) < 2:
        return None
    step = max(1, len(points) // POINTS)
    shown = [*points[:-1:step], points[-1]]
    label, most = words(points[-1][1], max(value for _, value in points), limit)
    return charts.trend(shown, TrendWords(label, most, _short(points[0][0]), _short(points[-1][0])), limit)


def _short(day: date) -> str:
    return format_date(day, "d MMM y")


def _warmth(now: int, highest: int, limit: int | None) -> tuple[str, str]:
    label = gettext("%(now)s °C now, %(highest)s °C at most.", now=now, highest=highest)
    return label, gettext("too warm from %(limit)s °C on", limit=limit)


def _spots(now: int, highest: int, limit: int | None) -> tuple[str, str]:
    return gettext("%(now)s bad spots now.", now=now), str(highest)


def _worn(now: int, highest: int, limit: int | None) -> tuple[str, str]:
    return gettext("%(now)s %% of its life is used up.", now=now), "100 %"
