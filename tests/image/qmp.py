"""QEMU's own line for whoever stands beside the machine: plug, pull, slow down, freeze (QMP)."""

import json
import socket
import time
from pathlib import Path
from typing import Any

ANSWER_S = 60


class Refused(AssertionError):
    """QEMU would not do it; the message says why."""


class Qmp:
    """One conversation.  What happens by itself (events) is kept until somebody waits for it."""

    def __init__(self, place: Path, within_s: float = 30) -> None:
        self._socket = called(place, within_s)
        self._socket.settimeout(ANSWER_S)
        self._lines = self._socket.makefile("r", encoding="utf-8")
        self._events: list[dict[str, Any]] = []
        self._heard()
        self.do("qmp_capabilities")

    def do(self, what: str, **how: Any) -> Any:
        """One command; names take ``-`` where Python has ``_``.  Raises Refused."""
        arguments = {name.replace("_", "-"): value for name, value in how.items()}
        self._socket.sendall(json.dumps({"execute": what, "arguments": arguments}).encode() + b"\n")
        while "event" in (said := self._heard()):
            self._events.append(said)
        if "error" in said:
            raise Refused(f"{what} {arguments}: {said['error']['desc']}")
        return said["return"]

    def event(self, name: str, within_s: float = ANSWER_S, **data: Any) -> dict[str, Any]:
        """Wait for something that happens by itself, and forget it."""
        end = time.monotonic() + within_s
        while True:
            for said in self._events:
                if said["event"] == name and data.items() <= said.get("data", {}).items():
                    self._events.remove(said)
                    return said
            if time.monotonic() > end:
                raise Refused(f"{name} {data} did not happen within {within_s:.0f} s")
            self.do("query-status")
            time.sleep(0.1)

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._socket.close()

    def _heard(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise Refused("QEMU has ended")
        said: dict[str, Any] = json.loads(line)
        return said


def called(place: Path, within_s: float) -> socket.socket:
    """A connection to a Unix socket that a program is about to open."""
    end = time.monotonic() + within_s
    while True:
        line = socket.socket(socket.AF_UNIX)
        try:
            line.connect(str(place))
            return line
        except OSError:
            line.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
