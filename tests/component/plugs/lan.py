"""A home's network: two network namespaces joined by a cable, the test's thread in one, plugs in the other.

Every port is free there, broadcasts really go through, and nothing of it is seen by anybody else on this machine.
"""

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable
from typing import TypeVar

CLONE_NEWNET = 0x40000000  # linux/sched.h
MINE = "/proc/thread-self/ns/net"
STATION, NETWORK = "10.77.0.1", "10.77.0"
T = TypeVar("T")
_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _enter(fd: int) -> None:
    _checked(_libc.setns(fd, CLONE_NEWNET))


def _new() -> int:
    """A network namespace for this thread; returns a descriptor that keeps it."""
    _checked(_libc.unshare(CLONE_NEWNET))
    return os.open(MINE, os.O_RDONLY)


class Lan:
    """From the first line to ``close`` the calling thread, and all it starts, is in the station's half."""

    def __init__(self) -> None:
        self.outside = os.open(MINE, os.O_RDONLY)
        self.home = self._elsewhere(_new)
        self.station = _new()
        self._ip("link", "set", "lo", "up")
        self._ip("link", "add", "lan0", "type", "veth", "peer", "name", "lan1")
        self._ip("link", "set", "lan1", "netns", f"/proc/{os.getpid()}/fd/{self.home}")
        self._ip("addr", "add", f"{STATION}/24", "brd", "+", "dev", "lan0")
        self._ip("link", "set", "lan0", "up")
        self.inside(lambda: self._ip("link", "set", "lo", "up"))
        self.inside(lambda: self._ip("link", "set", "lan1", "up"))

    def _ip(self, *words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10, pass_fds=[self.home])

    def address(self, number: int) -> str:
        """``10.77.0.11``, given to the plugs' side."""
        address = f"{NETWORK}.{number}"
        self.inside(lambda: self._ip("addr", "replace", f"{address}/24", "brd", "+", "dev", "lan1"))
        return address

    def inside(self, deed: Callable[[], T]) -> T:
        """Do something on the plugs' side; threads and processes started there stay there."""

        def there() -> T:
            _enter(self.home)
            return deed()

        return self._elsewhere(there)

    def _elsewhere(self, deed: Callable[[], T]) -> T:
        answer: list[T] = []
        failed: list[BaseException] = []

        def run() -> None:
            try:
                answer.append(deed())
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return answer[0]

    def close(self) -> None:
        """Back to where the thread came from; the network goes with its last user."""
        _enter(self.outside)
        for fd in (self.outside, self.home, self.station):
            os.close(fd)
