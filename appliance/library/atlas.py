"""Where photos were taken: how many in each square of the earth, among those that somebody may see.

Squares of ten degrees, inside them of one, inside these of a tenth (about 10 km).  A square is also a fact of the
search (``facets.AREA``), so that its photos are found by its name, ``<level>x<from the south>x<from 180° west>``.
"""

from typing import NamedTuple

from sqlalchemy import Integer, cast, func, select
from sqlalchemy.orm import Session

from appliance.library import visible
from appliance.library.models import Media
from appliance.people.models import User

SIZES = {1: 10.0, 2: 1.0, 3: 0.1}  # degrees
MOST = 400  # squares of one picture


class Square(NamedTuple):
    """A square of the earth."""

    level: int
    south: int
    east: int

    def __str__(self) -> str:
        """For addresses and for the search."""
        return f"{self.level}x{self.south}x{self.east}"

    @property
    def size(self) -> float:
        """Degrees of a side."""
        return SIZES[self.level]

    @property
    def corner(self) -> tuple[float, float]:
        """Latitude and longitude of the south-western corner."""
        return self.south * self.size - 90, self.east * self.size - 180


class Cluster(NamedTuple):
    """The photos of a square: how many, their middle, and the town of one of them."""

    square: Square
    photos: int
    latitude: float
    longitude: float
    place: str
    country: str


def square_in(text: str | None) -> Square | None:
    """The inverse of ``str(square)``; None for what is none."""
    parts = (text or "").split("x")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 5 for part in parts):
        return None
    square = Square(*(int(part) for part in parts))
    return square if square.level in SIZES and square.south * square.size <= 180 else None


def clusters(session: Session, viewer: User, within: Square | None = None) -> list[Cluster]:
    """The squares of the next finer level inside one (or of the whole earth) that have photos, the fullest first."""
    level = within.level + 1 if within else 1
    times = 1 / SIZES[level]
    south = cast((Media.latitude + 90) * times, Integer)
    east = cast((Media.longitude + 180) * times, Integer)
    query = select(
        south, east, func.count(), func.avg(Media.latitude), func.avg(Media.longitude), func.max(Media.id)
    ).where(Media.latitude.is_not(None), Media.longitude.is_not(None), Media.stack_id.is_(None))
    if within:
        latitude, longitude = within.corner
        query = query.where(Media.latitude >= latitude, Media.latitude < latitude + within.size)
        query = query.where(Media.longitude >= longitude, Media.longitude < longitude + within.size)
    query = query.where(visible.by_person(viewer)).group_by(south, east).order_by(func.count().desc()).limit(MOST)
    rows = session.execute(query).all()
    names = select(Media.id, Media.place, Media.country).where(Media.id.in_([row[5] for row in rows]))
    named = {media_id: (place, country) for media_id, place, country in session.execute(names)}
    return [
        Cluster(Square(level, row[0], row[1]), row[2], row[3], row[4], *named.get(row[5], ("", ""))) for row in rows
    ]
