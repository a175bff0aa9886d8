"""A copy of the database on every drive, so that a dead memory card costs five minutes.

Without what would let a finder in: sign-ins, tokens, device passwords, throttle counters and secret settings stay out.
Password hashes stay (argon2id), or nobody could sign in after a recovery.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from appliance.db import Database
from appliance.drives import layout
from appliance.drives.mounts import Mount
from appliance.durable import flush_folder

LEFT_OUT = ("sign_in", "api_token", "device_password", "throttle")
NAME = "everpx.db"
SECRET_SETTINGS = "key like '%password%' or key like '%secret%' or key like '%token%'"
PAGES = 2000  # copied between two looks at the lock


def write(db: Database, drive: Mount) -> Path:
    """Replace the copy on a drive, whole or not at all."""
    folder = drive.path / layout.STATION_COPY
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{NAME}.new"
    for leftover in folder.glob(f".{NAME}.new*"):
        leftover.unlink()
    with closing(sqlite3.connect(db.path)) as source, closing(sqlite3.connect(temporary)) as copy:
        source.backup(copy, pages=PAGES)
        _strip(copy)
    with temporary.open("rb+") as out:
        import os

        os.fsync(out.fileno())
    temporary.replace(folder / NAME)
    flush_folder(folder)
    return folder / NAME


def _strip(copy: sqlite3.Connection) -> None:
    """Remove the secrets, and overwrite where they lay."""
    copy.execute("PRAGMA journal_mode=DELETE")
    copy.execute("PRAGMA synchronous=OFF")  # flushed once, at the end
    copy.execute("PRAGMA secure_delete=ON")
    present = {name for (name,) in copy.execute("select name from sqlite_master where type = 'table'")}
    with copy:
        for table in present.intersection(LEFT_OUT):
            copy.execute(f'delete from "{table}"')
        copy.execute(f"delete from setting where {SECRET_SETTINGS}")
