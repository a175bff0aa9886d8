"""Starting the process that decodes pictures where it can do no harm, and talking to it.

bubblewrap gives it its own namespaces: no network, no processes but its own, no files but the programs it needs, all of
them read-only.  Where bubblewrap is missing or forbidden, limits on memory, time and file size remain; ``kind`` says
which, and health tells it.
"""

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from appliance.library.formats import Format
from appliance.library.models import MediaKind

WORKER = Path(__file__).with_name("preview_worker.py")
ANSWER_S = 120
LARGEST_HEAD = 16 << 10
LARGEST_PICTURE = 8 << 20
PROBE_S = 20


class Preview(NamedTuple):
    """What came out of the sandbox, checked: pictures for the grid and the viewer, and facts."""

    small: bytes
    large: bytes
    width: int
    height: int
    seconds: float | None
    camera: str
    latitude: float | None
    longitude: float | None
    placeholder: str
    likeness: int  # 64 bits, as a signed number
    content_id: str = ""  # the same in both halves of an Apple Live Photo


def command(program: Sequence[str], bwrap: Sequence[str] | None) -> list[str]:
    """The command line that runs ``program`` in the sandbox; ``bwrap`` as :func:`bubblewrap` says."""
    if bwrap is None:
        return list(program)
    line = [*bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]
    line += ["--setenv", "PATH", "/usr/bin:/bin", "--setenv", "LANG", "C.UTF-8"]
    line += ["--dev", "/dev", "--tmpfs", "/tmp"]  # first: the program may itself lie below /tmp
    for place in dict.fromkeys(("/usr", sys.base_prefix, sys.prefix, str(WORKER))):
        if place == "/usr" or not place.startswith("/usr/"):
            line += ["--ro-bind", place, place]
    for name in ("bin", "lib", "lib64"):
        line += ["--symlink", f"usr/{name}", f"/{name}"]
    for place in ("/etc/alternatives", "/etc/ld.so.cache"):
        line += ["--ro-bind-try", place, place]
    return [*line, "--chdir", "/", *program]


@cache
def bubblewrap() -> tuple[str, ...] | None:
    """The first words of a bubblewrap in which our own interpreter runs here, None when there is none.

    In the worker's unit no /proc can be mounted, because parts of the unit's own are covered; then it has none.
    """
    found = shutil.which("bwrap")
    for words in ((found, "--proc", "/proc"), (found,)) if found else ():
        try:
            program = command([sys.executable, "-I", "-c", "import PIL"], words)
            if subprocess.run(program, capture_output=True, timeout=PROBE_S, check=False).returncode == 0:
                return words
        except (OSError, subprocess.TimeoutExpired):
            return None
    return None


class Sandbox:
    """A running worker; starts another when one has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def make(self, source: int, found: Format) -> Preview | None:
        """The preview of the picture or film in an open file; None when there can be none."""
        answer = self._ask(_word(found), source)
        if answer is None:
            return None
        try:
            return checked(answer)
        finally:
            os.close(answer)

    def identify(self, source: int, found: Format) -> str:
        """The word that both halves of an Apple Live Photo carry, "" for none; no picture is decoded."""
        answer = self._ask("look:" + _word(found), source)
        if answer is None:
            return ""
        try:
            return _identifier(_head(answer)[0].get("content_id"))
        except (ValueError, TypeError, AttributeError, struct.error, RecursionError):
            return ""
        finally:
            os.close(answer)

    def _ask(self, word: str, source: int) -> int | None:
        """The answer as an open memory file, None when there is none."""
        for _ in range(2):  # a worker may have died since the last picture; it does not die of one
            line = self._running()
            try:
                socket.send_fds(line, [word.encode()], [source])
                said, fds, _, _ = socket.recv_fds(line, 16, 1)
            except OSError:  # gone, or silent for too long
                self.close()
                continue
            if not fds:
                self.close()
                continue
            if said == b"good":
                return fds[0]
            os.close(fds[0])
            return None
        return None

    def close(self) -> None:
        """End the worker."""
        if self._line is not None:
            self._line.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._line = None

    def _running(self) -> socket.socket:
        if self._line is None:
            self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._line.settimeout(ANSWER_S)
            with theirs:
                program = [sys.executable, "-I", str(WORKER), str(theirs.fileno())]
                self._process = subprocess.Popen(
                    command(program, bubblewrap()),
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                )
        return self._line


def _word(found: Format) -> str:
    return "video" if found.kind is MediaKind.VIDEO else found.name


def _head(answer: int) -> tuple[Any, int]:
    """The facts in an answer, and where the pictures begin."""
    (length,) = struct.unpack(">I", os.pread(answer, 4, 0))
    if length > LARGEST_HEAD:
        raise ValueError("too much to say")
    return json.loads(os.pread(answer, length, 4)), 4 + length


def checked(answer: int) -> Preview | None:
    """The result in a memory file, believed only as far as it makes sense: its author has read a stranger's file."""
    try:
        facts, begin = _head(answer)
        first, second = (_whole(n, LARGEST_PICTURE) for n in facts["lengths"])
        small = os.pread(answer, first, begin)
        large = os.pread(answer, second, begin + first)
        if not all(
            p[:4] == b"RIFF" and p[8:12] == b"WEBP" and len(p) == n for p, n in ((small, first), (large, second))
        ):
            return None
        return Preview(
            small,
            large,
            width=_whole(facts["width"], 1 << 20),
            height=_whole(facts["height"], 1 << 20),
            seconds=_number(facts.get("seconds"), 0, 1e7),
            camera=_text(facts.get("camera", "")),
            latitude=_number(facts.get("latitude"), -90, 90),
            longitude=_number(facts.get("longitude"), -180, 180),
            placeholder=_colour(facts["placeholder"]),
            likeness=_likeness(facts["likeness"]),
            content_id=_identifier(facts.get("content_id")),
        )
    except (ValueError, TypeError, KeyError, struct.error, RecursionError):
        return None


def _whole(value: Any, most: int) -> int:
    if type(value) is not int or not 0 < value <= most:
        raise ValueError("not a possible number")
    return value


def _number(value: Any, least: float, most: float) -> float | None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and least <= value <= most
    return float(value) if fits else None


def _text(value: Any) -> str:
    return "".join(c for c in str(value) if c.isprintable())[:100]


def _likeness(value: Any) -> int:
    if type(value) is not str or len(value) != 16:
        raise ValueError("no likeness")
    return int.from_bytes(bytes.fromhex(value), "big", signed=True)


def _identifier(value: Any) -> str:
    """A word of the phone's, as far as it looks like one."""
    good = isinstance(value, str) and len(value) <= 64 and value.isascii() and value.replace("-", "").isalnum()
    return str(value) if good else ""


def _colour(value: Any) -> str:
    int(value[1:], 16)
    if len(value) != 7 or value[0] != "#":
        raise ValueError("not a colour")
    return str(value)
