"""Giving a file its final name without ever replacing another, on every filesystem.

``renameat2`` with RENAME_NOREPLACE where the filesystem knows it; else a hard link; else (FUSE exFAT) the name is
claimed with an empty file (or folder) of our own, which the rename then replaces: whoever comes second finds the name
taken.
"""

import contextlib
import ctypes
import errno
import os
import stat
from collections.abc import Callable

from appliance.library.names import numbered

_NOREPLACE = 1
_NOT_HERE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EMLINK})
_ONE_BY_ONE = 16  # numbers tried in turn; beyond them the free one is searched for
_libc = ctypes.CDLL(None, use_errno=True)


def rename_new(source_folder: int, source: bytes, folder: int, name: bytes) -> None:
    """Rename within one filesystem.  Raises FileExistsError when the name is taken, else OSError."""
    if _libc.renameat2(source_folder, source, folder, name, _NOREPLACE) == 0:
        return
    code = ctypes.get_errno()
    if code not in _NOT_HERE:
        raise OSError(code, os.strerror(code), name)
    try:
        os.link(source, name, src_dir_fd=source_folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise
        _rename_over_claim(source_folder, source, folder, name)
    else:
        os.unlink(source, dir_fd=source_folder)


def _rename_over_claim(source_folder: int, source: bytes, folder: int, name: bytes) -> None:
    is_folder = stat.S_ISDIR(os.stat(source, dir_fd=source_folder, follow_symlinks=False).st_mode)
    if is_folder:
        os.mkdir(name, 0o700, dir_fd=folder)
    else:
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder))
    try:
        os.rename(source, name, src_dir_fd=source_folder, dst_dir_fd=folder)
    except OSError:
        with contextlib.suppress(OSError):
            (os.rmdir if is_folder else os.unlink)(name, dir_fd=folder)
        raise


def place(
    source_folder: int, source: bytes, folder: int, name: str, same: Callable[[bytes], bool]
) -> tuple[bytes, bool]:
    """Rename to ``name``, or the first free numbered one; returns the name, and whether the file was there already.

    ``same(other)`` tells whether a file that has the name holds the same bytes: then nothing is renamed, which makes
    an upload that is repeated after a power cut end at the file that it left there.
    """
    number = 1
    while True:
        candidate = os.fsencode(name if number == 1 else numbered(name, number))
        try:
            rename_new(source_folder, source, folder, candidate)
            return candidate, False
        except FileExistsError:
            if number <= _ONE_BY_ONE and same(candidate):
                return candidate, True
        number = number + 1 if number < _ONE_BY_ONE else _free_number(folder, name, number)


def _free_number(folder: int, name: str, taken: int) -> int:
    """A number above ``taken`` that looks free: for the thousand photos that a phone calls ``image.jpg``."""
    free = taken * 2
    while _exists(folder, numbered(name, free)):
        taken, free = free, free * 2
    while free - taken > 1:
        middle = (free + taken) // 2
        if _exists(folder, numbered(name, middle)):
            taken = middle
        else:
            free = middle
    return free


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(os.fsencode(name), dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
