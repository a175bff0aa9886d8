"""Asking a drive whether it can still be written to, by writing.

A filesystem that turned read-only does not always say so in the kernel's tables; a file that was made, flushed and
removed does.
"""

import errno
import os
import secrets
from pathlib import Path

from appliance.drives.layout import PRIVATE
from appliance.words import N_

WORDS = {
    errno.EROFS: N_("the drive is write-protected"),
    errno.EIO: N_("the drive reports an error"),
    errno.ENOSPC: N_("the drive is full"),
    errno.EACCES: N_("the station may not write to it"),
    errno.ENODEV: N_("the drive no longer answers"),
    errno.ENOTCONN: N_("the drive no longer answers"),
}


def write_problem(root: Path) -> str:
    """Why nothing can be written to a mounted drive, "" when it can.  Leaves nothing behind."""
    probe = root / PRIVATE / f"write-probe-{secrets.token_hex(4)}"
    try:
        probe.parent.mkdir(mode=0o700, exist_ok=True)
        fd = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, b"everpx\n" * 100)
            os.fsync(fd)
        finally:
            os.close(fd)
            probe.unlink()
    except OSError as error:
        return WORDS.get(error.errno or 0, error.strerror or str(error))
    return ""
