"""Tar archives, packed with gzip or not: one stream, read from beginning to end, never further than was announced.

Headers of tar may claim any size for themselves, and are read into memory by whoever parses them; so every read is
counted against what is due: a header's allowance, or the size of the member that the visit stands at.
"""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, cast

from plugins.importer import why
from plugins.importer.sources import CannotRead, Entry, Item, Readable, Refused
from plugins.importer.sources import members as limits
from plugins.importer.sources.members import (
    MOST_MEMBERS,
    OTHERS,
    cannot,
    in_words,
    is_ballast,
    leads_out,
)

HEADERS = 4 << 20  # bytes that the headers of one member may take
BUFFER = 64 * 1024  # what the stream reads ahead
DAMAGED = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError, OverflowError)


class _Counted:
    """The unpacked stream; raises CannotRead over a bomb, and where it ends too early."""

    def __init__(self, archive: Entry, file: Readable) -> None:
        self._archive, packed = archive, file
        first = packed.read(2)
        stream: IO[bytes] = cast(IO[bytes], _Again(first, packed))
        self._stream = gzip.GzipFile(fileobj=stream, mode="rb") if first == b"\x1f\x8b" else stream
        self.due, self._total = HEADERS, 0
        self.last = b""  # a tar ends with zeros

    def read(self, most: int = -1, /) -> bytes:
        with in_words(self._archive, DAMAGED, why.TRUNCATED):
            block = self._stream.read(most)
        self._total += len(block)
        self.last = (self.last + block)[-tarfile.BLOCKSIZE :] if block else self.last
        self.due -= len(block)
        if self.due < -2 * BUFFER or self._total > max(limits.TOTAL_SMALL, limits.TOTAL_RATIO * self._archive.size):
            raise cannot(self._archive, why.BOMB)
        return block


class _Again:
    """A stream whose first bytes were read already."""

    def __init__(self, first: bytes, rest: Readable) -> None:
        self._first, self._rest = first, rest

    def read(self, most: int = -1, /) -> bytes:
        if self._first:
            first, self._first = self._first, b""
            return first
        return self._rest.read(most)


@dataclass(frozen=True)
class Member:
    """A file in a tar, which can be read while the visit stands at it."""

    archive: tarfile.TarFile
    info: tarfile.TarInfo
    entry: Entry

    @contextmanager
    def open(self) -> Iterator[Readable]:
        """Its bytes."""
        with in_words(self.entry, DAMAGED, why.TRUNCATED):
            file = self.archive.extractfile(self.info)
        assert file is not None
        yield _Reader(file, self.entry)


class _Reader:
    def __init__(self, file: IO[bytes], entry: Entry) -> None:
        self._file, self._entry, self._left = file, entry, entry.size

    def read(self, most: int = -1, /) -> bytes:
        with in_words(self._entry, DAMAGED, why.TRUNCATED):
            block = self._file.read(most)
        self._left -= len(block)
        if most and not block and self._left:
            raise cannot(self._entry, why.TRUNCATED)
        return block


def members(archive: Entry, file: Readable) -> Iterator[Item]:
    """Every file in the archive.  Raises CannotRead when all of it is refused; that may be known only at its end."""
    stream, count = _Counted(archive, file), 0
    with in_words(archive, DAMAGED, why.TRUNCATED):
        opened = tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|", bufsize=BUFFER)  # noqa: SIM115 - nothing to close
    while True:
        with in_words(archive, DAMAGED, why.TRUNCATED):
            info = opened.next()
        if info is None:
            break
        count += 1
        opened.members = []  # type: ignore[attr-defined]  # else all of them stay in memory
        if count > MOST_MEMBERS:
            raise cannot(archive, why.TOO_MANY)
        stream.due = HEADERS + max(0, info.size) + BUFFER
        if not info.isdir() and not is_ballast(info.name):
            yield _item(archive, opened, info)
    _to_the_end(archive, opened, stream)


def _to_the_end(archive: Entry, opened: tarfile.TarFile, stream: _Counted) -> None:
    """There gzip keeps the checksum of all of it; the parser stops without a word at a header that is damaged."""
    rest = cast(IO[bytes], opened.fileobj)
    with in_words(archive, DAMAGED, why.TRUNCATED):
        while block := rest.read(BUFFER):
            stream.due = HEADERS
            if block.strip(b"\0"):
                raise cannot(archive, why.TRUNCATED)
    if stream.last.strip(b"\0"):
        raise cannot(archive, why.TRUNCATED)


def _item(archive: Entry, opened: tarfile.TarFile, info: tarfile.TarInfo) -> Item:
    name = info.name.removeprefix("./")
    entry = Entry(f"{archive.path}/{name}", max(0, info.size), int(info.mtime) * 1_000_000_000, archive.path)
    reason = ""
    if leads_out(name):
        reason = why.SLIP
    elif not info.isreg() or info.issparse():
        reason = why.NOT_A_FILE
    elif OTHERS.search(name):
        reason = why.NESTED
    error: CannotRead | None = cannot(entry, reason) if reason else None
    return Refused(entry, error) if error else Member(opened, info, entry)
