"""Hearing from the kernel that something in a folder changed (inotify), instead of looking every second.

What is heard is a reason to look, never the fact itself: who listens finds out by looking, and looks now and then
unasked, because not every filesystem tells.  Standard library only.
"""

import ctypes
import os
from pathlib import Path

WRITTEN = 0x0000_0002  # IN_MODIFY: somebody wrote into a file there
NAMES = 0x0000_03C0  # IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE: a name came or went
ONCE = 0x8000_0000  # IN_ONESHOT: the first time only, until asked again
ONLY_FOLDERS = 0x0100_0000  # IN_ONLYDIR
ENOUGH = 1 << 16  # bytes; many events at once

_libc = ctypes.CDLL(None, use_errno=True)


class FolderNews:
    """One thing to wait for, for any number of folders.  Where the system has none left, nothing is ever heard."""

    def __init__(self) -> None:
        self._fd: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        """A descriptor that becomes readable when there is news."""
        return self._fd

    def listen(self, folder: Path, what: int) -> bool:
        """Hear of a folder from now on, also again; False when nobody will tell."""
        if self._fd < 0:
            return False
        wanted = ctypes.c_uint32(what | ONLY_FOLDERS)
        return bool(_libc.inotify_add_watch(self._fd, os.fsencode(folder), wanted) >= 0)

    def heard(self) -> bool:
        """Whether there was news since the last call."""
        try:
            return bool(os.read(self._fd, ENOUGH))
        except OSError:  # nothing to read, or none to read from
            return False

    def close(self) -> None:
        """Hear nothing more."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
