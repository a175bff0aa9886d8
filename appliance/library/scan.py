"""Walking a drive: one listing per folder, nothing but directories and inodes read.

Rules: symbolic links are never followed; the walk stays on the filesystem it began on; what cannot be read is said
(``problem``), never left out in silence, because a file that is not listed counts as deleted by those who ask.
A root that cannot be read raises: a missing drive is never an empty one.
"""

import os
import stat
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from appliance.drives import layout

NOT_FILES = frozenset(os.fsencode(name) for name in layout.NOT_FILES)
READERS = 3  # a drive answers several questions faster than one after the other
AHEAD = 8  # folders listed before their turn
UNKNOWN = b""  # the fingerprint of a listing with a problem: equal to none that is stored
KINDS = {
    stat.S_IFLNK: "symlink",
    stat.S_IFSOCK: "socket",
    stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFDIR: "drive",  # another filesystem, mounted here
}


class Entry(NamedTuple):
    """A regular file as its folder lists it."""

    name: bytes
    size: int
    modified_ns: int
    inode: int


@dataclass(slots=True)
class Listing:
    """One folder.  ``path`` is relative to the root, ``b""`` the root itself; both lists are sorted by name."""

    path: bytes
    files: list[Entry] = field(default_factory=list)
    others: list[tuple[bytes, str]] = field(default_factory=list)  # what is neither file nor folder, with its kind
    fingerprint: bytes = UNKNOWN
    problem: OSError | None = None


def listing_of(root: Path, path: bytes) -> Listing:
    """One folder again.  Raises OSError when it cannot be read."""
    top = os.fsencode(root)
    listing = Listing(path)
    _read(top + b"/" + path, os.lstat(top).st_dev, listing, NOT_FILES if not path else frozenset())
    if listing.problem is None:
        listing.fingerprint = fingerprint(listing)
    return listing


def walk(root: Path) -> Iterator[Listing]:
    """Every folder below ``root`` in a fixed order, parents first.  Raises OSError when the root cannot be read."""
    top = os.fsencode(root)
    device = os.lstat(top).st_dev
    with ThreadPoolExecutor(READERS) as pool:
        waiting: list[tuple[bytes, Future[tuple[Listing, list[bytes]] | None] | None]] = [(b"", None)]
        while waiting:
            for at in range(max(0, len(waiting) - AHEAD), len(waiting)):
                path, coming = waiting[at]
                waiting[at] = (path, coming or pool.submit(_listed, top, device, path))
            _, coming = waiting.pop()
            found = coming.result() if coming else None
            if found is None:
                continue  # removed since its parent was listed
            listing, folders = found
            prefix = listing.path + b"/" if listing.path else b""
            waiting.extend((prefix + name, None) for name in sorted(folders, reverse=True))
            yield listing


def _listed(top: bytes, device: int, path: bytes) -> tuple[Listing, list[bytes]] | None:
    """A folder's listing and its folders; None when there is no such folder.  Raises OSError for the root alone."""
    listing, folders = Listing(path), []
    try:
        folders = _read(top + b"/" + path, device, listing, NOT_FILES if not path else frozenset())
    except OSError as error:
        if not path:
            raise
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return None
        listing.problem = error
    if listing.problem is None:
        listing.fingerprint = fingerprint(listing)
    return listing, folders


def _read(folder: bytes, device: int, listing: Listing, skipped: frozenset[bytes]) -> list[bytes]:
    """Fill in a listing; return the names of its folders."""
    files, folders = listing.files, []
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry.inode(), entry.name) for entry in entries)  # as inodes lie on the medium
        for _, name in found:
            if name in skipped:
                continue
            try:
                facts = os.stat(name, dir_fd=here, follow_symlinks=False)
            except FileNotFoundError:
                continue  # removed since
            except OSError as error:
                listing.problem = error
                continue
            kind = stat.S_IFMT(facts.st_mode)
            if kind == stat.S_IFREG:
                files.append(Entry(name, facts.st_size, facts.st_mtime_ns, facts.st_ino))
            elif kind == stat.S_IFDIR and facts.st_dev == device:
                folders.append(name)
            else:
                listing.others.append((name, KINDS[kind]))
    finally:
        os.close(here)
    files.sort()
    listing.others.sort()
    return folders


def fingerprint(listing: Listing) -> bytes:
    """A hash that changes when a file of the folder is added, removed, renamed, resized or rewritten."""
    lines = [b"%b\0%d %d\n" % (name, size, modified) for name, size, modified, _ in listing.files]
    lines += [b"%b\0%b\n" % (name, kind.encode()) for name, kind in listing.others]
    return blake3(b"".join(lines)).digest()
