"""What charts over time share: where a day and a value lie, lines across with their values, days along the bottom."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

WIDTH, HEIGHT = 400, 180
LEFT, RIGHT, TOP, BOTTOM = 8, 8, 24, 26
LETTER = 9  # how wide one is at most: on a phone
Mark = tuple[float, str]  # a value, and how it is written


@dataclass(frozen=True)
class Frame:
    """The area of a chart: days from left to right, values from zero up, their words in a gutter on the left."""

    first: date
    last: date
    most: float  # the value at the top
    marks: Sequence[Mark]  # lines across

    @property
    def left(self) -> float:
        """Where the area begins, as wide as the longest word needs."""
        return LEFT + 6 + LETTER * max((len(words) for _, words in self.marks), default=0)

    def x(self, day: date) -> float:
        """Where a day is."""
        days = max(1, (self.last - self.first).days)
        return round(self.left + (WIDTH - self.left - RIGHT) * (day - self.first).days / days, 1)

    def y(self, value: float) -> float:
        """Where a value is."""
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.most, 1)

    def across(self) -> list[Markup]:
        """The lines, each with its value."""
        line = Markup(
            '<line class="across" x1="{}" y1="{}" x2="{}" y2="{}"/><text x="{}" y="{}" text-anchor="end">{}</text>'
        )
        return [
            line.format(self.left, self.y(at), WIDTH - RIGHT, self.y(at), self.left - 6, self.y(at) + 4, words)
            for at, words in self.marks
        ]

    def along(self, first: str, last: str, between: tuple[date, str] | None = None) -> list[Markup]:
        """The days along the bottom; one in between only where there is room for it."""
        text = Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>')
        below = HEIGHT - 8
        words = [text.format(self.left, below, "start", first), text.format(WIDTH - RIGHT, below, "end", last)]
        if between is not None and between[1] and WIDTH * 0.4 < self.x(between[0]) < WIDTH * 0.72:
            words.append(text.format(self.x(between[0]), below, "middle", between[1]))
        return words


def steps(most: float) -> list[int]:
    """Two to five round whole numbers from zero on; the last one is not below ``most``."""
    step = max(1, round(round_up(most / 4)))
    return [step * number for number in range(max(1, math.ceil(most / step)) + 1)]


def round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50 …"""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if value <= step * power * 1.000001)
