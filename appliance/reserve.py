"""A little room on the station's own disk that nobody uses, so that a disk full at one blow can still be told of (F23).

It lies beside the database as a file.  When the database meets a full disk the file goes, and what is written next,
such as the finding that the disk is full, has room; it comes back when there is plenty again.
"""

import contextlib
import os
import shutil
from pathlib import Path

NAME = "reserve"
BYTES = 16 * 2**20
PLENTY = 20 * BYTES  # nothing is set aside on a disk that is nearly full already


def keep(database: Path) -> bool:
    """Set it aside where there is plenty of room; whether it is there now.  Raises OSError."""
    place = database.with_name(NAME)
    if place.exists():
        return True
    if shutil.disk_usage(database.parent).free < PLENTY:
        return False
    coming = place.with_suffix(".new")  # one that a power cut left half made is made anew
    fd = os.open(coming, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, BYTES)
        os.fsync(fd)
    except OSError:
        coming.unlink()
        raise
    finally:
        os.close(fd)
    coming.rename(place)
    return True


def give_up(database: Path) -> None:
    """The disk is full: let others have the room."""
    with contextlib.suppress(OSError):
        database.with_name(NAME).unlink(missing_ok=True)
