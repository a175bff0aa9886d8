"""The marker file ``everpx-drive.json``: what makes a drive ours.  Format: docs/drive-format.md.

Reading trusts nothing: the file may come from anybody's computer.  Standard library only.
"""

import errno
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from appliance.drives.layout import MARKER
from appliance.durable import write_atomically

FORMAT = 1
LARGEST = 16 * 1024  # bytes; a larger file is not a marker
TEXTS = ("marker_id", "station_id", "role", "filesystem_uuid", "name")


@dataclass(frozen=True)
class Marker:
    """What the file says."""

    marker_id: str
    station_id: str
    role: str  # "hot" or "cold"
    number: int
    filesystem_uuid: str  # of the filesystem it was written to: a copy of the file gives itself away
    name: str
    written: str  # ISO 8601
    format: int = FORMAT

    @property
    def tag(self) -> str:
        """HOT-1, COLD-2."""
        return f"{self.role.upper()}-{self.number}"

    def write(self, root: Path) -> None:
        """Put the file at the top of a drive.  Pulled plug: the file before, or this one, never half."""
        body = {"what": "This drive belongs to an Everpx station. See docs/drive-format.md."} | asdict(self)
        write_atomically(root / MARKER, json.dumps(body, indent=1).encode() + b"\n", mode=0o644)


def raw(root: Path) -> dict[str, Any] | None:
    """The marker's JSON object as it lies there, None when there is none that could be one.

    Never follows a link and never reads anything but a small regular file.  Raises OSError when the drive does not
    answer: no answer is not the same as no marker.
    """
    try:
        fd = os.open(root / MARKER, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link, a socket
            return None
        raise
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        content = os.read(fd, LARGEST + 1)
    finally:
        os.close(fd)
    try:
        stored = json.loads(content) if len(content) <= LARGEST else None
    except (ValueError, RecursionError):
        return None
    return stored if isinstance(stored, dict) else None


def parse(stored: Mapping[str, Any] | None) -> Marker | None:
    """A marker from its JSON; None when a field is missing or of the wrong kind."""
    if stored is None or not all(isinstance(stored.get(key), str) for key in TEXTS):
        return None
    number, version = stored.get("number"), stored.get("format", FORMAT)
    if type(number) is not int or number < 1 or type(version) is not int:
        return None
    if stored["role"] not in ("hot", "cold") or not stored["marker_id"]:
        return None
    texts = {key: stored[key][:200] for key in TEXTS}
    return Marker(number=number, format=version, written=str(stored.get("written", "")), **texts)


def read(root: Path) -> Marker | None:
    """The marker of a mounted drive, None when there is none.  Raises OSError when the drive does not answer."""
    return parse(raw(root))


_last: dict[Path, tuple[tuple[int, ...], Marker | None]] = {}


def read_again(root: Path) -> Marker | None:
    """Like :func:`read`, for a drive that is asked often: the file is opened only when it is another than last time."""
    try:
        facts = (root / MARKER).lstat()
    except FileNotFoundError:
        return None
    stamp = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    known = _last.get(root)
    if known is None or known[0] != stamp:
        known = _last[root] = (stamp, read(root))
    return known[1]
