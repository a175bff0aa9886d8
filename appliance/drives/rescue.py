"""The drives of a station whose database is lost, or was elsewhere: within reach for a moment, by their markers alone.

No database import: this runs before there is one.
"""

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from appliance import identity
from appliance.broker.client import Broker
from appliance.drives import marker as markers
from appliance.errors import ApplianceError
from appliance.places import Places

log = logging.getLogger("everpx.recovery")


@contextmanager
def within_reach(places: Places, broker: Broker, stations: Collection[str] = ()) -> Iterator[list[str]]:
    """Mount every drive of these stations (default: this one) that nobody uses, and let go of them again.

    Gives the tags under which they can be found.  Nothing is written to them.  Without root's side, or without an
    identity, there are just none.
    """
    tags: list[str] = []
    try:
        for drive in _theirs(places, broker, stations):
            try:
                broker("drives.mount", drive)
                tags.append(drive["tag"])
            except ApplianceError as error:
                log.warning("%s could not be looked at: %s", drive["tag"], error)
        yield tags
    finally:
        for tag in tags:
            try:
                broker("drives.unmount", {"tag": tag})
            except ApplianceError as error:
                log.warning("%s stays in use: %s", tag, error)


def _theirs(places: Places, broker: Broker, stations: Collection[str]) -> list[dict[str, Any]]:
    """A mount request for each drive whose marker names one of the stations."""
    try:
        stations = stations or identity.load(places).every_id
        surveyed = broker("drives.survey", {})["drives"]
    except (OSError, ValueError, KeyError, ApplianceError) as error:
        log.warning("no drive can be looked at: %s", error)
        return []
    wanted = []
    for drive in surveyed:
        seen = drive["seen"] or {}
        mark = markers.parse(seen.get("marker"))
        mounted = mark is not None and (places.mounts / f"{mark.tag}.json").exists()
        if mark is not None and mark.station_id in stations and not drive["system"] and not mounted:
            facts = {"device": drive["device"], "filesystem_uuid": seen.get("filesystem_uuid", "")}
            wanted.append({**facts, "tag": mark.tag, "read_only": True})
    return wanted
