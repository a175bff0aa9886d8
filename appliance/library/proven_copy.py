"""One file copied to another place and proven: read once, flushed, and read again past the page cache."""

import contextlib
import os
import stat

from blake3 import blake3

from appliance.drives.mounts import Mount
from appliance.library import spool
from appliance.library.beneath import open_beneath
from appliance.library.carried_plan import Load
from appliance.library.carried_rows import Carried, Known
from appliance.library.contents import BLOCK, digest_of
from appliance.library.pieces import write


def copy(root: int, folder: int, load: Load, row: Known | None, drive: Mount) -> Carried | None:
    """The file's bytes, proven, in the incoming folder; None for one that has to stay.  Raises what the drives say."""
    try:
        original = open_beneath(root, load.path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        drive.check()
        return None
    name = spool.part_name(spool.new_id())
    try:
        before = os.fstat(original)
        if not stat.S_ISREG(before.st_mode):
            return None
        made = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
        proven = False
        try:
            digest = _pour(original, made, drive)
            after = os.fstat(original)
            same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
            right = row is None or row.digest in (None, digest) or not row.is_of(before)
            proven = digest is not None and same and right and _proven(made, before, digest)
            modified_ns = os.fstat(made).st_mtime_ns
        finally:
            os.close(made)
            if not proven:
                os.unlink(name, dir_fd=folder)
    finally:
        os.close(original)
    if not proven or digest is None:
        return None
    number = row.file_id if row else None
    return Carried(load.path, load.goal, name, number, before.st_size, before.st_mtime_ns, modified_ns, digest)


def _pour(original: int, copy: int, source: Mount) -> bytes | None:
    """Copy all bytes; their hash as they were read, None when they cannot be."""
    hasher, position = blake3(), 0
    while True:
        try:
            block = os.pread(original, BLOCK, position)
        except OSError:
            source.check()  # the drive is there: a bad spot in this one file
            return None
        if not block:
            return hasher.digest()
        hasher.update(block)
        position += write(copy, block, position)


def _proven(copy: int, facts: os.stat_result, digest: bytes) -> bool:
    """Flush a copy, date it like the original, and read it again from the medium."""
    os.utime(copy, ns=(facts.st_mtime_ns, facts.st_mtime_ns))
    with contextlib.suppress(PermissionError):  # exFAT and NTFS have no modes
        os.fchmod(copy, 0o644)
    os.fsync(copy)
    os.posix_fadvise(copy, 0, 0, os.POSIX_FADV_DONTNEED)
    return digest_of(copy) == digest
