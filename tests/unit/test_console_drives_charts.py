"""Charts: the numbers behind the pictures, and markup that a page's policy allows."""

import re
from datetime import date, timedelta
from xml.etree import ElementTree

from console import axes, charts
from console.charts import DayMark, Sample, SpaceWords, TrendWords

GB = 10**9
START = date(2026, 1, 1)
WORDS = SpaceWords(
    label="<b>half</b> full", marks=[(0, "0 B"), (1000 * GB, "1 TB")], first="Jan", last="Dec", today="today"
)


def growing(days: int, per_day: int, size: int = 1000 * GB) -> list[Sample]:
    return [Sample(START + timedelta(days=n), 100 * GB + n * per_day, size) for n in range(days)]


def test_a_drive_that_fills_steadily_is_full_on_the_day_that_arithmetic_says() -> None:
    assert charts.full_on(growing(91, 2 * GB)) == START + timedelta(days=450)


def test_little_history_no_growth_and_the_far_future_are_not_guessed() -> None:
    assert charts.full_on([]) is None
    assert charts.full_on(growing(10, 2 * GB)) is None
    assert charts.full_on(growing(90, 0)) is None
    assert charts.full_on(growing(90, -GB)) is None
    assert charts.full_on(growing(90, 1000)) is None


def test_a_drive_that_is_over_full_is_full_today() -> None:
    days = growing(90, 20 * GB)
    assert charts.full_on(days) == days[-1].day


def test_one_old_jump_does_not_shape_the_forecast() -> None:
    old = [Sample(START - timedelta(days=400), 0, 1000 * GB)]
    assert charts.full_on(old + growing(91, 2 * GB)) == charts.full_on(growing(91, 2 * GB))


def test_a_chart_is_well_formed_escaped_and_free_of_inline_style() -> None:
    samples = growing(91, 2 * GB)
    drawn = str(charts.space(samples, charts.full_on(samples), WORDS))
    root = ElementTree.fromstring(drawn)
    assert root.get("role") == "img" and root.get("aria-label") == "<b>half</b> full"
    assert "style=" not in drawn and "<b>" not in drawn
    numbers = [float(n) for n in re.findall(r'(?:x1|x2|y1|y2|cx|cy)="([-0-9.]+)"', drawn)]
    assert all(0 <= n <= axes.WIDTH for n in numbers)


def test_a_chart_never_looks_farther_ahead_than_back() -> None:
    samples = growing(30, GB)
    assert charts.last_day(samples, START + timedelta(days=3000)) == samples[-1].day + timedelta(days=29)
    assert charts.last_day(samples, None) == samples[-1].day


def test_the_calendar_has_a_cell_for_each_day_up_to_today_and_a_shape_for_each_state() -> None:
    today = date(2026, 11, 22)
    states = ["proven", "nothing", "failed", "braked", "cancelled", "running"]
    marks = {today - timedelta(days=n): DayMark(state, f"{state} & more") for n, state in enumerate(states)}
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    drawn = str(charts.calendar(marks, today, "24 weeks", months))
    root = ElementTree.fromstring(drawn)
    cells = [g for g in root if g.tag == "g"]
    assert len(cells) == (charts.WEEKS - 1) * 7 + today.weekday() + 1
    told = {title.text for cell in cells for title in cell if title.tag == "title"}
    assert told == {f"{state} & more" for state in states}
    assert len({charts.SHAPES[state] for state in states}) == len(states)


def test_a_trend_has_round_values_at_its_side_and_names_its_limit() -> None:
    points = [(START + timedelta(days=n), 30 + n % 20) for n in range(60)]
    words = TrendWords(label="41 °C now", unit=" °C", first="1 Jan", last="1 Mar", limit="too warm from 65 °C on")
    root = ElementTree.fromstring(str(charts.trend(points, words, 65)))
    written = [text.text for text in root.iter("text")]
    assert written == ["0 °C", "20 °C", "40 °C", "60 °C", "80 °C", "too warm from 65 °C on", "1 Jan", "1 Mar"]
    frame = axes.Frame(START, START + timedelta(days=59), 80, [])
    assert frame.y(0) == axes.HEIGHT - axes.BOTTOM and frame.y(80) == axes.TOP


def test_values_at_the_side_are_round_and_reach_the_highest() -> None:
    assert axes.steps(1) == [0, 1]
    assert axes.steps(11) == [0, 5, 10, 15]
    for most in range(1, 3000, 7):
        levels = axes.steps(most)
        assert levels[0] == 0 and levels[-1] >= most and 2 <= len(levels) <= 6


def test_a_flat_line_of_zeros_is_drawn_on_the_ground() -> None:
    points = [(START, 0), (START + timedelta(days=1), 0)]
    drawn = str(charts.trend(points, TrendWords("none", "", "a", "b")))
    assert f",{axes.HEIGHT - axes.BOTTOM}" in drawn
