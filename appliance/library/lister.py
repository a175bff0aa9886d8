"""Lists a drive for :func:`appliance.library.scan.walk`: ``python -m appliance.library.lister DRIVE``.

One process hands out folders and puts the answers in order; a few more read them.  Processes, because threads would
wait for Python's one lock twice a file.  It ends with the one who reads its output, and with nobody else: a signal to
the whole service must not look like a drive that could not be read.
"""

import errno
import os
import select
import signal
import struct
import sys
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from appliance.library import listing
from appliance.library.scan import folder_of

READERS = 3  # a drive answers several questions faster than one after the other
AHEAD = 8  # folders listed before their turn
KEPT = 3 << 20  # bytes of listings that may wait for the one who asked
OUT = 1  # standard output

LENGTHS = struct.Struct("=iII")  # error number of the root, or -1 for no such folder; of the listing; of folder names
GONE = -1


class Answer(NamedTuple):
    """What a reader found: a listing as bytes, and the folder's folders."""

    number: int
    listing: bytes
    folders: list[bytes]


class Reader:
    """A process that reads one folder at a time."""

    def __init__(self, top: bytes, device: int, before: "list[Reader]") -> None:
        asked, self._ask = os.pipe()
        answers, told = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            for fd in (self._ask, answers, OUT, *(fd for reader in before for fd in reader.fds)):
                os.close(fd)  # else it would never hear that the others are gone
            _serve(top, device, asked, told)
            os._exit(0)
        os.close(asked)
        os.close(told)
        self._answers: BinaryIO = os.fdopen(answers, "rb")
        self.fds: tuple[int, int] = (self._ask, answers)
        self.busy_with: bytes | None = None

    def ask(self, path: bytes) -> None:
        """Have a folder read."""
        self.busy_with = path
        os.write(self._ask, path + b"\0")

    def answer(self) -> tuple[bytes, Answer]:
        """The folder and what it found there."""
        path, self.busy_with = self.busy_with or b"", None
        number, length, rest = LENGTHS.unpack(self._answers.read(LENGTHS.size))
        told, names = self._answers.read(length), self._answers.read(rest)
        return path, Answer(number, told, names.split(b"\0") if names else [])

    def end(self) -> None:
        """Let it go."""
        os.close(self._ask)
        os.waitpid(self._pid, 0)


def _serve(top: bytes, device: int, asked: int, told: int) -> None:
    with os.fdopen(asked, "rb", buffering=0) as questions, os.fdopen(told, "wb") as out:
        waiting = b""
        while said := questions.read(8192):
            *paths, waiting = (waiting + said).split(b"\0")
            for path in paths:
                answer = _answer(top, device, path)
                names = b"\0".join(answer.folders)
                out.write(LENGTHS.pack(answer.number, len(answer.listing), len(names)))
                out.write(answer.listing)
                out.write(names)
                out.flush()


def _answer(top: bytes, device: int, path: bytes) -> Answer:
    try:
        found = folder_of(top, device, path)
    except OSError as error:
        return Answer(error.errno or errno.EIO, b"", [])
    if found is None:
        return Answer(GONE, b"", [])
    return Answer(0, listing.to_bytes(found[0]), found[1])


class Output:
    """Standard output that never makes the readers wait, up to a bound."""

    def __init__(self) -> None:
        self.waiting = bytearray()
        os.set_blocking(OUT, False)

    def push(self) -> None:
        """Hand over as much as there is room for.  Raises BrokenPipeError when nobody listens any more."""
        if not self.waiting:
            raise BrokenPipeError
        try:
            while self.waiting:
                del self.waiting[: os.write(OUT, self.waiting[: 1 << 16])]
        except BlockingIOError:
            return


def listings(top: bytes, out: Output) -> Iterator[bytes]:
    """The folders in their order, parents first; blocks until the next one is there.  Raises OSError for the root."""
    readers: list[Reader] = []
    for _ in range(READERS):
        readers.append(Reader(top, os.lstat(top).st_dev, readers))
    found: dict[bytes, Answer] = {}
    waiting = [b""]
    while waiting:
        if waiting[-1] not in found:
            if len(out.waiting) < KEPT:
                _hand_out(readers, waiting, found)
            _hear(readers, found, out)
            continue
        path = waiting.pop()
        answer = found.pop(path)
        if answer.number == GONE:
            continue  # removed since its parent was listed
        if answer.number:
            raise OSError(answer.number, os.strerror(answer.number))
        prefix = path + b"/" if path else b""
        waiting.extend(prefix + name for name in reversed(answer.folders))
        yield answer.listing
    for reader in readers:
        reader.end()


def _hear(readers: list[Reader], found: dict[bytes, Answer], out: Output) -> None:
    """Wait for an answer, or for room in the pipe.  Raises BrokenPipeError when nobody listens any more."""
    poll = select.poll()
    poll.register(OUT, select.POLLOUT if out.waiting else 0)  # the end of the listener is told in any case
    by_answer = {reader.fds[1]: reader for reader in readers}
    for fd in by_answer:
        poll.register(fd, select.POLLIN)
    for fd, _ in poll.poll():
        if fd == OUT:
            out.push()
        else:
            path, answer = by_answer[fd].answer()
            found[path] = answer


def _hand_out(readers: list[Reader], waiting: list[bytes], found: dict[bytes, Answer]) -> None:
    free = [reader for reader in readers if reader.busy_with is None]
    asked = {reader.busy_with for reader in readers}
    for path in reversed(waiting[-AHEAD:]):
        if not free:
            return
        if path not in found and path not in asked:
            free.pop().ask(path)


def main() -> None:
    """List the drive that is the first argument."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    out = Output()
    try:
        for found in listings(os.fsencode(sys.argv[1]), out):
            out.waiting += found
            if len(out.waiting) > 1 << 15:
                out.push()
        end = listing.last()
    except BrokenPipeError:
        return
    except OSError as error:
        end = listing.last(error.errno or errno.EIO)
    out.waiting += end
    os.set_blocking(OUT, True)
    out.push()


if __name__ == "__main__":
    main()
