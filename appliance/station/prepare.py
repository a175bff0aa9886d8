"""What must be so before a station's processes start, done as the station's own user and then gone.

``python -m appliance.station.prepare`` prints one line of JSON: ``{"claim_code": … or null}``, or the error that stops
the start.
"""

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from appliance import identity, new_database, recovery, starts
from appliance.durable import write_atomically
from appliance.errors import ApplianceError
from appliance.places import Places, places
from appliance.web import service as web


def prepare(here: Places, claim_code: Path) -> str | None:
    """Identity, database, front door; returns the claim code while nobody has claimed, if it is known here."""
    recovery.prepare(here)
    if not here.database.exists():
        new_database.make(here.database)
    if not is_current(here.database):
        from appliance.db import migrate  # half a second that only a start after an upgrade needs

        migrate(here.database)
    code = None if is_claimed(here.database) else _code(here, claim_code)
    if code is None:
        claim_code.unlink(missing_ok=True)
    identity.secret_key(here)
    starts.begin(here)
    web.refresh(here)  # here, because nginx and the worker start together and both would find it missing
    return code


def _code(here: Places, kept: Path) -> str | None:
    """The claim code, unless a label has it; a lost one is replaced while nobody has claimed."""
    if identity.is_labelled(here):
        return None
    if here.identity.exists() and kept.exists():
        return kept.read_text().strip()
    here.identity.unlink(missing_ok=True)
    code = identity.create(here)
    assert code is not None
    write_atomically(kept, f"{code}\n".encode())
    return code


def is_current(database: Path) -> bool:
    """Whether the newest revision is in force, found out without the machinery that migrates."""
    if not database.exists():
        return False
    newest = max(path.name for path in recovery.VERSIONS.glob("[0-9]*.py"))
    with closing(sqlite3.connect(database)) as rows:
        try:
            found = rows.execute("select version_num from alembic_version").fetchone()
        except sqlite3.OperationalError:
            return False
    return found is not None and newest.startswith(f"{found[0]}_")


def is_claimed(database: Path) -> bool:
    """Whether somebody owns this station."""
    with closing(sqlite3.connect(database)) as rows:
        return bool(rows.execute('select exists(select 1 from "user")').fetchone()[0])


def main() -> None:
    """Prepare, and say how it went."""
    here = places()
    try:
        answer: dict[str, object] = {"claim_code": prepare(here, here.data / "claim-code.txt")}
        here.prepared.touch()
    except ApplianceError as error:
        answer = error.as_json()
    print(json.dumps(answer))
    sys.exit("error" in answer)


if __name__ == "__main__":
    main()
