"""Zip archives: the table of contents at the end says what there is, and is checked before anything is opened."""

import struct
import zipfile
import zlib
from calendar import timegm
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from plugins.importer import why
from plugins.importer.sources import Entry, Item, Readable, Refused, Seekable
from plugins.importer.sources import members as limits
from plugins.importer.sources.members import (
    MOST_MEMBERS,
    OTHERS,
    RATIO,
    SMALL,
    cannot,
    in_words,
    is_ballast,
    leads_out,
)

LARGEST_TABLE = 256 << 20  # bytes of the table of contents, which is held in memory
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, struct.error, UnicodeDecodeError, ValueError, OverflowError)
LINK = 0o120000


@dataclass(frozen=True)
class Member:
    """A file in a zip."""

    archive: zipfile.ZipFile
    info: zipfile.ZipInfo
    entry: Entry

    @contextmanager
    def open(self) -> Iterator[Readable]:
        """Its bytes, whose checksum is right when all of them came."""
        with in_words(self.entry, DAMAGED, why.TRUNCATED):
            file = self.archive.open(self.info)
        with file:
            yield _Reader(file, self.entry)


class _Reader:
    def __init__(self, file: Readable, entry: Entry) -> None:
        self._file, self._entry = file, entry

    def read(self, most: int = -1, /) -> bytes:
        with in_words(self._entry, DAMAGED, why.TRUNCATED):
            return self._file.read(most)


def members(archive: Entry, file: Readable) -> Iterator[Item]:
    """Every file in the archive.  Raises CannotRead when all of it is refused."""
    whole = cast(Seekable, file)
    with in_words(archive, DAMAGED, why.TRUNCATED):
        if _table_size(whole) > LARGEST_TABLE:
            raise cannot(archive, why.TOO_MANY)
        opened = zipfile.ZipFile(whole)
    with opened:
        infos = [info for info in opened.infolist() if not info.is_dir() and not is_ballast(info.filename)]
        _check(archive, infos)
        for info in infos:
            yield _item(archive, opened, info)


def _check(archive: Entry, infos: list[zipfile.ZipInfo]) -> None:
    """What makes an archive refused as a whole."""
    if len(infos) > MOST_MEMBERS:
        raise cannot(archive, why.TOO_MANY)
    if any(info.flag_bits & 0x1 for info in infos):
        raise cannot(archive, why.PASSWORD)
    # members that overlap are packed to more than the whole
    packed, unpacked = sum(i.compress_size for i in infos), sum(i.file_size for i in infos)
    if packed > archive.size or unpacked > max(
        limits.TOTAL_SMALL, limits.TOTAL_RATIO * archive.size
    ):  # or they overlap
        raise cannot(archive, why.BOMB)


def _item(archive: Entry, opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> Item:
    entry = Entry(f"{archive.path}/{info.filename}", info.file_size, _moment(info), archive.path)
    reason = ""
    if leads_out(info.filename):
        reason = why.SLIP
    elif info.external_attr >> 16 & 0o170000 == LINK:
        reason = why.NOT_A_FILE
    elif OTHERS.search(info.filename):
        reason = why.NESTED
    elif info.file_size > SMALL and info.file_size > RATIO * info.compress_size:
        reason = why.BOMB
    elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        reason = why.METHOD
    return Refused(entry, cannot(entry, reason)) if reason else Member(opened, info, entry)


def _moment(info: zipfile.ZipInfo) -> int:
    try:
        return timegm((*info.date_time, 0, 0, 0)) * 1_000_000_000
    except (ValueError, OverflowError):
        return 0


def _table_size(file: Seekable) -> int:
    """How large the table of contents says it is (APPNOTE.TXT 4.3.16 and, for zip64, 4.3.14)."""
    size = file.seek(0, 2)
    start = max(0, size - 65_557)
    file.seek(start)
    end = _all(file, size - start)
    at = end.rfind(b"PK\5\6")
    if at < 0 or at + 22 > len(end):
        raise zipfile.BadZipFile("no end")
    table = int(struct.unpack_from("<L", end, at + 12)[0])
    if table != 0xFFFFFFFF or at < 20:
        return table
    file.seek(struct.unpack_from("<Q", end, at - 20 + 8)[0])
    return int(struct.unpack_from("<Q", _all(file, 56), 40)[0])


def _all(file: Readable, count: int) -> bytes:
    got = b""
    while len(got) < count and (block := file.read(count - len(got))):
        got += block
    return got
