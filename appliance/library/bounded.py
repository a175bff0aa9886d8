"""Reading a file that anybody may have sent: few, small, checked reads, so that no file can cost much."""

import os

LONGEST_READ = 256 * 1024
READS = 400  # of one file


class Bytes:
    """A part of a file, read in small bounded pieces; too many of them, or one beyond the end, is a ValueError."""

    def __init__(self, fd: int, start: int, end: int, left: list[int]) -> None:
        self.fd, self.start, self.end, self.left = fd, start, end, left

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return self.end - self.start

    def __call__(self, offset: int, length: int) -> bytes:
        """Exactly these bytes.  Raises ValueError."""
        self.left[0] -= 1
        if self.left[0] < 0 or offset < 0 or length > LONGEST_READ or self.start + offset + length > self.end:
            raise ValueError("out of bounds")
        got = os.pread(self.fd, length, self.start + offset)
        if len(got) != length:
            raise ValueError("cut short")
        return got

    def part(self, offset: int, length: int) -> "Bytes":
        """A part of these bytes, cut at their end; the number of reads left is shared."""
        if offset < 0 or length < 0:
            raise ValueError("out of bounds")
        start = self.start + offset
        return Bytes(self.fd, start, min(self.end, start + length), self.left)


def bounded(fd: int, size: int) -> Bytes:
    """The whole of an open file."""
    return Bytes(fd, 0, size, [READS])
