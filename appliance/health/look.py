"""When the station last looked at itself and what it could not see: in ``/run``, so after a start all is unknown."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from appliance.db import now
from appliance.durable import write_atomically
from appliance.places import Places


@dataclass(frozen=True)
class Look:
    """The last look: which checks could look, and which could not."""

    at: datetime
    able: frozenset[str]
    unable: frozenset[str]


def note(places: Places, able: Iterable[str], unable: Iterable[str]) -> None:
    """Write down a look that has just ended."""
    told = {"at": now().isoformat(), "able": sorted(able), "unable": sorted(unable)}
    write_atomically(_path(places), json.dumps(told).encode())


def last(places: Places) -> Look | None:
    """The last look, None when there was none since the start."""
    try:
        told = json.loads(_path(places).read_text())
        return Look(datetime.fromisoformat(told["at"]), frozenset(told["able"]), frozenset(told["unable"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _path(places: Places) -> Path:
    return places.run / "health.json"
