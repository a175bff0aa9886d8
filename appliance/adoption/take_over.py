"""Taking over from an earlier station: its drive is plugged into a new box, and the family is at home again.

Each copy run leaves the station's database on every drive (``backup.station_copy``).  A box that nobody has claimed yet
may take the place of the station whose drive is plugged in: whoever has the new box's claim code and an admin password
of the old one, or its recovery card.  Everything that the copy knows (people, albums, settings, what lies where) comes
into this station's database in one transaction; from then on drives that name the old station belong here, this one
and every other.

What is true if the plug is pulled here: before the commit the box is new and nothing was taken (it may already know
the old station's id, which changes nothing while it knows none of its drives); after it everything was.  The drives are
only read.
"""

import logging
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from appliance import events, identity, recovery
from appliance.adoption import keys
from appliance.broker.client import Broker
from appliance.db import Database, migrate
from appliance.drives import inventory, mounts, records, rescue
from appliance.drives.layout import STATION_COPY
from appliance.errors import ApplianceError
from appliance.people import service
from appliance.places import Places
from appliance.words import N_

log = logging.getLogger("everpx.adoption")
#: The copy was made during a run: its job, and what else waited there, is not this box's to go on with.
END_JOBS = """update job set state = 'CANCELLED', pid = null, finished = strftime('%Y-%m-%d %H:%M:%f', 'now')
    where state in ('WAITING', 'RUNNING', 'PAUSED', 'INTERRUPTED')"""
SCRATCH = "taking-over-"  # folders in which a copy is looked at; a power cut may leave one
NEVER_COPIED = ("alembic_version", "sqlite_sequence")


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
    """A drive of another station, as its marker tells without looking further."""

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
    """The drives of other stations that are plugged in right now."""
    own = identity.load(places).every_id
    marks = [found.mark for found in inventory.load(places).found if found.mark is not None]
    return [Sign(mark.name, mark.tag, mark.station_id) for mark in marks if mark.station_id not in own]


def look(db: Database, broker: Broker, places: Places, code: str, address: str) -> Household:
    """Whose drive it is.  Raises WrongClaimCode, TooManyGuesses, AlreadyClaimed, NothingToTakeOver, DamagedCopies."""
    _check_code(db, places, code, address)
    with _newest(places, broker) as (station_id, copy):
        return _household(station_id, copy)


def take_over(
    db: Database,
    broker: Broker,
    places: Places,
    *,
    code: str,
    name: str,
    password: str,
    address: str,
    card: str = "",
) -> Household:
    """Take the place of the earlier station; its people sign in as before.

    ``name`` and ``password`` are of one of its admins; with the code of its recovery ``card`` the password is a new one
    for this admin.  Raises what :func:`look` raises, and Invalid for the password or the card.
    """
    _check_code(db, places, code, address)
    with _newest(places, broker) as (station_id, copy):
        if card:
            keys.check_card(db, copy, name, card, password, address)
        else:
            keys.check_admin(db, copy, name, password, address)
        household = _household(station_id, copy)
        if card:  # in the copy, so that it comes with everything else, or not at all
            keys.give_password(copy, name, password)
        identity.take_place_of(places, station_id)
        _pour(copy, db.path)
    with db.writing() as session:
        events.record(
            session,
            "station.taken_over",
            N_("This box took the place of the earlier station of {people}."),
            people=", ".join(household.people),
        )
    recovery.remember_owner(places)
    inventory.refresh(places, broker)
    mounts.ensure_hot(db, broker, places)
    return household


def _check_code(db: Database, places: Places, code: str, address: str) -> None:
    """Whoever takes over has the new box in hand."""
    with db.writing() as session:
        service.check_claim_code(session, identity.load(places), code, address)


@contextmanager
def _newest(places: Places, broker: Broker) -> Iterator[tuple[str, Path]]:
    """(station id, a whole, current copy of its database): the one that knows the most, of all drives plugged in."""
    stations = {sign.station_id for sign in signs(places)}
    if not stations:
        raise NothingToTakeOver()
    for left in places.data.glob(f"{SCRATCH}*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=places.data, prefix=SCRATCH) as scratch:
        copy = Path(scratch) / "everpx.db"
        with rescue.within_reach(places, broker, stations) as tags:
            station_id = _fetch(places, tags, copy)
        migrate(copy)
        yield station_id, copy


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


def _household(station_id: str, copy: Path) -> Household:
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


def _pour(copy: Path, database: Path) -> None:
    """Replace every row of this station by those of the copy, in one transaction.

    Triggers rest meanwhile: what they keep comes along as rows.  Both databases have the newest schema.
    """
    with closing(sqlite3.connect(database, timeout=60, isolation_level=None)) as rows:
        rows.execute("attach database ? as old", (str(copy),))
        rows.execute("pragma synchronous=full")
        rows.execute("begin immediate")
        try:
            rows.execute("pragma defer_foreign_keys=on")
            triggers = rows.execute("select name, sql from main.sqlite_master where type = 'trigger'").fetchall()
            for name, _ in triggers:
                rows.execute(f'drop trigger main."{name}"')
            for table in _tables(rows):
                rows.execute(f'delete from main."{table}"')
                rows.execute(f'insert into main."{table}" select * from old."{table}"')
            rows.execute(END_JOBS)
            for _, sql in triggers:
                rows.execute(sql)
            rows.execute("commit")
        except BaseException:
            rows.execute("rollback")
            raise


def _tables(rows: sqlite3.Connection) -> list[str]:
    """Every table that has rows of its own; a search index's are among them, as plain tables."""
    found = rows.execute("select name, sql from main.sqlite_master where type = 'table'").fetchall()
    return [name for name, sql in found if name not in NEVER_COPIED and not sql.lower().startswith("create virtual")]
