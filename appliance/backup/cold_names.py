"""Names that a COLD drive's filesystem cannot hold, or that are no text, are kept under a safe one.

The mapping is in the rows and in ``.everpx/names.json`` on the drive, so nothing about the original name is lost.

The safe name depends on the original alone: what cannot be held becomes ``%XX``, and eight hex digits of the
original's BLAKE3 keep it apart from every other name.
"""

import os

from blake3 import blake3

from appliance.library.names import portable_problem

FREE = frozenset({"ext4", "ext3", "ext2", "btrfs", "xfs", "f2fs", "folder"})  # any bytes but "/" and NUL
LONGEST = 150  # bytes of the readable part; with its tail it fits everywhere


class Names:
    """Which names one COLD drive can hold."""

    def __init__(self, filesystem: str) -> None:
        self.tells_case = filesystem in FREE

    def holds(self, name: bytes) -> bool:
        """Whether a name (or a path, where any name can be used) can be used as it is, clashes apart."""
        return _is_text(name) if self.tells_case else portable_problem(name) is None

    def fold(self, name: bytes) -> bytes:
        """What two names must not have in common."""
        return name if self.tells_case else os.fsencode(os.fsdecode(name).casefold())


def safe(name: bytes) -> bytes:
    """The name under which one that cannot be held is kept: readable, and different for every original."""
    text = name.decode("utf-8", "surrogateescape")
    shown = b"".join(_escaped(character) for character in text)
    stem, dot, suffix = shown.rpartition(b".")
    if not stem or len(suffix) > 16 or not suffix.isalnum():
        stem, dot, suffix = shown, b"", b""
    stem = stem[:LONGEST].decode("utf-8", "ignore").encode().rstrip(b". ")
    made = stem + b"~" + blake3(name).hexdigest(4).encode() + dot + suffix
    return made if portable_problem(made) is None else b"~" + made  # con.tar.gz


def _is_text(name: bytes) -> bool:
    """Whether it is UTF-8; ``b3sum --check`` gives up at a manifest that is not."""
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _escaped(character: str) -> bytes:
    raw = character.encode("utf-8", "surrogateescape")
    odd = character == "%" or portable_problem(b"x" + raw + b"x") is not None
    return b"".join(b"%%%02X" % byte for byte in raw) if odd else raw
