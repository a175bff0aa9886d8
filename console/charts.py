"""Charts as SVG, drawn on the server: pure functions from numbers to markup.

No inline styles (the page's policy forbids them): shapes carry classes, everpx.css carries the colours.  A chart has
a sentence as its label for those who cannot see it, and the page puts a table behind it.  Text is sized for a phone:
one unit of a chart is about one pixel there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from markupsafe import Markup

from console.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Frame, Mark, round_up, steps

FORECAST_FROM_DAYS = 14  # less history says nothing
FORECAST_OVER_DAYS = 120
FARTHEST_DAYS = 3650  # beyond ten years "full" means nothing


@dataclass(frozen=True)
class Sample:
    """How much of a drive was used on a day, in bytes."""

    day: date
    used: int
    size: int


def full_on(samples: Sequence[Sample]) -> date | None:
    """The day on which a drive will be full if it goes on like the last months; None when nobody can say.

    A least-squares line through the samples of the last 120 days, anchored at the newest one.
    """
    if not samples:
        return None
    newest = samples[-1]
    recent = [s for s in samples if (newest.day - s.day).days <= FORECAST_OVER_DAYS]
    if (newest.day - recent[0].day).days < FORECAST_FROM_DAYS:
        return None
    growth = _slope([((s.day - recent[0].day).days, s.used) for s in recent])
    if growth <= 0:
        return None
    days = max(0.0, (newest.size - newest.used) / growth)
    return newest.day + timedelta(days=round(days)) if days <= FARTHEST_DAYS else None


def _slope(points: Sequence[tuple[int, int]]) -> float:
    """Bytes a day, by least squares."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


@dataclass(frozen=True)
class SpaceWords:
    """What is written on a space chart."""

    label: str  # the whole chart in one sentence
    marks: Sequence[Mark]  # amounts on the left
    first: str  # under the first day
    last: str  # under the last day
    today: str = ""  # under the newest sample, when the chart goes on into the forecast


def space(samples: Sequence[Sample], full: date | None, words: SpaceWords) -> Markup:
    """Used space over time as an area below the drive's size, with a dashed line to the day it is full."""
    newest = samples[-1]
    frame = Frame(samples[0].day, last_day(samples, full), max(max(s.size, s.used) for s in samples), words.marks)
    line = " ".join(f"{frame.x(s.day)},{frame.y(s.used)}" for s in samples)
    ground, roof, here = frame.y(0), frame.y(newest.size), frame.x(newest.day)
    parts = [
        *frame.across(),
        Markup('<line class="roof" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(frame.left, roof, WIDTH - RIGHT, roof),
        Markup('<polygon class="area" points="{},{} {} {},{}"/>').format(frame.left, ground, line, here, ground),
        Markup('<polyline class="curve" points="{}"/>').format(line),
        *_forecast(newest, full, frame),
        Markup('<circle class="now" cx="{}" cy="{}" r="4"/>').format(here, frame.y(newest.used)),
        *frame.along(words.first, words.last, (newest.day, words.today)),
    ]
    return _svg("chart space", WIDTH, HEIGHT, words.label, parts)


def last_day(samples: Sequence[Sample], full: date | None) -> date:
    """Where a space chart ends: the day it is full, but no farther ahead than it looks back."""
    newest = samples[-1].day
    return min(full, newest + max(timedelta(days=1), newest - samples[0].day)) if full else newest


def _forecast(newest: Sample, full: date | None, frame: Frame) -> list[Markup]:
    """The dashed line from today towards full, cut where the chart ends."""
    if full is None or frame.last <= newest.day:
        return []
    reached = newest.used + (newest.size - newest.used) * (frame.last - newest.day).days / (full - newest.day).days
    return [
        Markup('<line class="coming" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
            frame.x(newest.day), frame.y(newest.used), frame.x(frame.last), frame.y(reached)
        )
    ]


@dataclass(frozen=True)
class TrendWords:
    """What is written on a trend chart."""

    label: str  # the whole chart in one sentence
    unit: str  # behind each value on the left, with its space: " °C"
    first: str  # under the first day
    last: str  # under the last day
    limit: str = ""  # at the line above which something is wrong


def trend(points: Sequence[tuple[date, int]], words: TrendWords, limit: int | None = None) -> Markup:
    """One number over time, from zero up; ``limit`` is a line above which something is wrong.  Two days at least."""
    first, last = points[0][0], points[-1][0]
    levels = steps(max(1, limit or 0, *(value for _, value in points)))
    frame = Frame(first, last, levels[-1], [(level, f"{level}{words.unit}") for level in levels])
    line = " ".join(f"{frame.x(day)},{frame.y(value)}" for day, value in points)
    parts = [
        *frame.across(),
        *([] if limit is None else _limit(frame, limit, words.limit)),
        Markup('<polyline class="curve" points="{}"/>').format(line),
        Markup('<circle class="now" cx="{}" cy="{}" r="4"/>').format(frame.x(last), frame.y(points[-1][1])),
        *frame.along(words.first, words.last),
    ]
    return _svg("chart trend", WIDTH, HEIGHT, words.label, parts)


def _limit(frame: Frame, limit: int, words: str) -> list[Markup]:
    at, end = frame.y(limit), WIDTH - RIGHT
    line = Markup('<line class="limit" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(frame.left, at, end, at)
    return [line, Markup('<text class="limit" x="{}" y="{}" text-anchor="end">{}</text>').format(end, at - 6, words)]


@dataclass(frozen=True)
class DayMark:
    """A day in the calendar strip: how its runs ended, and that in words."""

    state: str  # "proven", "nothing", "braked", "failed", "cancelled", "running"
    words: str


CELL, STEP = 11, 14
WEEKS = 24
#: A shape of its own for each state, drawn in a cell of 11 × 11, so that colour never alone carries the meaning.
SHAPES = {
    "proven": '<rect width="11" height="11" rx="2.5"/><path class="cut" d="M2.7 5.7l2 2L8.4 3.7"/>',
    "nothing": '<circle cx="5.5" cy="5.5" r="3.2"/>',
    "failed": '<path d="M5.5 0.5L11 10.5H0z"/>',
    "braked": '<rect x="1" width="3.2" height="11" rx="1"/><rect x="6.8" width="3.2" height="11" rx="1"/>',
    "cancelled": '<circle class="open" cx="5.5" cy="5.5" r="4"/>',
    "running": '<path d="M1.5 0.5L10.5 5.5L1.5 10.5z"/>',
    "": '<rect x="4" y="4" width="3" height="3" rx="1"/>',
}


def calendar(marks: Mapping[date, DayMark], today: date, label: str, months: Sequence[str]) -> Markup:
    """The last 24 weeks, a column a week, Monday on top; ``months`` are the twelve short names."""
    start = today - timedelta(days=today.weekday() + 7 * (WEEKS - 1))
    parts: list[Markup] = []
    for number in range((today - start).days + 1):
        day = start + timedelta(days=number)
        week, weekday = divmod(number, 7)
        parts.append(_cell(marks.get(day), week * STEP, 16 + weekday * STEP))
        if day.day == 1 and week < WEEKS - 1:
            parts.append(Markup('<text x="{}" y="10">{}</text>').format(week * STEP, months[day.month - 1]))
    return _svg("chart calendar", WEEKS * STEP - STEP + CELL, 16 + 7 * STEP, label, parts)


def _cell(mark: DayMark | None, left: int, top: int) -> Markup:
    state = mark.state if mark else ""
    title = Markup("<title>{}</title>").format(mark.words) if mark else ""
    shape = Markup(SHAPES[state])
    return Markup('<g class="mark {}" transform="translate({} {})">{}{}</g>').format(
        state or "none", left, top, title, shape
    )


def shape(state: str) -> Markup:
    """One mark of the calendar by itself, for its legend."""
    return Markup('<svg class="chart legend" viewBox="0 0 11 11" aria-hidden="true">{}</svg>').format(
        _cell(DayMark(state, ""), 0, 0)
    )


@dataclass(frozen=True)
class Series:
    """One row of bars; ``classes`` give its colour (``is-blue``), the default is the accent."""

    title: str
    classes: str
    values: Sequence[float]


def bars(series: Sequence[Series], months: Sequence[str], label: str, unit: str, least: float = 1.0) -> Markup:
    """Bars month by month, the series of a month side by side; each bar says its number when it is pointed at.

    The axis reaches to ``least`` at least, so that next to nothing looks like it.
    """
    most = round_up(max(least, *(value for one in series for value in one.values)))
    slot = (WIDTH - LEFT - RIGHT) / len(months)
    width = min(22.0, slot * 0.7) / len(series)
    ground, room = HEIGHT - BOTTOM, HEIGHT - TOP - BOTTOM
    parts = [
        Markup('<line class="roof" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(LEFT, y, WIDTH - RIGHT, y)
        for y in (TOP, ground)
    ]
    parts.append(Markup('<text x="{}" y="{}">{}</text>').format(LEFT, TOP - 7, f"{most:g} {unit}"))
    for at, month in enumerate(months):
        middle = LEFT + slot * (at + 0.5)
        for row, one in enumerate(series):
            if value := one.values[at]:
                height = max(1.5, room * value / most)
                left = middle + width * (row - len(series) / 2)
                parts.append(_bar(one, month, (left, ground - height, width, height), f"{value:.3g} {unit}"))
        if at % 2 == 1 or len(months) <= 6:
            text = Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>')
            parts.append(text.format(round(middle, 1), HEIGHT - 8, month))
    return _svg("chart bars", WIDTH, HEIGHT, label, parts)


def _bar(one: Series, month: str, box: tuple[float, float, float, float], words: str) -> Markup:
    x, y, width, height = (round(number, 1) for number in box)
    said = ", ".join(part for part in (one.title, month, words) if part)
    shape = '<rect class="column {}" x="{}" y="{}" width="{}" height="{}" rx="1.5"><title>{}</title></rect>'
    return Markup(shape).format(one.classes, x, y, max(1.0, width - 1), height, said)


def _svg(classes: str, width: int, height: int, label: str, parts: Sequence[Markup]) -> Markup:
    return Markup('<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        classes, width, height, label, Markup("").join(parts)
    )
