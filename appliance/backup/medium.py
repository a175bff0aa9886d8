"""Reading what is really on a drive: past the page cache, so that a copy is proven and not a memory of it.

``O_DIRECT`` where the filesystem has it; elsewhere (FUSE) the file is flushed and its cached pages are dropped first,
and the root side is asked to drop those of the device.
"""

import errno
import mmap
import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from blake3 import blake3

from appliance.broker.client import Broker
from appliance.drives.mounts import Mount
from appliance.durable import flush_filesystem

SMALL = 1 << 17  # bytes a read of most files; a multiple of every device's sector
LARGE = 1 << 21  # … of a film: a read past the page cache has no read-ahead, so it must be long
LARGE_BUFFERS = 3  # for all threads together
_own = threading.local()
_large: "queue.SimpleQueue[mmap.mmap | None]" = queue.SimpleQueue()
for _ in range(LARGE_BUFFERS):
    _large.put(None)  # made when first needed


class Changed(Exception):
    """A file changed while it was read; not an error, the next run takes it."""


class Halted(Exception):
    """Somebody wants the reading to end."""


def _take_large() -> mmap.mmap | None:
    try:
        return _large.get_nowait() or mmap.mmap(-1, LARGE)
    except queue.Empty:
        return None


@contextmanager
def _buffer(size: int) -> Iterator[mmap.mmap]:
    """A page-aligned buffer (O_DIRECT refuses any other) for a file: this thread's, or one of the few large ones."""
    large = _take_large() if size > SMALL else None
    if large is not None:
        try:
            yield large
        finally:
            _large.put(large)
        return
    if not hasattr(_own, "buffer"):
        _own.buffer = mmap.mmap(-1, SMALL)
    yield _own.buffer


def digest_of_copy(path: bytes, stopped: Callable[[], bool] = lambda: False) -> bytes:
    """BLAKE3 of a file as the medium has it.  Raises OSError, or Halted when ``stopped`` says so."""
    with _opened(path) as fd:
        return _digest(fd, os.fstat(fd).st_size, stopped)


@contextmanager
def _opened(path: bytes) -> Iterator[int]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    try:
        yield fd
    finally:
        os.close(fd)


def _digest(fd: int, size: int, stopped: Callable[[], bool] = lambda: False) -> bytes:
    hasher = blake3()
    at = 0
    with _buffer(size) as buffer, memoryview(buffer) as view:
        while count := os.preadv(fd, [view], at):
            hasher.update(view[:count])
            at += count
            if at >= size and count < len(view):
                break  # saves the read that would only say "end"
            if stopped():
                raise Halted
    return hasher.digest()


def digest_of_original(path: bytes, size: int, modified_ns: int, stopped: Callable[[], bool] = lambda: False) -> bytes:
    """BLAKE3 of a HOT file.  Raises Changed when it is no longer of this size and time; Halted; OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        _same(fd, size, modified_ns)
        digest = _digest(fd, size, stopped)
        _same(fd, size, modified_ns)
        return digest
    finally:
        os.close(fd)


def _same(fd: int, size: int, modified_ns: int) -> None:
    facts = os.fstat(fd)
    if (facts.st_size, facts.st_mtime_ns) != (size, modified_ns):
        raise Changed


def is_fuse(path: Path) -> bool:
    """Whether a filesystem's driver is an ordinary program, whose own cache ``syncfs`` does not reach."""
    real = os.fsencode(path.resolve())
    for line in Path("/proc/self/mounts").read_bytes().splitlines():
        fields = line.split(b" ")
        where = fields[1].replace(b"\\040", b" ").replace(b"\\011", b"\t").replace(b"\\134", b"\\")
        if where == real:
            return fields[2].startswith(b"fuse")
    return False


class Flusher:
    """Makes everything written to one COLD drive durable."""

    def __init__(self, cold: Mount, broker: Broker) -> None:
        self.cold, self._broker, self._fuse = cold, broker, is_fuse(cold.path)

    def __call__(self) -> None:
        """Return when all of it is on the medium.  Raises OSError when the drive reports a failed write."""
        flush_filesystem(self.cold.path)
        if self._fuse:
            self._broker("drives.flush", {"tag": self.cold.tag})
