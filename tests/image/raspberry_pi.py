"""A Raspberry Pi 3 as QEMU emulates it.  What its firmware does, reading files and telling the kernel, is done here.

So everything behind the firmware is the real thing: kernel, the board's device tree, its card slot, first disk, root.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from image.build.arch import ARM64
from image.build.layout import divided
from tests.image.machine import Running

BOARD = "bcm2837-rpi-3-b.dtb"  # upstream_kernel=1 prefers this name
SET_REBOOT_FLAGS = 0x38064
CARD = 2**31  # bytes: the emulated slot takes powers of two only


@dataclass(frozen=True)
class Firmware:
    """What it finds on a card, and how it was started: ``tryboot`` is the flag that counts once."""

    card: Path
    tryboot: bool = False

    def read(self, partition: int, name: str) -> bytes:
        """A file of a FAT partition."""
        start = divided(ARM64)[partition].start
        words = ["mcopy", "-n", "-i", f"{self.card}@@{start}", f"::/{name}", "-"]
        return subprocess.run(words, check=True, capture_output=True, timeout=60).stdout

    @property
    def partition(self) -> int:
        """Where ``autoboot.txt`` sends it; a later line that passes its filter counts more."""
        wanted, passes = 0, True
        for line in self.read(1, "autoboot.txt").decode().splitlines():
            if line.startswith("["):
                passes = line == "[all]" or (line == "[tryboot]" and self.tryboot)
            elif passes and (said := re.fullmatch(r"boot_partition=(\d+)", line)):
                wanted = int(said[1])
        return wanted

    def start(self, folder: Path, log: Path, more: str = "") -> Running:
        """Load what ``config.txt`` names, say in the device tree where it came from, and hand over to the kernel.

        ``more`` is for the kernel.  A restart ends the program here: what comes next is the firmware's to decide.
        """
        number = self.partition
        config = dict(
            re.split("[= ]", line, maxsplit=1)
            for line in self.read(number, "config.txt").decode().splitlines()
            if not line.startswith("#")
        )
        first_disk, where = config["initramfs"].split()
        assert where == "followkernel" and config["upstream_kernel"] == "1"
        loaded = {"kernel": config["kernel"], "initrd": first_disk, "dtb": BOARD}
        for kind, name in loaded.items():
            (folder / kind).write_bytes(self.read(number, name))
        for name, value in (("partition", number), ("tryboot", int(self.tryboot))):
            words = ["fdtput", "-p", "-t", "u", str(folder / "dtb"), "/chosen/bootloader", name, str(value)]
            subprocess.run(words, check=True, timeout=60)
        line = self.read(number, "cmdline.txt").decode().strip()
        words = ["qemu-system-aarch64", "-machine", "raspi3b", "-display", "none", "-monitor", "none"]
        words += [word for kind in loaded for word in (f"-{kind}", str(folder / kind))]
        words += ["-append", f"{line} {more}", "-drive", f"file={self.card},format=raw,if=sd", "-no-reboot"]
        words += ["-d", "unimp", "-D", str(asked(log))]
        words += ["-serial", "null", "-serial", f"file:{log}"]  # the second is the mini UART, ttyS1
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return Running(log=log, process=process)


def asked(log: Path) -> Path:
    """Beside what a machine said: what it asked of its firmware, as far as the emulated one does not know it."""
    return log.with_suffix(".asked")


def reboot_flags(log: Path) -> bool:
    """Whether the tag that sets them came out of the machine, into the mailbox."""
    return f"unhandled tag 0x{SET_REBOOT_FLAGS:08x}" in asked(log).read_text()


def put_on_data(card: Path, file: Path) -> None:
    """A file onto the data partition."""
    where = f"{card}?offset={divided(ARM64)[7].start}"
    words = ["debugfs", "-w", "-R", f"write {file} {file.name}", where]
    subprocess.run(words, check=True, capture_output=True, timeout=60)


def copied_to_the_other_slot(card: Path) -> None:
    """As an upgrade to the same version leaves it."""
    parts = divided(ARM64)
    with card.open("r+b") as disk:
        for one, other in ((2, 3), (5, 6)):
            disk.seek(parts[one].start)
            content = disk.read(parts[one].size)
            disk.seek(parts[other].start)
            disk.write(content)
