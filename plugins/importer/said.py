"""What a source says about its files beside their own bytes: Google's JSON, Apple's tables.

No I/O: texts in, facts out; whatever anybody may have written there is checked before it is believed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from plugins.importer.sources import Entry

LARGEST_TEXT = 1 << 20  # bytes of one such file
EARLIEST = datetime(1800, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Said:
    """What is said of one photo."""

    taken: datetime | None = None
    title: str = ""
    description: str = ""
    favourite: bool = False
    latitude: float | None = None
    longitude: float | None = None
    albums: tuple[str, ...] = ()
    thrown_away: bool = False  # it lay in the bin there


@dataclass(frozen=True)
class Told:
    """What a whole source says."""

    files: Mapping[str, Said] = field(default_factory=dict)  # by path
    companions: frozenset[str] = frozenset()  # the paths of the texts themselves: nothing to bring in, nothing missing
    missing_parts: tuple[str, ...] = ()  # archives of a set that are not there


NOTHING = Said()


def is_text(entry: Entry) -> bool:
    """Whether a file may say something about others, and is small enough to be read."""
    return entry.name.lower().endswith((".json", ".csv")) and entry.size <= LARGEST_TEXT


def told(entries: Sequence[Entry], texts: Mapping[str, bytes]) -> Told:
    """Everything that is said by these texts about these files."""
    from plugins.importer import apple, takeout

    google, their_texts = takeout.told(entries, texts)
    icloud, other_texts = apple.told(entries, texts)
    return Told(google | icloud, frozenset(their_texts | other_texts), takeout.missing_parts(entries))


def moment(seconds: float) -> datetime | None:
    """Seconds since 1970 as a moment that a photo may have; None for any other."""
    try:
        found = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found >= EARLIEST else None


def place(latitude: object, longitude: object) -> tuple[float | None, float | None]:
    """Degrees; 0, 0 is how "not known" is written."""
    if not isinstance(latitude, (int, float)) or not isinstance(longitude, (int, float)):
        return None, None
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180) or (latitude == 0 and longitude == 0):
        return None, None
    return float(latitude), float(longitude)
