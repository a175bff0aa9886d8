"""A home network on this machine: a station and another computer, each a network namespace, one cable between them."""

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Computer:
    """A namespace with one interface."""

    name: str
    interface: str
    address: str

    def argv(self, *words: str) -> list[str]:
        """A command that runs there."""
        return ["/usr/sbin/ip", "netns", "exec", self.name, *words]

    def run(self, *words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run something there to its end."""
        return subprocess.run(self.argv(*words), capture_output=True, text=True, timeout=timeout, check=False)

    def do(self, body: Callable[[], Any]) -> Any:
        """Call a function there: in a thread of its own, which alone moves (and its children with it)."""
        answer: list[Any] = []

        def there() -> None:
            with Path(f"/run/netns/{self.name}").open() as place:
                if _libc.setns(place.fileno(), CLONE_NEWNET) != 0:
                    answer.append(OSError(ctypes.get_errno(), "setns"))
                    return
            try:
                answer.append(body())
            except BaseException as error:
                answer.append(error)

        thread = threading.Thread(target=there)
        thread.start()
        thread.join(120)
        (found,) = answer
        if isinstance(found, BaseException):
            raise found
        return found

    def link(self, state: str) -> None:
        """``up`` or ``down``."""
        subprocess.run(["ip", "-n", self.name, "link", "set", self.interface, state], check=True, timeout=20)


@contextmanager
def home_network(third: bool = False) -> Iterator[list[Computer]]:
    """Station and computer (and one more behind the same switch); gone when the block ends."""
    tag = f"ev{os.getpid() % 100000}"
    every = [Computer(f"{tag}{letter}", "eth0", f"10.86.0.{n + 1}") for n, letter in enumerate("abc"[: 2 + third])]
    switch = f"{tag}s"
    try:
        _ip("netns", "add", switch)
        _ip("-n", switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        _ip("-n", switch, "link", "set", "br0", "up")
        for one in every:
            _ip("netns", "add", one.name)
            _ip("link", "add", "eth0", "netns", one.name, "type", "veth", "peer", "name", one.name, "netns", switch)
            _ip("-n", switch, "link", "set", one.name, "master", "br0", "up")
            _ip("-n", one.name, "addr", "add", f"{one.address}/24", "dev", "eth0")
            _ip("-n", one.name, "link", "set", "lo", "up")
            _ip("-n", one.name, "link", "set", "eth0", "up")
        yield every
    finally:
        for name in [switch, *(one.name for one in every)]:
            subprocess.run(["ip", "netns", "del", name], check=False, timeout=20, capture_output=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=20, capture_output=True)
