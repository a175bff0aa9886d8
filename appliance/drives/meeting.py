"""What a drive and a station know of each other: ``.everpx/station/met.json``, the last start that a drive was used in.

The card is written first and the drives after it, so a drive never knows of a start that its card does not, whenever
the plug is pulled.  A drive that does has met a newer self of this station, or another card that says it is this
station, or a box that took its place.  Until a person has decided, such a drive keeps what it has: its note, and the
copy of the database that may be newer than the station's own.
"""

import contextlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from appliance import identity, starts
from appliance.drives.layout import STATION_COPY
from appliance.drives.mounts import Mount
from appliance.durable import write_atomically
from appliance.places import Places
from appliance.starts import Start

NAME = "met.json"
LARGEST = 4096  # bytes


class Doubt(StrEnum):
    """Why this station may not be the one that a drive belongs to."""

    OLDER = "card_older"  # the drive was used in a start that this card knows nothing of
    COPIED = "card_copied"  # the drive was used by another card with this station on it
    TAKEN = "place_taken"  # the drive was used by a station that took the place of this one


@dataclass(frozen=True)
class Met:
    """What a drive says of the station that used it last."""

    station_id: str
    marker_id: str  # a note of another life of the same filesystem says nothing
    start: Start


def meet(places: Places, drive: Mount) -> Doubt | None:
    """Ask a drive whom it met last; if that was us, it now knows of this start.  Raises OSError: it does not answer."""
    if not places.identity.exists():
        return None
    own, known = identity.load(places), starts.load(places)
    met = read(drive.path)
    doubt = None if met is None or met.marker_id != drive.marker_id else _doubt(own, known, met)
    _remember(places, drive, met, doubt)
    if doubt is None and known.latest is not None and not drive.read_only:
        _write(drive.path, Met(own.station_id, drive.marker_id, known.latest), met)
        starts.see(places, drive.marker_id)
    return doubt


def _doubt(own: identity.Identity, known: starts.Starts, met: Met) -> Doubt | None:
    if met.station_id in own.former or known.believes(met.start, met.marker_id):
        return None
    if met.station_id != own.station_id:
        return Doubt.TAKEN
    if known.is_older_than(met.start):
        return Doubt.OLDER
    return Doubt.COPIED if known.was_not(met.start) else None


def read(top: Path) -> Met | None:
    """The note of a drive; None when there is none, or none that makes sense.  Raises OSError."""
    try:
        with (top / STATION_COPY / NAME).open("rb") as file:
            stored = json.loads(file.read(LARGEST))
        start = Start(int(stored["number"]), str(stored["mark"])[:64])
        return Met(str(stored["station_id"])[:64], str(stored["marker_id"])[:64], start)
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None


def _write(top: Path, met: Met, before: Met | None) -> None:
    if met == before:
        return
    folder = top / STATION_COPY
    folder.mkdir(parents=True, exist_ok=True)
    stored = {"station_id": met.station_id, "marker_id": met.marker_id, **asdict(met.start)}
    write_atomically(folder / NAME, json.dumps(stored).encode() + b"\n")


def doubts(places: Places) -> dict[str, tuple[Doubt, Start]]:
    """The drives in doubt since this start, by marker."""
    found = {}
    for marker_id, one in _noted(places).items():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            found[marker_id] = (Doubt(one["doubt"]), Start(int(one["number"]), str(one["mark"])))
    return found


def is_asked(places: Places, drive: Mount) -> bool:
    """Whether this plugging-in of the drive was asked in this start: nobody wakes a drive for it twice."""
    noted = _noted(places).get(drive.marker_id)
    return isinstance(noted, dict) and noted.get("when") == _moment(places, drive)


def settle(places: Places, drives: Iterable[Mount]) -> None:
    """A person has said that this station is the right one: drives that are here follow it, and others later."""
    drives = list(drives)
    _ask(places, drives)  # what is believed is what they say now
    starts.believe(places, (start for _, start in doubts(places).values()))
    write_atomically(_notes(places), b"{}")
    _ask(places, drives)


def _ask(places: Places, drives: Iterable[Mount]) -> None:
    for drive in drives:
        with contextlib.suppress(OSError):  # it is told elsewhere that it does not answer
            meet(places, drive)


def _remember(places: Places, drive: Mount, met: Met | None, doubt: Doubt | None) -> None:
    """In the run folder: each start asks anew."""
    noted: dict[str, Any] = {"when": _moment(places, drive)}
    if doubt is not None and met is not None:
        noted |= {"doubt": doubt.value, **asdict(met.start)}
    write_atomically(_notes(places), json.dumps(_noted(places) | {drive.marker_id: noted}).encode())


def _moment(places: Places, drive: Mount) -> list[Any]:
    latest = starts.load(places).latest
    return [drive.sequence, drive.device_number, latest.mark if latest else ""]


def _noted(places: Places) -> dict[str, Any]:
    try:
        stored = json.loads(_notes(places).read_bytes())
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _notes(places: Places) -> Path:
    return places.run / "met.json"
