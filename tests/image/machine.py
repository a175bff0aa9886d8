"""A machine started from an image: QEMU, its firmware, what it says on its serial line, and whoever stands beside it.

Nothing waits for a fixed time and nothing waits for ever: a marker is waited for until a limit, and what the machine
said until then is in the failure and stays in a file.
"""

import re
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path

from tests.image import shell
from tests.image.drives import Usb
from tests.image.processors import PROCESSORS
from tests.image.qmp import Qmp

TAIL = 3000


class Stopped(AssertionError):
    """The machine did not do what it was waited for; the message holds what it said last."""


@dataclass(frozen=True)
class Box:
    """What a machine is made of, beside its disk."""

    arch: str
    memory: int = 2048  # MiB
    clock: str = ""  # what it has at the start, e.g. “2000-01-01T00:00:00”; empty: the right time
    ports: tuple[int, ...] = (80,)  # those of its services that this computer, and no other, reaches
    internet: bool = False
    more: tuple[str, ...] = ()  # for QEMU

    def words(self, disk: Path, disk_kind: str, log: Path, ports: dict[int, int], rooms: Path) -> list[str]:
        """What QEMU is told.  ``rooms`` holds its sockets."""
        mine = PROCESSORS[self.arch]
        doors = "".join(f",hostfwd=tcp:127.0.0.1:{here}-:{there}" for there, here in ports.items())
        file = f"driver={disk_kind},node-name=disk,file.driver=file,file.filename={disk}"
        return [
            *(mine.program, *mine.board, "-smp", "2", "-m", f"{self.memory}", "-bios", f"{mine.firmware}"),
            *("-display", "none", "-nodefaults", "-serial", f"file:{log}"),
            *("-blockdev", file, "-device", "virtio-blk-pci,drive=disk,bootindex=1"),
            *("-netdev", f"user,id=home,restrict={'off' if self.internet else 'on'}{doors}"),
            *("-device", "virtio-net-pci,netdev=home,id=net,romfile="),
            *("-device", "virtio-rng-pci", "-device", "qemu-xhci,id=usb,p2=15,p3=15"),
            *("-qmp", f"unix:{rooms}/qmp,server=on,wait=off", *shell.words(rooms / "shell")),
            *(("-rtc", f"base={self.clock}") if self.clock else ()),
            *self.more,
        ]


@dataclass(kw_only=True)
class Running:
    """A machine that was plugged in: its program here, and what it says on its serial line."""

    log: Path
    process: subprocess.Popen[bytes]
    began: float = field(default_factory=time.monotonic)

    def said(self) -> str:
        """Everything on the serial line so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def until(self, what: str, done: Callable[[], bool], within_s: float, every_s: float = 0.5) -> float:
        """Wait until something is so; seconds since the machine was plugged in.  Raises Stopped at the limit."""
        end = time.monotonic() + within_s
        while not done():
            if self.process.poll() is not None:
                raise Stopped(f"The machine ended while {what} was waited for. {self.said()[-TAIL:]}")
            if time.monotonic() > end:
                raise Stopped(f"{what} did not come within {within_s:.0f} s. {self.said()[-TAIL:]}")
            time.sleep(every_s)
        return time.monotonic() - self.began

    def marker(self, pattern: str, within_s: float = 600) -> float:
        """Wait for a line of the serial line."""
        return self.until(f"“{pattern}”", lambda: re.search(pattern, self.said()) is not None, within_s)

    def pull_the_plug(self) -> None:
        """As a power cut: nothing is told, nothing is written any more."""
        self.process.kill()
        self.process.wait(30)


@dataclass(kw_only=True)
class Machine(Running):
    """A running machine: two processors, a disk, a network that only this computer can reach."""

    box: Box
    disk: Path
    ports: dict[int, int]  # there: here
    rooms: tempfile.TemporaryDirectory[str]
    qmp: Qmp
    guest: shell.Shell
    usb: Usb

    @classmethod
    def start(cls, box: Box, disk: Path, log: Path, *, disk_kind: str = "raw") -> "Machine":
        """Plug it in."""
        rooms = tempfile.TemporaryDirectory(prefix="machine-")
        ports = free_ports(box.ports)
        words = box.words(disk, disk_kind, log, ports, Path(rooms.name))
        with log.with_suffix(".qemu").open("wb") as out:
            process = subprocess.Popen(words, stdout=out, stderr=subprocess.STDOUT)
        try:
            qmp = Qmp(Path(rooms.name, "qmp"))
            guest = shell.Shell(Path(rooms.name, "shell"))
        except OSError:
            process.kill()
            process.wait(30)
            raise Stopped(f"QEMU did not start: {log.with_suffix('.qemu').read_text()}") from None
        return cls(
            log=log,
            process=process,
            box=box,
            disk=disk,
            ports=ports,
            rooms=rooms,
            qmp=qmp,
            guest=guest,
            usb=Usb(qmp),
        )

    @property
    def address(self) -> str:
        """Of its console, from here."""
        return f"http://127.0.0.1:{self.ports[80]}"

    def answers(self, path: str = "/", within_s: float = 900) -> float:
        """Wait until the console shows a page."""
        return self.until("the console", lambda: self._page(path), within_s, every_s=0.1)

    def _page(self, path: str) -> bool:
        """Ask once.  QEMU takes a connection before the machine has a network and knocks there less and less often.

        So who asks patiently is heard many seconds late; but a machine that has worked for long may be a slow one.
        """
        patience = 2 + (time.monotonic() - self.began) / 30
        try:
            with urllib.request.urlopen(self.address + path, timeout=patience) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def network(self, up: bool) -> None:
        """Pull its network cable, or plug it in."""
        self.qmp.do("set_link", name="net", up=up)

    def pull_the_plug(self) -> None:
        """As a power cut, and everybody beside it hangs up."""
        super().pull_the_plug()
        self.guest.close()
        self.qmp.close()
        self.rooms.cleanup()


def free_ports(wanted: tuple[int, ...]) -> dict[int, int]:
    """A free port of this computer for each of the machine's."""
    free = [socket.socket() for _ in wanted]
    for one in free:
        one.bind(("127.0.0.1", 0))
    ports = {there: int(one.getsockname()[1]) for there, one in zip(wanted, free, strict=True)}
    for one in free:
        one.close()
    return ports


def visitor() -> urllib.request.OpenerDirector:
    """A browser without JavaScript that keeps its cookies."""
    return urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
