"""Before anything opens the database: is it there, is it whole, is it ours to read?  (Standard library only.)

A station never starts empty silently.  A database that is damaged, missing though this station has an owner, or
written by a newer version is put aside under another name, never deleted; the newest good copy takes its place and an
issue tells both.  Where there is no good copy, the start stops and says so.

Copies are looked for in the data folder (the weekly one, and the one made before a migration) and on every drive of
this station that is plugged in, where each backup leaves one.

What is true if the plug is pulled here: the old file keeps its name until the copy beside it is whole, checked and
flushed; between the two renames the database is missing, and the next start does the same again.
"""

import fcntl
import json
import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from appliance.broker.client import SocketBroker
from appliance.drives import rescue
from appliance.drives.layout import STATION_COPY
from appliance.durable import flush_folder, write_atomically
from appliance.errors import ApplianceError
from appliance.places import Places
from appliance.words import N_

log = logging.getLogger("everpx.recovery")

CHECK_WHOLE_BELOW = 16 * 1024 * 1024  # bytes read at every start; larger databases are read whole once a week
VERSIONS = Path(__file__).parent / "migrations" / "versions"


class NoGoodCopy(ApplianceError):
    """The database is lost and nothing can take its place."""

    code, status = "no_good_copy", 503
    template = N_("The station's database {problem}, and no good copy of it was found.")
    hint = N_(
        "All photos and files are safe on the drives. Plug in a drive with a backup and start again, "
        "or start anew with “everpx migrate --start-empty”."
    )


@dataclass(frozen=True)
class Copy:
    """A good copy; ``known`` is the moment of its newest event, as text that sorts."""

    path: Path
    known: str


def claimed_stamp(places: Places) -> Path:
    """Exists once somebody owns this station: from then on a missing database is a lost one."""
    return places.data / "claimed"


def taking_over(places: Places) -> Path:
    """What a new box has fetched of an earlier station's database, while somebody may want it to take its place."""
    return places.data / "taking-over"


def remember_owner(places: Places) -> None:
    """Leave the stamp once there is a person in the database; then nobody looks at an earlier station any more."""
    if claimed_stamp(places).exists() or not places.database.exists():
        return
    with closing(sqlite3.connect(places.database, timeout=30)) as rows:
        tables = {name for (name,) in rows.execute("select name from sqlite_master where type = 'table'")}
        if "user" in tables and rows.execute("select exists(select 1 from user)").fetchone()[0]:
            shutil.rmtree(taking_over(places), ignore_errors=True)
            write_atomically(claimed_stamp(places), b"")


def suspect_stamp(places: Places) -> Path:
    """Exists when somebody met a damaged page: the next start reads the whole database."""
    return places.data / "everpx.db.suspect"


def report_path(places: Places) -> Path:
    """What the last recovery did, for health to tell."""
    return places.data / "recovered.json"


def weekly_copy(places: Places) -> Path:
    """The copy made after each weekly check that found nothing."""
    return places.data / "everpx.db.good"


def prepare(places: Places) -> None:
    """Make sure that a start finds the right database.  Raises NoGoodCopy."""
    with _alone(places):
        problem = problem_of_station(places)
        if problem is None:
            suspect_stamp(places).unlink(missing_ok=True)
            remember_owner(places)
            return
        log.error("the database %s", problem)
        with rescue.within_reach(places, SocketBroker(places.broker_socket)):
            copy = newest_copy(places)
            if copy is None:
                raise NoGoodCopy(problem=problem)
            _take(places, copy, problem)


def start_empty(places: Places) -> Path | None:
    """An admin's decision: put the damaged database aside and begin anew.  Returns where it lies now."""
    with _alone(places):
        claimed_stamp(places).unlink(missing_ok=True)
        suspect_stamp(places).unlink(missing_ok=True)
        return _put_aside(places.database)


def problem_of_station(places: Places) -> str | None:
    """Why the database cannot be used, or None.  No database and no owner is a new station."""
    if not places.database.exists():
        return "is missing" if claimed_stamp(places).exists() else None
    whole = suspect_stamp(places).exists() or places.database.stat().st_size < CHECK_WHOLE_BELOW
    return problem_of(places.database, "rw", thorough=whole)


def problem_of(path: Path, mode: str = "ro&immutable=1", *, thorough: bool = True) -> str | None:
    """What is wrong with one database file, or None.  A copy is opened so that nothing is left beside it."""
    try:
        if path.stat().st_size == 0:
            return "is empty"
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=30)) as rows:
            revision = _revision(rows)
            if thorough:
                (answer,) = rows.execute("pragma quick_check(1)").fetchone()
                if answer != "ok":
                    return "is damaged"
    except sqlite3.DatabaseError as error:
        log.warning("%s: %s", path, error)
        return "is damaged"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if revision is not None and not any(VERSIONS.glob(f"{revision}_*.py")):
        return "was written by a newer version"
    return None


def _revision(rows: sqlite3.Connection) -> str | None:
    """The schema revision; reading the schema alone already finds a damaged header."""
    tables = {name for (name,) in rows.execute("select name from sqlite_master where type = 'table'")}
    if "alembic_version" not in tables:
        return None
    found = rows.execute("select version_num from alembic_version").fetchone()
    return None if found is None else str(found[0])


def newest_copy(places: Places) -> Copy | None:
    """The good copy that knows the most."""
    good = [Copy(path, newest_event(path)) for path in _copies(places) if problem_of(path) is None]
    return max(good, key=lambda copy: copy.known, default=None)


def _copies(places: Places) -> Iterator[Path]:
    candidates = [weekly_copy(places), places.database.with_name(places.database.name + ".before-migration")]
    for drives in (places.mounts, places.folder_drives):
        candidates += sorted(drives.glob(f"*/{STATION_COPY}/everpx.db"))
    for path in candidates:
        if path.is_file():
            yield path


def newest_event(path: Path) -> str:
    """The moment of the last thing that a copy knows of, as text that sorts."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as rows:
        (newest,) = rows.execute("select max(at) from event").fetchone()
    return str(newest or "")


def _take(places: Places, copy: Copy, problem: str) -> None:
    """Put a copy in the database's place."""
    temporary = places.database.with_name("everpx.db.incoming")
    shutil.copyfile(copy.path, temporary)
    with temporary.open("rb") as written:
        os.fsync(written.fileno())
    if problem_of(temporary) is not None:
        raise NoGoodCopy(problem=problem)
    for journal in ("-wal", "-shm"):
        Path(f"{temporary}{journal}").unlink(missing_ok=True)
    told = {"problem": problem, "from": str(copy.path), "known": copy.known[:16], "at": datetime.now(UTC).isoformat()}
    aside = _put_aside(places.database)
    write_atomically(report_path(places), json.dumps(told | {"kept": aside.name if aside else ""}).encode())
    temporary.rename(places.database)
    flush_folder(places.data)
    suspect_stamp(places).unlink(missing_ok=True)
    log.warning("the database was taken from %s", copy.path)


def _put_aside(database: Path) -> Path | None:
    """Rename the database and its journal; nothing is deleted."""
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    names = (f"{database.name}.damaged-{day}" + (f"-{n}" if n else "") for n in range(10_000))
    aside = next(path for name in names if not (path := database.with_name(name)).exists())
    kept = None
    for journal in ("-wal", "-shm", ""):
        source = Path(f"{database}{journal}")
        if source.exists():
            kept = source.rename(f"{aside}{journal}")
    flush_folder(database.parent)
    return kept


@contextmanager
def _alone(places: Places) -> Iterator[None]:
    """One process at a time: console and worker start together."""
    places.data.mkdir(parents=True, exist_ok=True)
    with (places.data / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
