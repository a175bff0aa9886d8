"""Paths from outside, opened beneath a root and nowhere else: no ``..``, no symbolic link, no other filesystem.

``openat2`` does this in the kernel; where there is none, each component is opened in turn with ``O_NOFOLLOW``.
Everything relative to an open folder stays on the drive that it was opened on, even when the drive is pulled out and
its mount point is suddenly an empty folder of the SD card.
"""

import contextlib
import ctypes
import errno
import os
import stat
from pathlib import Path

_OPENAT2 = 437  # the same number on every architecture
_NO_XDEV, _NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x01, 0x02, 0x04, 0x08
_libc = ctypes.CDLL(None, use_errno=True)
_kernel_has_it = True


class _How(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


def open_beneath(root: int, path: bytes, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """A file descriptor for ``path`` relative to the open folder ``root``.

    Raises OSError: ELOOP for a symbolic link, EXDEV for a way out of the root, else as ``open`` does.
    """
    global _kernel_has_it
    if b"\0" in path or path.startswith(b"/"):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    if _kernel_has_it:
        how = _How(
            flags | os.O_CLOEXEC, mode if flags & os.O_CREAT else 0, _NO_XDEV | _NO_MAGICLINKS | _NO_SYMLINKS | _BENEATH
        )
        while True:
            fd = int(_libc.syscall(_OPENAT2, root, path or b".", ctypes.byref(how), ctypes.sizeof(how)))
            if fd >= 0:
                return fd
            code = ctypes.get_errno()
            if code == errno.EAGAIN:  # something was renamed meanwhile
                continue
            if code not in (errno.ENOSYS, errno.EPERM):
                raise OSError(code, os.strerror(code), path)
            _kernel_has_it = code != errno.ENOSYS
            break
    return _open_step_by_step(root, path, flags, mode)


def _open_step_by_step(root: int, path: bytes, flags: int, mode: int) -> int:
    """What ``openat2`` does, for kernels and sandboxes without it."""
    names = [name for name in path.split(b"/") if name not in (b"", b".")]
    if b".." in names:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    folder = os.open(".", os.O_PATH | os.O_DIRECTORY, dir_fd=root)
    device = os.fstat(folder).st_dev
    try:
        for position, name in enumerate(names or [b"."]):
            last = position == max(0, len(names) - 1)
            step = flags | os.O_NOFOLLOW if last else os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
            fd = os.open(name, step, mode, dir_fd=folder)
            os.close(folder)
            folder = fd
            if os.fstat(fd).st_dev != device:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
            if stat.S_ISLNK(os.fstat(fd).st_mode):  # O_PATH opens the link itself
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    except BaseException:
        os.close(folder)
        raise
    return folder


def open_root(path: Path) -> int:
    """The top folder of a drive, to open things beneath.  Raises OSError."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def make_folder(root: int, path: bytes) -> int:
    """Open a folder beneath ``root``, making what is missing of it; each new name is durable before it is used."""
    try:
        return open_beneath(root, path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        parent_path, _, name = path.rpartition(b"/")
    parent = make_folder(root, parent_path)
    try:
        with contextlib.suppress(FileExistsError):  # another upload was quicker; or no folder, as the opening tells
            os.mkdir(name, 0o755, dir_fd=parent)
        os.fsync(parent)
        return open_beneath(parent, name, os.O_RDONLY | os.O_DIRECTORY)
    finally:
        os.close(parent)


def resolve(root: Path, path: bytes) -> Path | None:
    """The full path of a regular file beneath ``root``; None when there is none or the way to it is not straight."""
    try:
        top = open_root(root)
    except OSError:
        return None
    try:
        fd = open_beneath(top, path, os.O_PATH)
    except OSError:
        return None
    finally:
        os.close(top)
    try:
        regular = stat.S_ISREG(os.fstat(fd).st_mode)
    finally:
        os.close(fd)
    return root / os.fsdecode(path) if regular else None
