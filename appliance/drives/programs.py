"""The one way in which the drives room runs another program: list form, a time limit, and words when it fails.

Standard library only, because root's side uses it.
"""

import contextlib
import os
import subprocess
from collections.abc import Collection

from appliance.errors import ProgramFailed

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
LONGEST_WHY = 300
KILL_PATIENCE_S = 2


def run(
    argv: list[str], *, timeout: float = 30, fine: Collection[int] = (0,), given: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return what it said.

    Raises ProgramFailed with the last line of its errors when it is missing, takes too long, or exits with a status
    that is not in ``fine``.  The environment is ours, not the caller's, so that a program always speaks English.
    """
    environment = {"PATH": PATH, "LC_ALL": "C.UTF-8", "BLKID_FILE": "/dev/null", "HOME": "/"}
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            encoding="utf-8",
            errors="replace",
        )
    except FileNotFoundError:
        raise ProgramFailed(program=argv[0], why="it is not installed") from None
    try:
        said, complained = process.communicate(given, timeout)
    except subprocess.TimeoutExpired:
        _give_up(process)
        raise ProgramFailed(program=argv[0], why=f"it did not answer within {timeout:g} s") from None
    done = subprocess.CompletedProcess(argv, process.returncode, said, complained)
    if done.returncode not in fine:
        raise ProgramFailed(program=argv[0], why=_last_line(done) or f"status {done.returncode}")
    return done


def _give_up(process: "subprocess.Popen[str]") -> None:
    """Kill, without waiting for what cannot be killed: a program stuck in a drive that does not answer."""
    process.kill()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(KILL_PATIENCE_S)


def installed(name: str) -> bool:
    """Whether a program is there to be run."""
    return any(os.access(f"{folder}/{name}", os.X_OK) for folder in PATH.split(":"))


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    for text in (done.stderr, done.stdout):
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if lines:
            return lines[-1][:LONGEST_WHY]
    return ""
