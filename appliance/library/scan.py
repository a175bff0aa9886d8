"""Walking a drive: one listing per folder, nothing but directories and inodes read.

The folders are read by processes of their own (:mod:`appliance.library.lister`), which are under way while the one that
asked still starts.

Rules: symbolic links are never followed; the walk stays on the filesystem it began on; what cannot be read is said
(``problem``), never left out in silence, because a file that is not listed counts as deleted by those who ask.
A root that cannot be read raises: a missing drive is never an empty one.
"""

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

from appliance.drives import layout
from appliance.library.listing import Entry, Listing, take

NOT_FILES = frozenset(os.fsencode(name) for name in layout.NOT_FILES)
CLIENTS_BIN = os.fsencode(layout.CLIENTS_BIN)  # what lies there was deleted
LISTER = ("-m", "appliance.library.lister")
_begun: "dict[bytes, subprocess.Popen[bytes]]" = {}
KINDS = {
    stat.S_IFLNK: "symlink",
    stat.S_IFSOCK: "socket",
    stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFDIR: "drive",  # another filesystem, mounted here
}


def listing_of(root: Path, path: bytes) -> Listing:
    """One folder again.  Raises OSError when it cannot be read."""
    top = os.fsencode(root)
    listing = Listing(path)
    _read(top + b"/" + path, os.lstat(top).st_dev, listing, NOT_FILES if not path else frozenset())
    if listing.problem is None:
        listing.fingerprint = fingerprint(listing)
    return listing


def begin(root: Path) -> None:
    """Have a drive listed before anybody asks; :func:`walk` takes over what is under way."""
    _begun[os.fsencode(root)] = _lister(os.fsencode(root))


def forget() -> None:
    """What was begun is not wanted, or no longer true."""
    while _begun:
        _end(_begun.popitem()[1])


def walk(root: Path) -> Iterator[Listing]:
    """Every folder below ``root`` in a fixed order, parents first.

    Raises OSError when the root cannot be read, or when the listing did not come to its end.
    """
    top = os.fsencode(root)
    lister = _begun.pop(top, None) or _lister(top)
    assert lister.stdout is not None
    try:
        while listing := take(lister.stdout, top):
            yield listing
    except EOFError:  # it was ended: what it did not tell of may all be there
        raise OSError(errno.EIO, os.strerror(errno.EIO), top) from None
    finally:
        _end(lister)


def _lister(top: bytes) -> "subprocess.Popen[bytes]":
    words = [sys.executable, *LISTER, os.fsdecode(top)]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)


def _end(lister: "subprocess.Popen[bytes]") -> None:
    assert lister.stdout is not None
    lister.stdout.close()
    lister.kill()
    lister.wait()


def folder_of(top: bytes, device: int, path: bytes) -> tuple[Listing, list[bytes]] | None:
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
    return listing, sorted(folders)


def _read(folder: bytes, device: int, listing: Listing, skipped: frozenset[bytes]) -> list[bytes]:
    """Fill in a listing; return the names of its folders."""
    files: list[Entry] = []
    folders = []
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry.inode(), entry.name) for entry in entries)  # as inodes lie on the medium
        for _, name in found:
            if name in skipped or name == CLIENTS_BIN:
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
    listing.files = sorted(files)
    listing.others.sort()
    return folders


def fingerprint(listing: Listing) -> bytes:
    """A hash that changes when a file of the folder is added, removed, renamed, resized or rewritten."""
    lines = [b"%b\0%d %d\n" % (name, size, modified) for name, size, modified, _ in listing.files]
    lines += [b"%b\0%b\n" % (name, kind.encode()) for name, kind in listing.others]
    return blake3(b"".join(lines)).digest()
