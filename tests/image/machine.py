"""A machine of another processor, started from an image: QEMU, its firmware, and what it says on its serial line.

Nothing waits for a fixed time and nothing waits for ever: a marker is waited for until a limit, and what the machine
said until then is in the failure and stays in a file.
"""

import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path

FIRMWARE = Path("/usr/share/qemu-efi-aarch64/QEMU_EFI.fd")
TAIL = 3000


class Stopped(AssertionError):
    """The machine did not do what it was waited for; the message holds what it said last."""


@dataclass
class Machine:
    """A running arm64 machine: two processors, 2 GB, a disk, a network that only this computer can reach."""

    disk: Path
    log: Path
    port: int
    process: subprocess.Popen[bytes]
    began: float

    @classmethod
    def start(cls, program: str, disk: Path, log: Path) -> "Machine":
        """Plug it in."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        words = [
            *(
                program,
                "-machine",
                "virt",
                "-cpu",
                "cortex-a72",
                "-smp",
                "2",
                "-m",
                "2048",
                "-accel",
                "tcg,thread=multi",
            ),
            *("-bios", str(FIRMWARE), "-display", "none", "-nodefaults", "-serial", f"file:{log}"),
            *("-drive", f"file={disk},format=raw,if=none,id=disk", "-device", "virtio-blk-pci,drive=disk,bootindex=1"),
            *(
                "-netdev",
                f"user,id=home,hostfwd=tcp:127.0.0.1:{port}-:80",
                "-device",
                "virtio-net-pci,netdev=home,romfile=",
            ),
            *("-device", "virtio-rng-pci", "-device", "qemu-xhci,id=usb"),
        ]
        with log.with_suffix(".qemu").open("wb") as out:
            process = subprocess.Popen(words, stdout=out, stderr=subprocess.STDOUT)
        return cls(disk, log, port, process, time.monotonic())

    @property
    def address(self) -> str:
        """Of its console, from here."""
        return f"http://127.0.0.1:{self.port}"

    def said(self) -> str:
        """Everything on the serial line so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def until(self, what: str, done: Callable[[], bool], within_s: float) -> float:
        """Wait until something is so; seconds since the machine was plugged in.  Raises Stopped at the limit."""
        end = time.monotonic() + within_s
        while not done():
            if self.process.poll() is not None:
                raise Stopped(f"The machine ended while {what} was waited for. {self.said()[-TAIL:]}")
            if time.monotonic() > end:
                raise Stopped(f"{what} did not come within {within_s:.0f} s. {self.said()[-TAIL:]}")
            time.sleep(0.5)
        return time.monotonic() - self.began

    def marker(self, pattern: str, within_s: float = 600) -> float:
        """Wait for a line of the serial line."""
        return self.until(f"“{pattern}”", lambda: re.search(pattern, self.said()) is not None, within_s)

    def answers(self, path: str = "/", within_s: float = 900) -> float:
        """Wait until the console shows a page."""
        return self.until("the console", lambda: self._page(path), within_s)

    def _page(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(self.address + path, timeout=30) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def pull_the_plug(self) -> None:
        """As a power cut: nothing is told, nothing is written any more."""
        self.process.kill()
        self.process.wait(30)


def visitor() -> urllib.request.OpenerDirector:
    """A browser without JavaScript that keeps its cookies."""
    return urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
