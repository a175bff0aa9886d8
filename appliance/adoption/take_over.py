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

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from appliance import events, identity, recovery, starts
from appliance.adoption import earlier, keys
from appliance.adoption.earlier import Household
from appliance.broker.client import Broker
from appliance.db import Database
from appliance.drives import inventory, mounts
from appliance.people import service
from appliance.places import Places
from appliance.words import N_

#: The copy was made during a run: its job, and what else waited there, is not this box's to go on with.
END_JOBS = """update job set state = 'CANCELLED', pid = null, finished = strftime('%Y-%m-%d %H:%M:%f', 'now')
    where state in ('WAITING', 'RUNNING', 'PAUSED', 'INTERRUPTED')"""
NEVER_COPIED = ("alembic_version", "sqlite_sequence")


def look(db: Database, broker: Broker, places: Places, code: str, address: str) -> Household:
    """Whose drive it is.  Raises WrongClaimCode, TooManyGuesses, AlreadyClaimed, NothingToTakeOver, DamagedCopies."""
    _check_code(db, places, code, address)
    with earlier.newest(places, broker) as (station_id, copy):
        return earlier.household_of(station_id, copy)


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
    with earlier.newest(places, broker) as (station_id, copy):
        if card:
            keys.check_card(db, copy, name, card, password, address)
        else:
            keys.check_admin(db, copy, name, password, address)
        household = earlier.household_of(station_id, copy)
        identity.take_place_of(places, station_id)
        starts.inherit(places)
        _pour(copy, db.path, partial(keys.give_password, name=name, password=password) if card else None)
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


def _pour(copy: Path, database: Path, also: Callable[[sqlite3.Connection], None] | None) -> None:
    """Replace every row of this station by those of the copy, in one transaction.

    Triggers rest meanwhile: what they keep comes along as rows.  Both databases have the newest schema.  ``also``
    happens with it, or not at all.
    """
    with closing(sqlite3.connect(database, timeout=60, isolation_level=None)) as rows:
        rows.execute("attach database ? as old", (str(copy),))
        rows.execute("pragma synchronous=full")
        rows.execute("begin immediate")
        try:
            if rows.execute('select exists (select 1 from main."user")').fetchone()[0]:
                raise service.AlreadyClaimed()  # while this waited
            rows.execute("pragma defer_foreign_keys=on")
            triggers = rows.execute("select name, sql from main.sqlite_master where type = 'trigger'").fetchall()
            for name, _ in triggers:
                rows.execute(f'drop trigger main."{name}"')
            for table in _tables(rows):
                rows.execute(f'delete from main."{table}"')
                rows.execute(f'insert into main."{table}" select * from old."{table}"')
            rows.execute(END_JOBS)
            if also is not None:
                also(rows)
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
