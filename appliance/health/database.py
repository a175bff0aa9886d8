"""Once a week the whole database is read; when it is whole, a copy of it is kept beside it (standard library only)."""

import json
import logging
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from appliance.durable import flush_folder, write_atomically
from appliance.places import Places
from appliance.recovery import suspect_stamp, weekly_copy

log = logging.getLogger("everpx.health")
EVERY = timedelta(days=7)
ROOM_FACTOR = 3  # a copy is made when this many of it would fit


def stamp(places: Places) -> Path:
    """What the last check found."""
    return places.data / "database-checked.json"


def last_check(places: Places) -> dict[str, Any] | None:
    """``{"at": …, "problem": …}`` of the last check, or None when there was none."""
    try:
        found: dict[str, Any] = json.loads(stamp(places).read_text())
        found["at"] = datetime.fromisoformat(found["at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found


def check_weekly(places: Places) -> None:
    """Check when the last one is a week old, or dated in the future, or found something."""
    moment, last = datetime.now(UTC), last_check(places)
    if last is None or not moment - EVERY < last["at"] <= moment or last["problem"]:
        check(places)


def check(places: Places) -> str:
    """Read every page.  Returns the problem or ""; a bad database is replaced at the next start."""
    problem = ""
    try:
        with closing(sqlite3.connect(f"{places.database.absolute().as_uri()}?mode=rw", uri=True, timeout=30)) as rows:
            (answer,) = rows.execute("pragma quick_check(1)").fetchone()
            problem = "" if answer == "ok" else str(answer)
            if not problem:
                _keep_copy(places, rows)
    except sqlite3.DatabaseError as error:
        problem = str(error)
    if problem:
        log.error("the database is damaged: %s", problem)
        write_atomically(suspect_stamp(places), b"")
    found = {"at": datetime.now(UTC).isoformat(), "problem": problem}
    write_atomically(stamp(places), json.dumps(found).encode())
    return problem


def _keep_copy(places: Places, rows: sqlite3.Connection) -> None:
    """Replace the weekly copy; the old one stays until the new one is whole and flushed."""
    if shutil.disk_usage(places.data).free < ROOM_FACTOR * places.database.stat().st_size:
        log.warning("no room for a copy of the database")
        return
    copy = weekly_copy(places)
    temporary = copy.with_name(copy.name + ".incoming")
    temporary.unlink(missing_ok=True)
    with closing(sqlite3.connect(temporary)) as target:
        rows.backup(target, pages=1000, sleep=0.005)
        target.execute("pragma journal_mode=delete")
    with temporary.open("rb") as written:
        os.fsync(written.fileno())
    temporary.rename(copy)
    flush_folder(places.data)
