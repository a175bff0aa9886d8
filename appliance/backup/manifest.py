"""``everpx-manifest.b3`` on a COLD drive: every proven file with its hash, checkable with ``b3sum --check``.

Written whole at the end of a run, streamed from the rows.  Before a run moves anything that the manifest names, the
manifest is put aside (``withdraw``): a manifest that is there is true, also after a pulled plug.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import select

from appliance.backup import catalogue
from appliance.backup.models import ColdFile, ColdFolder
from appliance.db import Database
from appliance.drives import layout
from appliance.drives.mounts import Mount
from appliance.durable import flush_folder, write_atomically
from appliance.library.models import Folder

WITHDRAWN = f"{layout.PRIVATE}/manifest-before-this-run.b3"
NAMES = f"{layout.PRIVATE}/names.json"


def withdraw(cold: Mount) -> None:
    """Make no claim until the run has ended."""
    if (cold.path / layout.MANIFEST).exists():
        (cold.path / layout.PRIVATE).mkdir(exist_ok=True)
        (cold.path / layout.MANIFEST).rename(cold.path / WITHDRAWN)
        flush_folder(cold.path)


def write(db: Database, cold: Mount) -> int:
    """Replace the manifest and the map of names; the number of files in it."""
    lines = 0
    target = cold.path / layout.MANIFEST
    temporary = cold.path / layout.PRIVATE / "manifest.new"
    temporary.parent.mkdir(exist_ok=True)
    with db.engine.connect() as connection, connection.begin(), temporary.open("wb") as out:
        for tag, place, digest in catalogue.every_file(connection, cold.drive_id):
            out.write(line(os.fsencode(tag) + b"/" + place, digest))
            lines += 1
        out.flush()
        os.fsync(out.fileno())
    _write_names(db, cold)
    temporary.replace(target)
    flush_folder(cold.path)
    (cold.path / WITHDRAWN).unlink(missing_ok=True)
    return lines


def line(path: bytes, digest: bytes) -> bytes:
    """One line as b3sum writes it: a backslash first where the name holds a newline or a backslash (escaped)."""
    if b"\n" in path or b"\r" in path or b"\\" in path:
        path = path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
        return b"\\%b  %b\n" % (digest.hex().encode(), path)
    return b"%b  %b\n" % (digest.hex().encode(), path)


def _write_names(db: Database, cold: Mount) -> None:
    """The original of every name that COLD could not hold; no file when there is none."""
    renamed = [{"stored": shown(stored), "original": shown(original)} for stored, original in _renamed(db, cold)]
    target = cold.path / NAMES
    if renamed:
        write_atomically(target, json.dumps(renamed, indent=1).encode(), mode=0o644)
    else:
        target.unlink(missing_ok=True)


def _renamed(db: Database, cold: Mount) -> Iterator[tuple[bytes, bytes]]:
    with db.reading() as session:
        rows = session.execute(
            select(Folder.path, ColdFolder.stored_as, ColdFile.name, ColdFile.stored_as)
            .join(ColdFolder, ColdFolder.folder_id == Folder.id)
            .outerjoin(
                ColdFile,
                (ColdFile.folder_id == Folder.id)
                & (ColdFile.cold_drive_id == cold.drive_id)
                & ColdFile.stored_as.is_not(None),
            )
            .where(ColdFolder.cold_drive_id == cold.drive_id)
            .where(ColdFolder.stored_as.is_not(None) | ColdFile.stored_as.is_not(None))
            .order_by(Folder.id)
        )
        told = None
        for path, folder_place, name, place in rows:
            if folder_place is not None and folder_place != told:
                yield folder_place, path
                told = folder_place
            if place is not None:
                yield catalogue.joined(folder_place or path, place), catalogue.joined(path, name)


def shown(path: bytes) -> str:
    """A path as JSON text: bytes that are not UTF-8 become lone surrogates (Python's ``surrogateescape``)."""
    return path.decode("utf-8", "surrogateescape")


def read_names(cold: Path) -> dict[bytes, bytes]:
    """The map of names of a COLD drive: stored path -> original path."""
    try:
        entries = json.loads((cold / NAMES).read_text())
    except FileNotFoundError:
        return {}
    return {os.fsencode(entry["stored"]): os.fsencode(entry["original"]) for entry in entries}


def original_of(names: dict[bytes, bytes], path: bytes) -> bytes:
    """HOT's path of a stored one: its own entry, or that of the nearest folder that has one."""
    if path in names or not path:
        return names.get(path, path)
    folder, _, name = path.rpartition(b"/")
    return catalogue.joined(original_of(names, folder), name)
