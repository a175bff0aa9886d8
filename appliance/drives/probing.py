"""Asking a drive whether it can still be written to, by writing.

A filesystem that turned read-only does not always say so in the kernel's tables; a file that was made, flushed and
removed does.  One small file of one name: a plug that is pulled in between leaves nothing that adds up, and a year of
looking every half hour writes less than a single film.
"""

import errno
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from appliance.drives.layout import PRIVATE
from appliance.words import N_

NAME = "write-probe"
PATIENCE_S = 60.0  # a drive that sleeps, or is busy with a large copy, may take its time
WORDS = {
    errno.EROFS: N_("the drive is write-protected"),
    errno.EIO: N_("the drive reports an error"),
    errno.EACCES: N_("the station may not write to it"),
    errno.ENODEV: N_("the drive no longer answers"),
    errno.ENOTCONN: N_("the drive no longer answers"),
    errno.ETIMEDOUT: N_("the drive no longer answers"),
}
FULL = N_("the drive is full")
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Problem:
    """Why nothing can be written; ``full``: only for want of room."""

    why: str
    full: bool = False


def write_problem(root: Path, patience: float = PATIENCE_S) -> Problem | None:
    """Why nothing can be written to a mounted drive, None when it can.  Leaves nothing behind.

    A drive that hangs is given up on after ``patience`` seconds; the thread that waits for it ends with the process.
    """
    answers: list[OSError | None] = []

    def ask() -> None:
        try:
            _write(root / PRIVATE)
            answers.append(None)
        except OSError as error:
            answers.append(error)

    asking = threading.Thread(target=ask, name="write probe", daemon=True)
    asking.start()
    asking.join(patience)
    error = answers[0] if answers else OSError(errno.ETIMEDOUT, "")
    if error is None:
        return None
    if error.errno in NO_ROOM:
        return Problem(FULL, full=True)
    return Problem(WORDS.get(error.errno or 0, error.strerror or str(error)))


def _write(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(NAME, flags, 0o600, dir_fd=place)
        try:
            os.write(fd, b"everpx\n" * 100)
            os.fsync(fd)
        finally:
            os.close(fd)
            os.unlink(NAME, dir_fd=place)
    finally:
        os.close(place)
