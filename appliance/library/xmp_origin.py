"""A moment and a place as XMP writes them: ISO 8601, and degrees with minutes ("XMP Specification Part 2").

Text in, facts out, and back; a place comes back as the same number.
"""

import re
from datetime import UTC, datetime

EARLIEST = 1800
_PLACE = re.compile(r"(\d{1,3}),(\d{1,2}(?:\.\d{1,20})?)(?:,(\d{1,2}(?:\.\d{1,20})?))?([NSEW])")


def moment(text: str | None) -> datetime | None:
    """Naive where the text names no zone; None for what is not a moment, or only a year or a month."""
    try:
        found = datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None
    if found.year < EARLIEST or "T" not in (text or ""):
        return None
    try:
        found.astimezone(UTC)
    except (OverflowError, ValueError):
        return None
    return found


def degrees(text: str | None, limit: int) -> float | None:
    """``48,51.0N`` or ``48,51,0N`` as degrees; None for anything else."""
    match = _PLACE.fullmatch((text or "").strip())
    if match is None or (match[4] in "NS") != (limit == 90):
        return None
    found = int(match[1]) + float(match[2]) / 60 + float(match[3] or 0) / 3600
    return None if found > limit else round(-found if match[4] in "SW" else found, 10)


def as_text(value: float, positive: str, negative: str) -> str:
    """Degrees as XMP writes them."""
    whole, part = divmod(abs(value), 1)
    return f"{int(whole)},{part * 60:.10f}{negative if value < 0 else positive}"
