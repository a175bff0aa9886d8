"""The one way in which the drives room runs another program: list form, a time limit, and words when it fails.

Standard library only, because root's side uses it.
"""

import os
import subprocess
from collections.abc import Collection

from appliance.errors import ProgramFailed

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
LONGEST_WHY = 300


def run(
    argv: list[str], *, timeout: float = 30, fine: Collection[int] = (0,), given: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return what it said.

    Raises ProgramFailed with the last line of its errors when it is missing, takes too long, or exits with a status
    that is not in ``fine``.  The environment is ours, not the caller's, so that a program always speaks English.
    """
    environment = {"PATH": PATH, "LC_ALL": "C.UTF-8", "BLKID_FILE": "/dev/null", "HOME": "/"}
    feed = {"stdin": subprocess.DEVNULL} if given is None else {"input": given}
    try:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            argv,
            capture_output=True,
            check=False,
            timeout=timeout,
            env=environment,
            encoding="utf-8",
            errors="replace",
            **feed,
        )
    except FileNotFoundError:
        raise ProgramFailed(program=argv[0], why="it is not installed") from None
    except subprocess.TimeoutExpired:
        raise ProgramFailed(program=argv[0], why=f"it did not answer within {timeout:g} s") from None
    if done.returncode not in fine:
        raise ProgramFailed(program=argv[0], why=_last_line(done) or f"status {done.returncode}")
    return done


def installed(name: str) -> bool:
    """Whether a program is there to be run."""
    return any(os.access(f"{folder}/{name}", os.X_OK) for folder in PATH.split(":"))


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    for text in (done.stderr, done.stdout):
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if lines:
            return lines[-1][:LONGEST_WHY]
    return ""
