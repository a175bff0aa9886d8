"""The kernel tells of single folders (inotify): for drives of which it cannot tell as a whole (exFAT, FUSE, folders).

Each folder costs the kernel about a kilobyte that it cannot give back, so there is an end: beyond it, those that sort
last (the newest years and months) are heard, and ``complete`` says that the others are not.  Standard library only.
"""

import ctypes
import os
import struct
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from appliance.drives.layout import NOT_FILES
from appliance.watching.store import Told, What

MOST = 8192
# linux/inotify.h
WRITTEN, MOVED_FROM, MOVED_TO, MADE, REMOVED = 0x8, 0x40, 0x80, 0x100, 0x200
OVERFLOW, IGNORED, ON_FOLDER = 0x4000, 0x8000, 0x4000_0000
ONLY_FOLDERS, NO_LINKS = 0x0100_0000, 0x0200_0000
WANTED = WRITTEN | MOVED_FROM | MOVED_TO | MADE | REMOVED | ONLY_FOLDERS | NO_LINKS
EVENT = struct.Struct("=iIII")  # watch, mask, cookie, length of the name
ENOUGH = 1 << 16

SKIPPED = frozenset(map(os.fsencode, NOT_FILES))
_libc = ctypes.CDLL(None, use_errno=True)


class Folders:
    """News of the folders below one.  Raises OSError where the kernel cannot tell of any."""

    def __init__(self, path: Path, device_number: int) -> None:
        self._top, self._device = os.fsencode(path), device_number
        self._paths: dict[int, bytes] = {}  # watch -> folder
        self.complete = True
        self._fd: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._listen_below(b"")
        if not self._paths:
            self.close()
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def fileno(self) -> int:
        """Readable when there is news."""
        return self._fd

    def close(self) -> None:
        """Hear nothing more."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def heard(self) -> Iterator[Told]:
        """What happened since the last time."""
        while events := self._read():
            at = 0
            while at < len(events):
                watch, mask, _, length = EVENT.unpack_from(events, at)
                at += EVENT.size + length
                yield from self._one(watch, mask, events[at - length : at].rstrip(b"\0"))

    def _read(self) -> bytes:
        try:
            return os.read(self._fd, ENOUGH)
        except BlockingIOError:
            return b""

    def _one(self, watch: int, mask: int, name: bytes) -> Iterator[Told]:
        if mask & OVERFLOW:  # folders may have moved unheard
            self._forget_below(b"")
            self._listen_below(b"")
            yield Told(What.ALL)
        elif mask & IGNORED:
            self._paths.pop(watch, None)
        elif (folder := self._paths.get(watch)) is not None and not (folder == b"" and name in SKIPPED):
            if mask & ON_FOLDER:
                told = Told(What.TREE, folder, name)
                if mask & (MOVED_FROM | REMOVED):
                    self._forget_below(told.path)
                else:
                    self._listen_below(told.path)  # what came before this was heard is found by looking
                yield told
            elif not mask & MADE:
                yield Told(What.FILE, folder, name)

    def _listen_below(self, path: bytes) -> None:
        """Hear of a folder and those below it, the upper ones first, the last by name first."""
        waiting = deque([path])
        while waiting:
            folder = waiting.popleft()
            full = self._top + b"/" + folder if folder else self._top
            try:
                if os.lstat(full).st_dev != self._device:
                    continue
                if len(self._paths) >= MOST:
                    self.complete = False
                    return
                watch = _libc.inotify_add_watch(self._fd, full, ctypes.c_uint32(WANTED))
                if watch < 0:
                    self.complete = False
                    continue
                self._paths[watch] = folder
                with os.scandir(full) as entries:
                    names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            except OSError:
                continue  # it is gone; or it cannot be read, as the walk finds out
            names = [name for name in names if folder or name not in SKIPPED]
            waiting.extend(folder + b"/" + name if folder else name for name in sorted(names, reverse=True))

    def _forget_below(self, path: bytes) -> None:
        for watch, folder in list(self._paths.items()):
            if not path or folder == path or folder.startswith(path + b"/"):
                _libc.inotify_rm_watch(self._fd, watch)
                del self._paths[watch]
