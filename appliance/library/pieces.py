"""The pieces that a resumable upload comes in: each checked if it brings a checksum, all hashed as they pass."""

import hashlib
import os
import threading
from dataclasses import dataclass, field
from typing import Protocol

from blake3 import blake3

from appliance.errors import ApplianceError
from appliance.library.contents import BLOCK
from appliance.words import N_

ALGORITHMS = ("blake3", "sha1")
Check = tuple[str, bytes]  # an algorithm and the hash that a piece must have


class DamagedPiece(ApplianceError):
    """A piece does not match the checksum that came with it (tus: 460)."""

    code, status = "damaged_piece", 460
    template = N_("A part of the upload was damaged on its way.")
    hint = N_("It was thrown away. Send it again.")


class Checksum(Protocol):
    """The part of a hash object that is used here."""

    def update(self, data: bytes, /) -> object:
        """Take more bytes."""

    def digest(self) -> bytes:
        """The hash of all of them."""


@dataclass
class Writer:
    """Who writes to a part right now, and its hash as far as it was written in this process."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    owner: object = None
    hasher: blake3 = field(default_factory=blake3)
    hashed: int = 0


def write(fd: int, block: bytes, position: int) -> int:
    """Write all of a block, since a drive that is filling up takes only part of it; how much that was."""
    written = 0
    while written < len(block):
        written += os.pwrite(fd, block[written:], position + written)
    return written


def carry_on(writer: Writer, position: int, block: bytes) -> None:
    """Carry the hash on when these bytes follow those it has seen; else it is computed at the end."""
    if position == 0:
        writer.hasher, writer.hashed = blake3(), 0
    if writer.hashed == position:
        writer.hasher.update(block)
        writer.hashed += len(block)


def carry_on_file(writer: Writer, offset: int, source: int, check: Check | None) -> None:
    """Check a piece against its checksum, and only then carry the whole's hash on."""
    if (checksum := checksum_for(check)) and check:
        for block in iter(lambda: os.read(source, BLOCK), b""):
            checksum.update(block)
        if checksum.digest() != check[1]:
            raise DamagedPiece()
        os.lseek(source, 0, os.SEEK_SET)
    position = offset
    for block in iter(lambda: os.read(source, BLOCK), b""):
        carry_on(writer, position, block)
        position += len(block)


def checksum_for(check: Check | None) -> Checksum | None:
    """A new hash object for a piece that brings a checksum."""
    if check is None:
        return None
    return blake3() if check[0] == "blake3" else hashlib.sha1(usedforsecurity=False)
