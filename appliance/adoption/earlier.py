"""An earlier station, as the drives that are plugged in know it: who lives there, and the best copy of its database.

Reading gigabytes of it once is enough: what was fetched is kept in the data folder while somebody looks and types, and
serves as long as the same drives stay plugged in.  It goes when this box has an owner (``recovery.remember_owner``).
The drives are only read.

A box that nobody has claimed has no drives of its own yet.  So each that carries a marker is an earlier station's, also
one that names this box: the same image was written onto a new card.
"""

import fcntl
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from appliance import recovery
from appliance.broker.client import Broker
from appliance.db import migrate
from appliance.drives import inventory, records, rescue
from appliance.drives.layout import STATION_COPY
from appliance.durable import write_atomically
from appliance.errors import ApplianceError
from appliance.places import Places
from appliance.words import N_


class NothingToTakeOver(ApplianceError):
    """No drive of another station is plugged in, or none of them knows its family."""

    code, status = "nothing_to_take_over", 409
    template = N_("On no drive that is plugged in is there a station to take over.")
    hint = N_("Plug in a drive of the old station, one that a copy was made to or from, and try again.")


class DamagedCopies(ApplianceError):
    """The drives are the old station's, but what it knew cannot be read."""

    code, status = "damaged_copies", 409
    template = N_("The drive is of an earlier station, but the list of people and albums on it {problem}.")
    hint = N_(
        "The photos on it are not touched. Try another drive of that station; or begin anew with what is on the drive."
    )


@dataclass(frozen=True)
class Sign:
    """A drive of an earlier station, as its marker tells without looking further."""

    name: str  # of the drive
    tag: str
    station_id: str
    colour: str = "blue"


@dataclass(frozen=True)
class Household:
    """What an earlier station knew: shown to whoever has this box's claim code."""

    station_id: str
    people: tuple[str, ...]
    admins: tuple[str, ...]
    photos: int
    albums: int
    known: datetime | None  # when the copy was made, by its newest event
    drives: tuple[str, ...]


def signs(places: Places) -> list[Sign]:
    """The drives of stations that are plugged in right now."""
    marks = [found.mark for found in inventory.load(places).found if found.mark is not None]
    return [Sign(mark.name, mark.tag, mark.station_id) for mark in marks]


@contextmanager
def newest(places: Places, broker: Broker) -> Iterator[tuple[str, Path]]:
    """(station id, a whole, current copy of its database): the one that knows the most, of all drives plugged in.

    One process at a time.  Raises NothingToTakeOver or DamagedCopies.
    """
    folder = recovery.taking_over(places)
    copy, note = folder / "everpx.db", folder / "of.json"
    with (places.run / "taking-over.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stations := {sign.station_id for sign in signs(places)}):
            raise NothingToTakeOver()
        plugged = _plugged(places)
        if (station_id := _kept(note, plugged)) is None:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            with rescue.within_reach(places, broker, stations) as tags:
                station_id = _fetch(places, tags, copy)
            migrate(copy)
            write_atomically(note, json.dumps({"station_id": station_id, "plugged": plugged}).encode())
        yield station_id, copy


def _plugged(places: Places) -> list[list[Any]]:
    """The drives of stations, each by this plugging-in."""
    found = [(one, one.mark) for one in inventory.load(places).found]
    return sorted([mark.marker_id, one.device, one.sequence] for one, mark in found if mark)


def _kept(note: Path, plugged: list[list[Any]]) -> str | None:
    """Whose the copy is that somebody has looked at before; None when there is none of just these drives."""
    try:
        said = json.loads(note.read_text())
    except (OSError, ValueError):
        return None
    return said["station_id"] if said["plugged"] == plugged else None


def _fetch(places: Places, tags: list[str], target: Path) -> str:
    """Copy the best database that these drives carry; whose it is.  Raises NothingToTakeOver or DamagedCopies."""
    best: tuple[str, str, Path] | None = None
    problem = None
    for tag in tags:
        record = records.read(places.mounts, tag)
        copy = Path(record.path) / STATION_COPY / "everpx.db" if record else None
        if copy is None or not copy.is_file():
            continue
        if (wrong := recovery.problem_of(copy)) is not None:
            problem = wrong
            continue
        known = recovery.newest_event(copy)
        owner = next((s.station_id for s in signs(places) if s.tag == tag), "")
        if best is None or known > best[0]:
            best = (known, owner, copy)
    if best is None:
        raise DamagedCopies(problem=problem) if problem else NothingToTakeOver()
    shutil.copyfile(best[2], target)
    return best[1]


def household_of(station_id: str, copy: Path) -> Household:
    """Who lives there, by a copy of its database."""
    with closing(sqlite3.connect(copy)) as rows:
        people = rows.execute("select name, role from \"user\" where state = 'ACTIVE' order by id").fetchall()
        (photos,) = rows.execute("select coalesce(sum(count), 0) from media_month").fetchone()
        (albums,) = rows.execute("select count(*) from album").fetchone()
        (known,) = rows.execute("select max(at) from event").fetchone()
        drives = rows.execute("select name from drive where state <> 'RETIRED' order by role, number").fetchall()
    return Household(
        station_id,
        tuple(name for name, _ in people),
        tuple(name for name, role in people if role == "ADMIN"),
        int(photos),
        int(albums),
        datetime.fromisoformat(known + "+00:00") if known else None,
        tuple(name for (name,) in drives),
    )
