"""What starts a slot, and where it keeps what it was told: GRUB, and the firmware of a Raspberry Pi.

Both know one slot that starts, and can be told to try the other one once.  Their notes lie on the first partition and
are rewritten where they lie, within one sector, so that a power cut leaves the old one or the new one: nothing is ever
truncated or moved there, because nobody could mend that partition.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

SLOTS = ("A", "B")
SECTOR = 512
GRUBENV_SIZE = 1024
TRYBOOT = "0 tryboot"  # the restart's argument that a Pi's firmware understands
_BOOT_PARTITION = {"A": 2, "B": 3}


class Loader(Protocol):
    """What both can do."""

    #: whether it still knows after a power cut that it was told to try: then a try that is gone was made
    remembers: bool

    def primary(self) -> str:
        """The slot that starts when nobody says anything."""

    def armed(self) -> str:
        """The slot that the next start tries once, or nothing."""

    def commit(self, slot: str) -> None:
        """From now on this slot starts; nothing is tried any more."""

    def arm(self, slot: str) -> None:
        """The next start tries this slot, once."""

    def disarm(self) -> None:
        """The next start tries nothing."""


class Grub:
    """GRUB with ``everpx/bootenv`` (EFI machines, QEMU); image/boot/selector.grub reads it and clears ``try``."""

    remembers = True

    def __init__(self, selector: Path) -> None:
        self.file = selector / "everpx/bootenv"

    def primary(self) -> str:
        """As the selector reads it: whatever is not B is A."""
        return "B" if self._value("primary") == "B" else "A"

    def armed(self) -> str:
        """Its ``try``."""
        trying = self._value("try")
        return trying if trying in SLOTS else ""

    def commit(self, slot: str) -> None:
        """One write does both."""
        self._write(bootenv(slot))

    def arm(self, slot: str) -> None:
        """Beside the primary, which stays."""
        self._write(bootenv(self.primary(), slot))

    def disarm(self) -> None:
        """Nothing is written where nothing is told."""
        if self._value("try"):
            self._write(bootenv(self.primary()))

    def _value(self, name: str) -> str:
        found = re.search(rb"^" + name.encode() + rb"=([^\n#]*)\n", self.file.read_bytes(), re.MULTILINE)
        return found[1].decode("ascii", "replace") if found else ""

    def _write(self, block: bytes) -> None:
        with writable(self.file.parents[1]):
            in_place(self.file, block)


class Firmware:
    """A Raspberry Pi's own: ``autoboot.txt``, and a flag that the restart hands over and that a power cut takes."""

    remembers = False

    def __init__(self, selector: Path, argument: Path) -> None:
        self.file, self.argument = selector / "autoboot.txt", argument

    def primary(self) -> str:
        """The boot partition under ``[all]``; where none is named, the firmware goes on to the first that has one."""
        found = re.search(r"^\[all\][^\[]*^boot_partition=(\d+)", self.file.read_text("ascii", "replace"), re.MULTILINE)
        return "B" if found and int(found[1]) == _BOOT_PARTITION["B"] else "A"

    def armed(self) -> str:
        """The slot that is not the primary, if the restart has the argument."""
        told = self.argument.exists() and self.argument.read_text().strip() == TRYBOOT
        return other(self.primary()) if told else ""

    def commit(self, slot: str) -> None:
        """Swap the two numbers."""
        self.disarm()
        with writable(self.file.parent):
            in_place(self.file, autoboot(_BOOT_PARTITION[slot]).encode().ljust(self.file.stat().st_size, b"\n"))

    def arm(self, slot: str) -> None:
        """For the restart that follows.  It can try no other slot than the one that is not primary."""
        if slot == self.primary():
            raise ValueError(slot)
        self.argument.parent.mkdir(parents=True, exist_ok=True)
        self.argument.write_text(f"{TRYBOOT}\n")

    def disarm(self) -> None:
        """The argument lies in memory."""
        self.argument.unlink(missing_ok=True)


def other(slot: str) -> str:
    """The other slot."""
    return {"A": "B", "B": "A"}[slot]


def bootenv(primary: str = "A", trying: str = "") -> bytes:
    """The state that GRUB and ``grub-editenv`` share: always one size, and all that changes is in its first sector."""
    text = f"# GRUB Environment Block\nprimary={primary}\ntry={trying}\n".encode()
    return text.ljust(GRUBENV_SIZE, b"#")


def autoboot(primary: int = 2) -> str:
    """``autoboot.txt`` of a Raspberry Pi: which boot slot starts, and which one when it is asked to try."""
    trying = {2: 3, 3: 2}[primary]
    return f"[all]\ntryboot_a_b=1\nboot_partition={primary}\n[tryboot]\nboot_partition={trying}\n"


def in_place(file: Path, content: bytes) -> None:
    """Write over a file's own bytes, and wait until they are on the medium."""
    fd = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    try:
        if os.pwrite(fd, content, 0) != len(content):
            raise OSError(f"{file} was written in part only")
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """The first partition is mounted to be read, but for this moment."""
    if not folder.is_mount():
        yield
        return
    _mounted(folder, "rw")
    try:
        yield
    finally:
        _mounted(folder, "ro")


def _mounted(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True, timeout=60)
