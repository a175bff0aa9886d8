"""A folder: of a HOT drive, or the top of a drive that is plugged in and only read.

Everything is opened beneath the folder's descriptor: no symbolic link and no other filesystem is followed.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from appliance.drives.layout import MARKER, NOT_FILES
from appliance.library.beneath import open_beneath, open_root
from appliance.library.room import is_lost
from appliance.words import Message
from plugins.importer import why
from plugins.importer.sources import CannotRead, Entry, Item, Readable, Refused, SourceGone

DEEPEST = 64
BLOCK = 1 << 20
SKIPPED = NOT_FILES | {".thumbnails", ".Trash-1000", "@eaDir", "#recycle", "LOST.DIR"}


class Reader:
    """An open file; what goes wrong with it is put in words."""

    def __init__(self, fd: int, source: "FolderSource", entry: Entry) -> None:
        self.fd, self._source, self._entry = fd, source, entry

    def read(self, most: int = -1, /) -> bytes:
        """At most ``most`` bytes; all that is left for a negative number.  Raises CannotRead or SourceGone."""
        if most < 0:
            return b"".join(iter(lambda: self.read(BLOCK), b""))
        try:
            block = os.read(self.fd, most)
        except OSError as error:
            raise self._source.meaning(error, self._entry) from error
        if not block and not self._source.is_here():  # a FUSE driver may say "the end" where the drive was pulled
            raise SourceGone(name=self._source.title)
        return block

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """As files have it: archives are read in place."""
        return os.lseek(self.fd, offset, whence)

    def tell(self) -> int:
        """Where it stands."""
        return os.lseek(self.fd, 0, os.SEEK_CUR)

    def seekable(self) -> bool:
        """Always."""
        return True


@dataclass(frozen=True)
class FolderItem:
    """A file of a folder."""

    source: "FolderSource"
    entry: Entry

    @contextmanager
    def open(self) -> Iterator[Readable]:
        """Its bytes."""
        try:
            fd = open_beneath(self.source.root, os.fsencode(self.entry.path), os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise self.source.meaning(error, self.entry) from error
        try:
            yield Reader(fd, self.source, self.entry)
        finally:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)  # it is read once
            os.close(fd)


class FolderSource:
    """Everything below a folder, but what belongs to systems and to the station."""

    def __init__(
        self,
        place: Path,
        title: str,
        below: str = "",
        *,
        is_here: Callable[[], bool] = lambda: True,
        clock: tzinfo | None = None,
    ) -> None:
        """``is_here`` tells whether the drive is still plugged in: what lies in memory can be read after it went.

        ``clock``: its times are what a clock there showed, read as UTC, as FAT has them.
        """
        self._clock = clock
        self.place, self.title, self._below_top, self.is_here = place, title, os.fsencode(below), is_here
        try:
            self.root = self._open()
        except OSError as error:
            raise SourceGone(name=title) from error
        self._device = os.fstat(self.root).st_dev

    def _open(self) -> int:
        top = open_root(self.place)
        try:
            return open_beneath(top, self._below_top, os.O_RDONLY | os.O_DIRECTORY)
        finally:
            os.close(top)

    def close(self) -> None:
        """Let go of it."""
        os.close(self.root)

    def visit(self) -> Iterator[Item]:
        """Folder by folder, names in order."""
        yield from self._below("", DEEPEST)
        if not self.is_here():  # then its folders looked empty
            raise SourceGone(name=self.title)

    def _below(self, folder: str, deep: int) -> Iterator[Item]:
        try:
            entries = self._list(folder)
        except OSError as error:
            yield Refused(Entry(folder, 0, 0), self._unreadable(error, folder))
            return
        inner = []
        for name, facts in entries:
            path = f"{folder}/{name}" if folder else name
            if isinstance(facts, OSError):
                yield Refused(Entry(path, 0, 0), self._unreadable(facts, path))
            elif stat.S_ISDIR(facts.st_mode) and facts.st_dev == self._device:
                inner.append(path)
            elif stat.S_ISREG(facts.st_mode):
                yield FolderItem(self, Entry(path, facts.st_size, self._moment(facts.st_mtime_ns)))
        for path in inner:
            if deep:
                yield from self._below(path, deep - 1)

    def _moment(self, modified_ns: int) -> int:
        if self._clock is None:
            return modified_ns
        seconds, rest = divmod(modified_ns, 1_000_000_000)
        try:
            shown = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=self._clock)
            return int(shown.timestamp()) * 1_000_000_000 + rest
        except (ValueError, OverflowError, OSError):
            return modified_ns

    def _list(self, folder: str) -> list[tuple[str, os.stat_result | OSError]]:
        fd = open_beneath(self.root, os.fsencode(folder), os.O_RDONLY | os.O_DIRECTORY)
        try:
            with os.scandir(fd) as listing:
                names = sorted(entry.name for entry in listing)
            wanted = [name for name in names if name not in SKIPPED and name != MARKER and not name.startswith("._")]
            return [(name, _facts(fd, name)) for name in wanted]
        finally:
            os.close(fd)

    def _unreadable(self, error: OSError, folder: str) -> CannotRead:
        meant = self.meaning(error, Entry(folder, 0, 0))
        if isinstance(meant, SourceGone) or not folder:
            raise SourceGone(name=self.title) from error
        return meant

    def meaning(self, error: OSError, entry: Entry) -> CannotRead | SourceGone:
        """What a system error says of one file; of the whole source, when its top cannot be read any more."""
        if not self.is_here() or (is_lost(error) and not self._answers()):
            return SourceGone(name=self.title)
        known = {errno.EACCES: why.NOT_ALLOWED, errno.EIO: why.BAD_SECTOR, errno.ENOENT: why.VANISHED}
        return CannotRead(name=entry.name, why=Message(known.get(error.errno or 0, why.SYSTEM)))

    def _answers(self) -> bool:
        try:
            os.close(self._open())
            os.listdir(self.root)  # noqa: PTH208 - the open folder, wherever its path leads now
        except OSError:
            return False
        return True


def _facts(folder: int, name: str) -> os.stat_result | OSError:
    """One name that cannot be looked up does not hide the others."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        return error
