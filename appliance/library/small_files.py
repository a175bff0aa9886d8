"""Small files of our own among a family's: read with a bound, replaced whole or not at all."""

import contextlib
import errno
import os
import stat

from appliance.library import spool


def replace(incoming: int, folder: int, name: bytes, text: bytes) -> tuple[int, int]:
    """Put a small file in the place of its name, whole or not at all; its size and time.  Flush the folder then."""
    temporary = spool.part_name(spool.new_id())  # cleared away by itself if the plug is pulled now
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=incoming)
    try:
        with os.fdopen(fd, "wb") as out:
            out.write(text)
            out.flush()
            with contextlib.suppress(PermissionError):  # exFAT and NTFS have no modes
                os.fchmod(out.fileno(), 0o644)
            os.fsync(out.fileno())
        os.rename(temporary, name, src_dir_fd=incoming, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=incoming)
        raise
    facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
    return facts.st_size, facts.st_mtime_ns


def read_small(folder: int, name: bytes, most: int) -> bytes | None:
    """A small regular file beside others; None when there is none.  Raises OSError for what stands in its place."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link or a socket: no sidecar, and replaced by one
            return None
        raise
    with os.fdopen(fd, "rb") as file:
        return file.read(most + 1) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None
