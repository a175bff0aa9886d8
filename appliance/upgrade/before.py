"""The database as it was before a trial: copied while nobody has it open, and brought back when the trial failed.

The copy is whole when the record says so (``Attempt.copied``), and only then is it ever brought back.  Both are done
over again when they were cut off.  It is brought back once: its name goes with that, so nothing that the station is
told afterwards is ever taken back, whatever becomes of the record.

Copied, not moved or linked: on a station both folders are of one partition and of two mounts.
"""

import errno
import os
import shutil
from pathlib import Path

from appliance.durable import flush_folder

RESERVE = 32 * 1024 * 1024  # bytes that stay free beside the copy
BLOCK = 1 << 20


def place(folder: Path) -> Path:
    """Where copies lie, for root's eyes only."""
    return folder / "before"


def files(database: Path) -> list[Path]:
    """What a database consists of while nobody has it open; the index of its journal is made anew."""
    return [database, database.with_name(f"{database.name}-wal")]


def keep(database: Path, folder: Path) -> None:
    """Copy it.  Raises OSError (ENOSPC where there is no room); what an earlier trial left is gone then, too."""
    forget(folder)
    copies = place(folder)
    copies.mkdir(mode=0o700)
    here = [path for path in files(database) if path.exists()]
    needed = 2 * sum(path.stat().st_size for path in here)  # once more when it is brought back
    if shutil.disk_usage(copies).free < needed + RESERVE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(copies))
    for path in here:
        _copied(path, copies / path.name)
    flush_folder(copies)
    flush_folder(folder)


def bring_back(database: Path, folder: Path) -> None:
    """The copy takes the place of what the trial made of it.  Raises OSError: what is there may be of both."""
    copies = place(folder)
    if not (copies / database.name).exists():
        return  # there was none before, or it is back already
    for name in ("-shm", "-wal"):  # a journal that belongs to what the trial made never meets another database
        database.with_name(f"{database.name}{name}").unlink(missing_ok=True)
    for path in files(database):
        if (copy := copies / path.name).exists():
            beside = path.with_name(f".{path.name}.back")
            beside.unlink(missing_ok=True)
            _copied(copy, beside)
            beside.replace(path)
    flush_folder(database.parent)
    copies.rename(_spent(folder))
    flush_folder(folder)
    forget(folder)


def forget(folder: Path) -> None:
    """The attempt has ended, or the next one begins."""
    for copies in (place(folder), _spent(folder)):
        shutil.rmtree(copies, ignore_errors=True)


def _spent(folder: Path) -> Path:
    return folder / "brought-back"


def _copied(path: Path, copy: Path) -> None:
    with path.open("rb") as content, copy.open("xb") as out:
        shutil.copyfileobj(content, out, BLOCK)
        out.flush()
        os.fsync(out.fileno())
    found = path.stat()
    os.chown(copy, found.st_uid, found.st_gid)
    copy.chmod(found.st_mode & 0o777)
