"""The kernel tells of a whole filesystem: fanotify with file handles (Linux 5.9 and newer, root only).

One mark a drive, however many folders it has.  It works where the filesystem's handles can be turned back into folders:
ext4, btrfs, NTFS; not exFAT, and nothing that FUSE serves, which say so when they are marked.

A name is told when a file was closed after writing, moved or removed; a folder when it was moved or removed.  What the
console did is left out, since its rows are there already.  Standard library only.
"""

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from appliance.drives.layout import NOT_FILES
from appliance.watching.store import Told, What

# linux/fanotify.h
CLOSE_ON_EXEC, NON_BLOCKING, REPORT_FOLDER, REPORT_NAME = 0x1, 0x2, 0x400, 0x800
ADD, WHOLE_FILESYSTEM = 0x1, 0x100
WRITTEN, MOVED_FROM, MOVED_TO, REMOVED, ON_FOLDER, OVERFLOW = 0x8, 0x40, 0x80, 0x200, 0x4000_0000, 0x4000
WANTED = WRITTEN | MOVED_FROM | MOVED_TO | REMOVED | ON_FOLDER
EVENT = struct.Struct("=IBBHQii")  # length, version, -, length of this, mask, descriptor, pid
HANDLE_AT, HANDLE = 12, struct.Struct("=Ii")  # in the record after it: bytes of the handle, its type
FOLDER_AND_NAME = 2  # that record's type
AT_FDCWD = -100
ENOUGH = 1 << 16

CONSOLE = b"console.serve"
SKIPPED = frozenset(map(os.fsencode, NOT_FILES))
_libc = ctypes.CDLL(None, use_errno=True)


class Marks:
    """News of one mounted filesystem.  Raises OSError where the kernel cannot tell."""

    complete = True

    def __init__(self, path: Path, device_number: int) -> None:
        self._top, self._device = os.fsencode(path.resolve()), device_number
        self._fd = -1
        if not hasattr(_libc, "fanotify_init"):
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        self._fd = _done(_libc.fanotify_init(CLOSE_ON_EXEC | NON_BLOCKING | REPORT_FOLDER | REPORT_NAME, os.O_RDONLY))
        try:
            how, what = ctypes.c_uint(ADD | WHOLE_FILESYSTEM), ctypes.c_uint64(WANTED)
            _done(_libc.fanotify_mark(self._fd, how, what, AT_FDCWD, self._top))
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        """Readable when there is news."""
        return self._fd

    def close(self) -> None:
        """Hear nothing more."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def heard(self) -> Iterator[Told]:
        """What happened since the last time; holds the drive only meanwhile.  Raises OSError when it is gone."""
        drive = os.open(self._top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if os.fstat(drive).st_dev != self._device:
                raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
            yield from _Reading(self._fd, drive, self._top).told()
        finally:
            os.close(drive)


class _Reading:
    """One emptying of the queue; folders and processes are looked up once in it, because both change meanwhile."""

    def __init__(self, queue: int, drive: int, top: bytes) -> None:
        self._queue, self._drive, self._top = queue, drive, top
        self._folders: dict[bytes, bytes | None] = {}
        self._console: dict[int, bool] = {}

    def told(self) -> Iterator[Told]:
        while events := self._read():
            at = 0
            while at < len(events):
                length, _, _, head, mask, _, pid = EVENT.unpack_from(events, at)
                if mask & OVERFLOW:
                    yield Told(What.ALL)
                elif not self._is_console(pid):
                    yield from self._one(mask, events[at + head : at + length])
                at += length

    def _read(self) -> bytes:
        try:
            return os.read(self._queue, ENOUGH)
        except BlockingIOError:
            return b""

    def _one(self, mask: int, record: bytes) -> Iterator[Told]:
        if not record or record[0] != FOLDER_AND_NAME:
            return
        size, _ = HANDLE.unpack_from(record, HANDLE_AT)
        end = HANDLE_AT + HANDLE.size + size
        handle, name = record[HANDLE_AT:end], record[end:].split(b"\0", 1)[0]
        if handle not in self._folders:
            self._folders[handle] = self._path_of(handle)
        folder = self._folders[handle]
        if folder is not None and not (folder == b"" and name in SKIPPED):
            yield Told(What.TREE if mask & ON_FOLDER else What.FILE, folder, name)

    def _path_of(self, handle: bytes) -> bytes | None:
        """A folder's place on the drive; None when it is gone (which was told, too) or nobody's."""
        try:
            folder = _done(_libc.open_by_handle_at(self._drive, handle, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        except OSError:
            return None
        try:
            path = os.readlink(b"/proc/self/fd/%d" % folder)  # noqa: PTH115 - names are bytes
            if not os.path.samestat(os.lstat(path), os.fstat(folder)):
                return None
        except OSError:
            return None
        finally:
            os.close(folder)
        if path == self._top:
            return b""
        below = path[len(self._top) + 1 :]
        return below if path.startswith(self._top + b"/") and below.split(b"/", 1)[0] not in SKIPPED else None

    def _is_console(self, pid: int) -> bool:
        """Whether the station's own console did it; one that has died meanwhile counts as somebody else."""
        if pid not in self._console:
            self._console[pid] = _is_console(pid)
        return self._console[pid]


def _is_console(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as words:
            if CONSOLE not in words.read(4096).split(b"\0"):
                return False
        return Path(f"/proc/{pid}/exe").samefile(sys.executable)
    except OSError:
        return False


def _done(answer: int) -> int:
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return answer
