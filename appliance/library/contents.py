"""The bytes of a file: their hash, whether another file has the same, and getting them onto the medium early."""

import contextlib
import ctypes
import os
import stat
from collections.abc import Callable
from datetime import datetime

from blake3 import blake3

from appliance.library.beneath import open_beneath
from appliance.library.formats import HEAD

BLOCK = 1 << 20  # each read and each update lets other threads in, and a change of threads costs more than a hash
_WRITE_NOW = 2  # SYNC_FILE_RANGE_WRITE
_libc = ctypes.CDLL(None, use_errno=True)


def digest_of(fd: int) -> bytes:
    """BLAKE3 of an open file, from its start."""
    hasher, block, position = blake3(), bytearray(BLOCK), 0
    view = memoryview(block)
    while count := os.preadv(fd, [block], position):
        hasher.update(view[:count])
        position += count
    return hasher.digest()


def head_of(root: int, path: bytes) -> bytes:
    """The first bytes of a file beneath an open folder, by which its format is known; none where there is no file."""
    try:
        fd = open_beneath(root, path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.pread(fd, HEAD, 0)
    finally:
        os.close(fd)


def same_bytes(folder: int, size: int, digest: bytes) -> Callable[[bytes], bool]:
    """A question for ``placing.place``: does the file of this name in ``folder`` hold these bytes?"""

    def same(name: bytes) -> bool:
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except OSError:
            return False
        try:
            facts = os.fstat(fd)
            if not stat.S_ISREG(facts.st_mode) or facts.st_size != size or digest_of(fd) != digest:
                return False
            os.fsync(fd)  # it may be from a start that never got as far as saying so
            return True
        finally:
            os.close(fd)

    return same


def start_writing(fd: int) -> None:
    """Let the drive begin now, so that the flush later has less to wait for; a filesystem may ignore it."""
    _libc.sync_file_range(fd, ctypes.c_int64(0), ctypes.c_int64(0), _WRITE_NOW)


def stamp(fd: int, moment: datetime) -> int:
    """Date the file; in whole seconds, which every filesystem keeps.  Returns what the filesystem made of it."""
    seconds = max(0, int(moment.timestamp()))
    os.utime(fd, (seconds, seconds))
    with contextlib.suppress(PermissionError):  # exFAT and NTFS have no modes
        os.fchmod(fd, 0o644)
    return os.fstat(fd).st_mtime_ns
