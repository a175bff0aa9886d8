"""A folder's listing, in memory and on its way through a pipe."""

import errno
import os
import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, NamedTuple, overload

UNKNOWN = b""  # the fingerprint of a listing with a problem: equal to none that is stored


class Entry(NamedTuple):
    """A regular file as its folder lists it."""

    name: bytes
    size: int
    modified_ns: int
    inode: int


class Packed(Sequence[Entry]):
    """The files of a folder as they came through a pipe, unpacked when somebody looks: mostly nobody does."""

    __slots__ = ("_count", "_names", "_numbers")

    def __init__(self, count: int, names: bytes, numbers: bytes) -> None:
        self._count, self._names, self._numbers = count, names, numbers

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> Entry: ...
    @overload
    def __getitem__(self, at: slice) -> list[Entry]: ...
    def __getitem__(self, at: int | slice) -> Entry | list[Entry]:
        return list(self)[at]

    def __iter__(self) -> Iterator[Entry]:
        if not self._count:
            return iter(())
        numbers = array("Q", self._numbers)
        signed = array("q", self._numbers)  # a file may be older than 1970
        return map(Entry._make, zip(self._names.split(b"\0"), numbers[::3], signed[1::3], numbers[2::3], strict=True))


@dataclass(slots=True)
class Listing:
    """One folder.  ``path`` is relative to the root, ``b""`` the root itself; both lists are sorted by name."""

    path: bytes
    files: Sequence[Entry] = field(default_factory=list)
    others: list[tuple[bytes, str]] = field(default_factory=list)  # what is neither file nor folder, with its kind
    fingerprint: bytes = UNKNOWN
    problem: OSError | None = None


HEAD = struct.Struct("=iIIIII")  # error number; lengths of path, fingerprint, names, others; number of files
END, NO_ROOT = -1, -2  # in place of the error number: all was told; the root cannot be read, its number is the next


def to_bytes(listing: Listing) -> bytes:
    """A listing for the pipe."""
    number = 0 if listing.problem is None else listing.problem.errno or errno.EIO
    names = b"\0".join([file.name for file in listing.files])
    others = b"\0".join([part for name, kind in listing.others for part in (name, kind.encode())])
    numbers = b"".join([struct.pack("=QqQ", size, modified, inode) for _, size, modified, inode in listing.files])
    lengths = (len(listing.path), len(listing.fingerprint), len(names), len(others))
    head = HEAD.pack(number, *lengths, len(listing.files))
    return b"".join((head, listing.path, listing.fingerprint, names, others, numbers))


def last(number: int = 0) -> bytes:
    """What is told after the last listing; with an error number, that the root could not be read."""
    return HEAD.pack(NO_ROOT if number else END, number, 0, 0, 0, 0)


def take(pipe: IO[bytes], root: bytes) -> Listing | None:
    """The next listing, None after the last.  Raises OSError for the root, EOFError when there was no proper end."""
    number, *lengths, count = HEAD.unpack(_exactly(pipe, HEAD.size))
    if number == END:
        return None
    if number == NO_ROOT:
        raise OSError(lengths[0], os.strerror(lengths[0]), root)
    path, fingerprint, names, others = (_exactly(pipe, length) for length in lengths)
    files = Packed(count, names, _exactly(pipe, 24 * count))
    parts = others.split(b"\0") if others else []
    kinds = [(name, kind.decode()) for name, kind in zip(parts[::2], parts[1::2], strict=True)]
    return Listing(path, files, kinds, fingerprint, OSError(number, os.strerror(number), path) if number else None)


def _exactly(pipe: IO[bytes], length: int) -> bytes:
    found = pipe.read(length) if length else b""
    if len(found) < length:
        raise EOFError
    return found
