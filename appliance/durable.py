"""Writing so that a pulled plug leaves the old file or the new one, never half of one."""

import contextlib
import ctypes
import os
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)


def write_atomically(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace a file whole or not at all: temporary name, flush, rename, flush the folder."""
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(fd, "wb") as out:
            with contextlib.suppress(OSError):  # FAT keeps no modes
                os.fchmod(fd, mode)  # as it was asked for, whatever the process takes away from new files
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Make the renames in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def flush_filesystem(folder: Path) -> None:
    """Write out everything pending on the filesystem that holds ``folder`` (Linux ``syncfs``).

    On a FUSE filesystem this reaches the driver, not the medium: also ask root for ``drives.flush``.
    Raises OSError when the kernel reports a write that failed.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _libc.syncfs(fd) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(fd)
