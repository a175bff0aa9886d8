"""Many files as one ZIP, made while it is sent: nothing on a drive, and memory for names only.

Files are stored, since photos and films do not get smaller; Zip64 where sizes ask for it; names are UTF-8.  How long
it will be is known before the first byte, from the sizes of the files, so a download shows how far it is and a cut-off
one is noticed.  A file that changes or vanishes meanwhile cannot be made longer or shorter any more: what is missing is
filled with zeros, and the text at the end of the ZIP names it, which every ZIP has room for.
"""

import os
import stat
import zipfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import IO, cast

from appliance.drives.mounts import Mount
from appliance.errors import ApplianceError, NotFound
from appliance.library import folders, room
from appliance.library.beneath import open_beneath
from appliance.library.folders import Place
from appliance.library.names import numbered
from appliance.words import N_

MOST = 20_000  # files: each takes some hundred bytes of memory until the end
BLOCK = 1 << 18  # what a processor's cache holds between reading, the checksum and sending
READ_AHEAD = 4 << 20  # bytes of a file that the drive reads while others are sent
OPEN_AHEAD = 3  # files
NOTE_SIZE = 4096  # bytes of the text at the end, whatever there is to say
NAMED = 20  # files that the text names
DEEPEST = 64
LIMIT, COUNT_LIMIT = (1 << 31) - 1, (1 << 16) - 1  # beyond them zipfile uses Zip64
LOCAL, CENTRAL, END, END64 = 30, 46, 22, 56 + 20  # bytes of a ZIP's fixed parts (PKWARE's APPNOTE, 4.3)


class TooMany(ApplianceError):
    """More than one ZIP can have."""

    code, status = "too_many_files", 422
    template = N_("This is more than 20,000 files.")
    hint = N_("Choose fewer, for example one folder after the other.")


@dataclass(frozen=True)
class Part:
    """A file of the ZIP, as it was when the ZIP was asked for."""

    mount: Mount
    path: bytes
    name: str  # in the ZIP, with folders
    size: int
    modified: float


Say = Callable[[int, Sequence[str]], str]  # (how many files, those that are not complete) -> the text at the end


def parts_of(places: Sequence[Place]) -> list[Part]:
    """The files of a selection, each below the name it was chosen by.  Raises NotFound, TooMany, DriveGone."""
    found: list[Part] = []
    for place in places:
        with room.opened(place.mount) as root:
            _gather(root, place, _text(place.path.rpartition(b"/")[2]), found, 0)
    return distinct(found)


def _gather(root: int, place: Place, name: str, found: list[Part], depth: int) -> None:
    facts = folders.kind(place)
    if not _is_folder(facts):
        found.append(Part(place.mount, place.path, name, facts.st_size, facts.st_mtime))
        return
    folder = folders.open_or_not_found(root, place.path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        inside = list(folders.entries(folder))
    finally:
        os.close(folder)
    for entry in sorted(inside):
        below = f"{name}/{_text(entry.name)}"
        if entry.is_folder and depth < DEEPEST:
            _gather(root, place.below(entry.name), below, found, depth + 1)
        elif not entry.is_folder:
            found.append(Part(place.mount, place.below(entry.name).path, below, entry.size, entry.modified))
        if len(found) > MOST:
            raise TooMany()


def _is_folder(facts: os.stat_result) -> bool:
    return stat.S_ISDIR(facts.st_mode)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")


def distinct(parts: Sequence[Part]) -> list[Part]:
    """No name twice, also where capitals do not count: chosen in several folders, or no text and thus alike."""
    taken: set[str] = set()
    distinct = []
    for part in parts:
        name, number = part.name, 1
        while name.casefold() in taken:
            number += 1
            folder, slash, last = part.name.rpartition("/")
            name = folder + slash + numbered(last, number)
        taken.add(name.casefold())
        distinct.append(Part(part.mount, part.path, name, part.size, part.modified))
    return distinct


@dataclass
class Zip:
    """One ZIP on its way; :attr:`length` is known before :meth:`stream` begins."""

    parts: Sequence[Part]
    note: str  # the name of the text at the end
    say: Say
    zone: tzinfo
    incomplete: list[str] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Its size in bytes."""
        offset = directory = 0
        for name, size in [*((part.name, part.size) for part in self.parts), (self.note, NOTE_SIZE)]:
            length = len(name.encode())
            long = _is_long(size)
            extra = (2 if size > LIMIT else 0) + (1 if offset > LIMIT else 0)
            directory += CENTRAL + length + (4 + 8 * extra if extra else 0)
            offset += LOCAL + length + (20 if long else 0) + size + (24 if long else 16)
        end = END
        if len(self.parts) + 1 > COUNT_LIMIT or offset > LIMIT or directory > LIMIT:
            end += END64
        return offset + directory + end

    def stream(self) -> Iterator[bytes]:
        """Its bytes.  Raises nothing for files that are lost on the way; the text at the end tells."""
        out = _Out()
        _quicken()
        with zipfile.ZipFile(cast(IO[bytes], out), "w") as archive:
            with _Ahead(self.parts) as ahead:
                for part in self.parts:
                    yield from self._file(archive, out, part, ahead)
            info = self._info(self.note, datetime.now(self.zone).timestamp(), NOTE_SIZE)
            with archive.open(info, "w") as entry:
                text = self.say(len(self.parts), self.incomplete[:NAMED]).encode()[: NOTE_SIZE - 1]
                entry.write(text.decode("utf-8", "ignore").encode().ljust(NOTE_SIZE - 1) + b"\n")
        yield from out.take()

    def _file(self, archive: "zipfile.ZipFile", out: "_Out", part: Part, ahead: "_Ahead") -> Iterator[bytes]:
        info = self._info(part.name, part.modified, part.size)
        left = part.size
        with archive.open(info, "w", force_zip64=_is_long(part.size)) as entry:
            try:
                for block in _read(ahead.next(), part):
                    left -= len(block)
                    entry.write(block)
                    yield from out.take()
            except (OSError, ApplianceError):
                self.incomplete.append(part.name)
            while left:
                zeros = bytes(min(left, BLOCK))
                left -= len(zeros)
                entry.write(zeros)
                yield from out.take()
        yield from out.take()

    def _info(self, name: str, modified: float, size: int) -> "zipfile.ZipInfo":
        when = datetime.fromtimestamp(max(0.0, modified), self.zone).timetuple()[:6]
        info = zipfile.ZipInfo(name, min(max(when, (1980, 1, 1, 0, 0, 0)), (2107, 12, 31, 23, 59, 58)))
        info.file_size = size
        info.external_attr = 0o100644 << 16
        info.create_system = 3  # or the line above means nothing
        return info


def _quicken() -> None:
    """Let zipfile use the processor's own instructions: zlib's checksum is half of what a film costs otherwise."""
    from zlib_ng import zlib_ng

    zipfile.crc32 = zlib_ng.crc32  # type: ignore[attr-defined]  # the name by which it asks for each block's


def _is_long(size: int) -> bool:
    return size * 1.05 > LIMIT  # as zipfile decides


def _read(fd: int, part: Part) -> Iterator[bytes]:
    """As many bytes as were announced; the drive reads on while they are sent.  Closes the file.

    Raises NotFound or OSError when they are not the same any more.
    """
    try:
        position = 0
        while position < part.size and (block := os.pread(fd, min(BLOCK, part.size - position), position)):
            position += len(block)
            yield block
        facts = os.fstat(fd)
        if (facts.st_size, facts.st_mtime) != (part.size, part.modified):
            raise NotFound(what="file")
    finally:
        os.close(fd)


class _Ahead:
    """The files of a ZIP, in turn; the next ones are open already, and the drive has begun to read them."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._waiting = iter(parts)
        self._open: deque[int | Exception] = deque()

    def __enter__(self) -> "_Ahead":
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self._open:
            if isinstance(fd, int):
                os.close(fd)

    def next(self) -> int:
        """The next file, to be closed by whoever asked.  Raises OSError or ApplianceError."""
        while len(self._open) < OPEN_AHEAD and (part := next(self._waiting, None)):
            self._open.append(self._begin(part))
        opened = self._open.popleft()
        if isinstance(opened, Exception):
            raise opened
        return opened

    def _begin(self, part: Part) -> int | Exception:
        try:
            with room.opened(part.mount) as root:
                fd = open_beneath(root, part.path, os.O_RDONLY | os.O_NONBLOCK)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
            os.posix_fadvise(fd, 0, READ_AHEAD, os.POSIX_FADV_WILLNEED)
        except (OSError, ApplianceError) as error:
            return error
        return fd


class _Out:
    """Where zipfile writes to: it cannot go back, and what was written is taken away at once."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep what shall be sent next."""
        self._waiting.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> Iterator[bytes]:
        """What has been written since."""
        waiting, self._waiting = self._waiting, []
        yield from waiting
