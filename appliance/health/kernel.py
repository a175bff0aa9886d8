"""What the kernel complained of, counted: root's side, which gives facts and never a line of the log.

``/dev/kmsg`` (Documentation/ABI/testing/dev-kmsg) has a record ``priority,number,microseconds,flags;text`` a line; only
what the kernel itself said counts (facility 0), not what a program wrote there.  What a drive complained of before it
was plugged in this time is forgotten: pulling one makes errors, and the next drive gets its name.

Standard library only.
"""

import os
import re
import time
from dataclasses import dataclass
from typing import Any

MOST_BYTES = 8_000_000  # of the log; the kernel's own buffer is far smaller
MOST_FACTS = 60
LONGEST_WHERE = 40

#: kind -> what the kernel says; a group names the device.  Wordings: drivers/usb/core/hub.c,
#: drivers/usb/host/xhci-ring.c, drivers/hwmon/raspberrypi-hwmon.c, block/blk-core.c
COMPLAINTS = {
    "undervoltage": r"[Uu]nder-?voltage detected",
    "over_current": r"(?:^usb |^hub |usb\d+-port\d+: ).*over-?current",
    "usb_died": r"xHCI host controller not responding|HC died; cleaning up",
    "usb_reset": r"^usb ([0-9][0-9.-]*): reset .*USB device",
    "io_error": r"(?:I/O error|critical (?:medium|target|space allocation) error), dev ([a-z0-9]+)",
}
PATTERNS = {kind: re.compile(pattern) for kind, pattern in COMPLAINTS.items()}
#: A thing that was just plugged in: what was counted under its name belonged to another plugging-in.
ARRIVALS = (
    re.compile(r"^sd [0-9:]+: \[([a-z0-9]+)\] Attached SCSI"),
    re.compile(r"^(loop\d+): detected capacity change from 0 to"),
    re.compile(r"^usb ([0-9][0-9.-]*): new .*USB device number"),
)


@dataclass
class Fact:
    """How often something was said of one thing, and how many seconds ago last."""

    kind: str
    where: str  # a disk or partition's kernel name, a USB port, or ""
    moments: list[float]  # seconds since boot


def read(since: float, path: str | None = None) -> list[dict[str, Any]]:
    """Facts since a moment (seconds since boot): kind, where, count, ago.  Raises OSError where there is no log."""
    found: dict[tuple[str, str], Fact] = {}
    for at, text in _records(path or os.environ.get("EVERPX_KMSG", "/dev/kmsg")):
        for pattern in ARRIVALS:
            if came := pattern.search(text):
                _forget(found, came[1])
        for kind, pattern in PATTERNS.items():
            if at >= since and (said := pattern.search(text)):
                where = said[1][:LONGEST_WHERE] if said.groups() else ""
                found.setdefault((kind, where), Fact(kind, where, [])).moments.append(at)
                break
    now = time.monotonic()
    facts = [
        {"kind": f.kind, "where": f.where, "count": len(f.moments), "ago_s": max(0, round(now - f.moments[-1]))}
        for f in found.values()
    ]
    return facts[:MOST_FACTS]


def _forget(found: dict[tuple[str, str], Fact], name: str) -> None:
    """A disk's partitions are forgotten with it."""
    for kind, where in list(found):
        if where == name or (where.startswith(name) and where[len(name) :].lstrip("p").isdigit()):
            del found[kind, where]


def _records(path: str) -> list[tuple[float, str]]:
    """(seconds since boot, text) of every record of the kernel's, oldest first."""
    records = []
    for line in _content(path).decode("utf-8", "replace").splitlines():
        head, mark, text = line.partition(";")
        fields = head.split(",")
        if mark and len(fields) >= 3 and fields[0].isdigit() and fields[2].isdigit() and int(fields[0]) < 8:
            records.append((int(fields[2]) / 1e6, text))
    return records


def _content(path: str) -> bytes:
    """The whole log; the device gives one record for each read, and says so when some were overwritten meanwhile."""
    content = bytearray()
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        while len(content) < MOST_BYTES:
            try:
                piece = os.read(fd, 65536)
            except BlockingIOError:
                break
            except BrokenPipeError:
                continue
            if not piece:
                break
            content += piece
    finally:
        os.close(fd)
    return bytes(content)
