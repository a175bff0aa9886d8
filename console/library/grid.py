"""How photos are shown in a grid: under the names of their months, each by its shape, with words for who cannot see."""

from collections.abc import Callable, Sequence
from datetime import date
from functools import lru_cache
from itertools import groupby

from flask_babel import format_date, get_locale, gettext

from appliance.library.models import MediaKind
from appliance.library.timeline import Item


def captions() -> Callable[[MediaKind, date], str]:
    """What pictures are called where they are not seen, in the reader's language."""
    language = str(get_locale())
    return lambda kind, day: _caption(kind, day, language)


@lru_cache(8192)
def _caption(kind: MediaKind, day: date, language: str) -> str:
    """Written once for each day, kind and language: a page of hits has sixty days, and dates are slow to write."""
    when = format_date(day, "long")
    return gettext("Video of %(day)s", day=when) if kind is MediaKind.VIDEO else gettext("Photo of %(day)s", day=when)


def with_months(items: Sequence[Item], seen: int | None) -> list[tuple[str, list[Item]]]:
    """Items under the name of their month; "" where the page before has named it already."""
    grouped = [(month, list(group)) for month, group in groupby(items, lambda item: item.month)]
    return [("" if month == seen else month_name(month), group) for month, group in grouped]


def month_name(month: int) -> str:
    """``November 2026``."""
    return _month_name(month, str(get_locale()))


@lru_cache(2048)
def _month_name(month: int, language: str) -> str:
    """Written once for each month and language: hits of a rare word are of sixty months."""
    return format_date(date(month // 100, month % 100, 1), "LLLL yyyy")


def shape(item: Item) -> int:
    """The class of a cell: its width by height in steps of five hundredths (library.css has one for each)."""
    return round(item.shape * 20) * 5


def length(seconds: float | None) -> str:
    """``1:05`` of a film."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"
