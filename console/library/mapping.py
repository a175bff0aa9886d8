"""Page: the map.  A simple outline of the land, drawn here; nothing is asked of anybody outside."""

import math
from typing import Any

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from appliance.library import atlas
from appliance.library.atlas import Cluster, Square
from console.access import me, signed_in
from console.shell import show
from console.station import station
from console.translate import country

WORLD = (-180.0, -84.0, 360.0, 142.0)  # left, top, width, height in degrees; no photo is lost in the Antarctic's white
WIDER, HIGHER = 2.4, 1.2  # than a square that is looked at


def add_to(blueprint: Blueprint) -> None:
    """Put this page among those of the photos."""
    blueprint.add_url_rule("/map", "map", map_page)


@signed_in
def map_page() -> ResponseReturnValue:
    """The world, or one square of it, with a circle for each finer square that has photos."""
    within = atlas.square_in(request.args.get("area"))
    within = within if within and within.level < max(atlas.SIZES) else None
    with station().db.reading() as session:
        found = atlas.clusters(session, me(), within)
    box = _box(within)
    return show(
        "library/map.html",
        box=" ".join(f"{number:g}" for number in box),
        within=str(within) if within else "",
        wider=url_for(".map", area=_wider(within)) if within else "",
        spots=[_spot(each, box[2]) for each in found],
        total=sum(each.photos for each in found),
    )


def _box(within: Square | None) -> tuple[float, float, float, float]:
    """The part of the earth that is shown; north is up, so latitudes turn their sign."""
    if within is None:
        return WORLD
    south, west = within.corner
    width, height = within.size * WIDER, within.size * HIGHER
    return west - (width - within.size) / 2, -(south + within.size) - (height - within.size) / 2, width, height


def _wider(within: Square | None) -> str | None:
    if within is None or within.level == 1:
        return None
    return str(Square(1, within.south // 10, within.east // 10))


def _spot(cluster: Cluster, width: float) -> dict[str, Any]:
    """A circle; its area grows with the number of photos, within what can be seen and does not hide the rest."""
    fine = cluster.square.level == max(atlas.SIZES)
    target = (".search", ".map")[not fine]
    return {
        "x": round(cluster.longitude, 3),
        "y": round(-cluster.latitude, 3),
        "r": round(width / 360 * min(11, 4 + 1.5 * math.log10(cluster.photos)), 4),
        "count": cluster.photos,
        "href": url_for(target, area=str(cluster.square)),
        "photos": url_for(".search", area=str(cluster.square)),
        "name": ", ".join(filter(None, (cluster.place, country(cluster.country)))),
        "latitude": cluster.latitude,
        "longitude": cluster.longitude,
    }
