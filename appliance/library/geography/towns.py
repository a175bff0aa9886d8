"""The nearest town of a place, from 69,000 towns of GeoNames (CC BY 4.0) that are shipped with us.

Read once by the job that needs it (about 20 MB, a third of a second) and never by the console.  A large town reaches
further than a village: somebody in the middle of New York is not "in Seaport".
"""

import json
import lzma
import math
from array import array
from bisect import bisect_left, bisect_right
from functools import cache
from pathlib import Path
from typing import NamedTuple

TOWNS = Path(__file__).with_name("towns.xz")
FURTHEST_KM = 100.0  # beyond that nobody would say that a photo is from there
KM_A_DEGREE = 111.2
REACH_KM = 0.01  # times the root of a town's people: 3 km for 100,000, 30 km for 9 million


class Place(NamedTuple):
    """A town and its country, in English."""

    town: str
    country: str


NOWHERE = Place("", "")


class Towns:
    """Every town, from south to north."""

    def __init__(self) -> None:
        head, *lines = lzma.decompress(TOWNS.read_bytes()).decode().split("\n")
        self._countries: dict[str, str] = json.loads(head)
        self._south, self._east, self._people = array("i"), array("i"), array("i")
        self._names: list[str] = []  # country's code and name
        for line in lines:
            south, east, people, code, name = line.split("\t")
            self._south.append(int(south))
            self._east.append(int(east))
            self._people.append(int(people))
            self._names.append(code + name)

    def nearest(self, latitude: float, longitude: float) -> Place:
        """Where that is; ``NOWHERE`` at sea, in a desert, and for what is no place on earth."""
        if not (-90 <= latitude <= 90 and -180 <= longitude <= 180) or (latitude, longitude) == (0.0, 0.0):
            return NOWHERE  # cameras without a fix write zeros
        best, found = math.inf, None
        band = FURTHEST_KM / KM_A_DEGREE * 1000
        shrink = math.cos(math.radians(latitude)) or 1e-9
        for row in range(
            bisect_left(self._south, latitude * 1000 - band), bisect_right(self._south, latitude * 1000 + band)
        ):
            across = abs(self._east[row] / 1000 - longitude)
            across = min(across, 360 - across) * shrink
            if across * KM_A_DEGREE > FURTHEST_KM:
                continue
            away = math.hypot(across, self._south[row] / 1000 - latitude) * KM_A_DEGREE
            if away > FURTHEST_KM:
                continue
            felt = away - REACH_KM * math.sqrt(self._people[row])
            if felt < best:
                best, found = felt, row
        if found is None:
            return NOWHERE
        told = self._names[found]
        return Place(told[2:], self._countries[told[:2]])


@cache
def towns() -> Towns:
    """This process's."""
    return Towns()
