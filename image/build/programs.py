"""Running programs, and failing in words."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

LAST_LINES = 15


class BuildFailed(Exception):
    """The build cannot go on; the message says why, and what to do if somebody can do something."""


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    log: Path | None = None,
) -> str:
    """Its output.  Raises BuildFailed with its last words; with ``log`` everything it said is appended there.

    Long work steps back behind whatever else the machine does, and it ends with the build, however that ends.
    """
    words = ["setpriv", "--pdeathsig", "KILL", "nice", "-n", "5", *(os.fspath(word) for word in argv)]
    whole = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", **(env or {})}
    done = subprocess.run(words, cwd=cwd, env=whole, input=stdin, capture_output=True, text=True, check=False)
    if log is not None:
        with log.open("a") as out:
            out.write(f"$ {' '.join(words)}\n{done.stdout}{done.stderr}\n")
    if done.returncode:
        said = "\n".join(f"{done.stdout}\n{done.stderr}".strip().splitlines()[-LAST_LINES:])
        where = f"\nEverything it said: {log}" if log else ""
        raise BuildFailed(f"{os.fspath(argv[0])} failed ({done.returncode}):\n{said}{where}")
    return done.stdout
