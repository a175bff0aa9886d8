"""Asking a drive whether it can still be written to, by writing.

A filesystem that turned read-only does not always say so in the kernel's tables; a file that was made, flushed and
removed does.  One small file of one name: a plug that is pulled in between leaves nothing that adds up.

A drive that rests is left alone: what it said stands while it sleeps, and while nobody has used it since.  So looking
every half hour neither wakes a drive nor keeps it awake.
"""

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from appliance.drives import write_probe
from appliance.drives.layout import PRIVATE
from appliance.drives.mounts import Mount
from appliance.drives.records import SYSFS
from appliance.durable import write_atomically
from appliance.places import Places
from appliance.words import N_

PATIENCE_S = 60.0  # a drive that is busy with a large copy may take its time
KILL_PATIENCE_S = 1.0
OWN_REQUESTS = 100  # what the probe itself causes, some of it half a minute later
NEVER = -1
WORDS = {
    errno.EROFS: N_("the drive is write-protected"),
    errno.EIO: N_("the drive reports an error"),
    errno.EACCES: N_("the station may not write to it"),
    errno.ENODEV: N_("the drive no longer answers"),
    errno.ENOTCONN: N_("the drive no longer answers"),
    errno.ETIMEDOUT: N_("the drive no longer answers"),
}
FULL = N_("the drive is full")
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Problem:
    """Why nothing can be written; ``full``: only for want of room."""

    why: str
    full: bool = False


def problem_of(places: Places, mount: Mount, asleep: Callable[[], bool]) -> Problem | None:
    """Why nothing can be written to a drive, None when it can; of one that rests, what was so before."""
    notes = _notes(places)
    known = notes.get(mount.device)
    if known is not None and known["sequence"] == mount.sequence:
        if _is_untouched(mount.device, known) or asleep():
            return Problem(**known["problem"]) if known["problem"] else None
    elif asleep():
        return None  # nothing was ever tried on it, and nothing is known
    problem = write_problem(mount.path)
    told = {"sequence": mount.sequence, "requests": _requests(mount.device), "problem": problem and asdict(problem)}
    write_atomically(_path(places), json.dumps(notes | {mount.device: told}).encode())
    return problem


def _is_untouched(device: str, known: dict[str, Any]) -> bool:
    """Whether nobody used it since; one that had a problem is tried again when anything at all came through."""
    now, before = _requests(device), known["requests"]
    allowed = 0 if known["problem"] else OWN_REQUESTS
    return NEVER not in (now, before) and 0 <= now - before <= allowed


def ask_anew(places: Places) -> None:
    """A person wants to know: the next look tries every drive that is awake."""
    notes = {device: known | {"requests": NEVER} for device, known in _notes(places).items()}
    write_atomically(_path(places), json.dumps(notes).encode())


def _path(places: Places) -> Path:
    return places.run / "write-probes.json"


def _notes(places: Places) -> dict[str, dict[str, Any]]:
    try:
        notes: dict[str, dict[str, Any]] = json.loads(_path(places).read_text())
        return {device: known for device, known in notes.items() if {"sequence", "requests", "problem"} <= set(known)}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _requests(device: str) -> int:
    """How many reads and writes a device has done (Documentation/block/stat.rst); NEVER for what is none."""
    try:
        counted = (SYSFS / "class/block" / device / "stat").read_text().split()
        return int(counted[0]) + int(counted[4])
    except (OSError, ValueError, IndexError):
        return NEVER


def write_problem(root: Path, patience: float | None = None) -> Problem | None:
    """Why nothing can be written to a mounted drive, None when it can.  Leaves nothing behind.

    A drive that hangs is given up on after ``patience`` seconds; who asked it is left behind, and ends when it can.
    """
    said = _ask(root / PRIVATE, PATIENCE_S if patience is None else patience)
    if said is None:
        return None
    number, _, words = said.partition(" ")
    code = int(number) if number.isdigit() else 0
    if code in NO_ROOM:
        return Problem(FULL, full=True)
    return Problem(WORDS.get(code, words or said))


def _ask(folder: Path, patience: float) -> str | None:
    """The probe's complaint, None when it has none."""
    command = [sys.executable, "-I", "-S", write_probe.__file__, str(folder)]
    quiet = subprocess.DEVNULL  # nobody shall wait for the end of what a probe left behind holds open
    probe = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=subprocess.PIPE, text=True)
    try:
        _, complained = probe.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        probe.kill()
        assert probe.stderr is not None
        probe.stderr.close()
        try:
            probe.wait(KILL_PATIENCE_S)
        except subprocess.TimeoutExpired:
            probe.returncode = -9  # it cannot even be killed: whoever started us buries it
        return str(int(errno.ETIMEDOUT))
    return None if probe.returncode == 0 else (complained.strip().splitlines() or ["0 ?"])[-1]
