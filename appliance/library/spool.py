"""Files on their way in: ``<drive>/.everpx/incoming``.

Four kinds of names lie there: ``<upload id>.part`` is ours, ``<id>.pieces`` a folder of ``piece_sets``, ``0000000042``
is nginx's (digits only, so that nobody can name another's part as a body), everything else belongs to other rooms and
is left alone.
"""

import contextlib
import os
import secrets
import stat
import time
from collections.abc import Callable
from pathlib import Path

from appliance.drives.layout import INCOMING
from appliance.drives.mounts import Mount
from appliance.library import room
from appliance.library.pieces import write

PART = ".part"
PIECES = b".pieces"
BLOCK = 1 << 20
LEFT_BEHIND_S = 24 * 3600
Read = Callable[[int], bytes]


def part_name(upload_id: str) -> bytes:
    """Where an upload's bytes lie."""
    return (upload_id + PART).encode()


def new_id() -> str:
    """128 random bits: whoever does not know it cannot ask for it."""
    return secrets.token_hex(16)


def receive(mount: Mount, read: Read, most: int) -> bytes:
    """Write a body of at most ``most`` bytes into a new part; returns its name.  Nothing is left after an error."""
    name = part_name(new_id())
    with room.incoming(mount) as (_, folder):
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
        try:
            written = 0
            while block := read(min(BLOCK, most + 1 - written)):
                written += write(fd, block, written)
                if written > most:
                    raise room.TooLargeForDrive(drive=mount.name)
        except BaseException:
            os.unlink(name, dir_fd=folder)
            raise
        finally:
            os.close(fd)
    return name


def body_name(mount: Mount, path: str) -> bytes | None:
    """The name of a body that nginx has put on this drive; None when ``path`` is anything else.

    nginx's word is checked all the same: directly in the folder, digits, a regular file of our own.
    """
    body = Path(path)
    if body.parent != mount.path / INCOMING or not body.name.isascii() or not body.name.isdigit():
        return None
    try:
        facts = os.lstat(body)
    except OSError:
        return None
    ours = stat.S_ISREG(facts.st_mode) and facts.st_uid == os.geteuid()
    return body.name.encode() if ours else None


def discard(mount: Mount, name: bytes) -> None:
    """Remove a file from the spool; one that is not there is no error."""
    with room.incoming(mount) as (_, folder), contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def append_file(source: int, target: int, position: int) -> int:
    """Copy all of ``source`` to ``target`` at ``position`` inside the kernel; returns the end."""
    left = os.fstat(source).st_size
    done = 0
    while done < left:
        try:
            count = os.copy_file_range(source, target, left - done, done, position + done)
        except OSError:
            count = os.pwrite(target, os.pread(source, BLOCK, done), position + done)
        if count == 0:
            raise OSError("a body became shorter while it was read")
        done += count
    return position + done


def clean(mount: Mount, wanted: Callable[[str], bool]) -> int:
    """Remove parts that no upload wants and bodies that a crash left; how many."""
    removed = 0
    with room.incoming(mount) as (_, folder):
        for name in os.listdir(folder):  # noqa: PTH208  (the open folder, wherever its path leads now)
            if name.endswith(PIECES.decode()):
                removed += _clean_set(folder, name.encode())
                continue
            stem = name.removesuffix(PART)
            part = name.endswith(PART)
            if (part and wanted(stem)) or not (part or name.isdigit()):
                continue
            with contextlib.suppress(FileNotFoundError):
                facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
                # a photo that is about to get its name has its own date already, which may be years ago
                if time.time() - max(facts.st_mtime, facts.st_ctime) > LEFT_BEHIND_S:
                    os.unlink(name, dir_fd=folder)
                    removed += 1
    return removed


def _clean_set(incoming: int, name: bytes) -> int:
    """A set of pieces that nobody has added to for a day goes."""
    with contextlib.suppress(FileNotFoundError):
        if time.time() - os.stat(name, dir_fd=incoming, follow_symlinks=False).st_mtime > LEFT_BEHIND_S:
            return remove_set(incoming, name)
    return 0


def remove_set(incoming: int, name: bytes) -> int:
    """Remove a folder of pieces; how many files went.  A link in its place is no folder, and stays."""
    removed = 0
    with contextlib.suppress(FileNotFoundError):
        folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=incoming)
        try:
            for piece in os.listdir(folder):  # noqa: PTH208  (the open folder)
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(piece, dir_fd=folder)
                    removed += 1
        finally:
            os.close(folder)
        os.rmdir(name, dir_fd=incoming)
    return removed


def carry_over(source: Mount, name: bytes, target: Mount) -> bytes:
    """Take a body to another drive's incoming folder; returns its name there."""
    with room.incoming(source) as (_, folder):
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            carried = receive(target, lambda count: os.read(fd, count), os.fstat(fd).st_size)
        finally:
            os.close(fd)
        os.unlink(name, dir_fd=folder)
    return carried
