"""The probe itself, as a program: ``python -I -S write_probe.py FOLDER`` makes, flushes and removes one small file.

A process of its own, because a drive that no longer answers may hold it for ever, and its caller must go on and end.
Says the errno, or nothing when all went well.  Standard library only, and nothing of ours: it starts in no time.
"""

import os
import sys

NAME = "write-probe"


def write(folder: str) -> None:
    """Raises OSError."""
    if not os.path.isdir(folder):  # noqa: PTH112 - pathlib takes twice as long to start as all the rest
        os.mkdir(folder, 0o700)  # noqa: PTH102
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(NAME, flags, 0o600, dir_fd=place)
        try:
            os.write(fd, b"everpx\n" * 100)
            os.fsync(fd)
        finally:
            os.close(fd)
            os.unlink(NAME, dir_fd=place)
    finally:
        os.close(place)


if __name__ == "__main__":
    try:
        write(sys.argv[1])
    except OSError as error:
        sys.exit(f"{error.errno or 0} {error.strerror or error}")
