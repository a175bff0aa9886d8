"""Which version is being built, and of what moment."""

import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from image.build.arch import Arch
from image.build.contents import APP
from image.build.programs import BuildFailed, run


@dataclass(frozen=True)
class Version:
    """What an image calls itself."""

    number: str
    commit: str
    epoch: int

    def release(self, arch: Arch) -> str:
        """``/usr/lib/everpx/release``: one line of JSON."""
        facts = {"version": self.number, "model": f"everpx-{arch.debian}", "commit": self.commit, "built": self.epoch}
        return json.dumps(facts) + "\n"


def of_checkout(app: Path = APP) -> Version:
    """The version in ``pyproject.toml``, of the moment of its commit (or ``SOURCE_DATE_EPOCH``)."""
    number = tomllib.loads((app / "pyproject.toml").read_text())["project"]["version"]
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    try:
        said = run(["git", "-c", f"safe.directory={app}", "-C", app, "log", "-1", "--format=%H %ct"])
        commit, committed = said.split()
    except BuildFailed:
        commit, committed = "", ""
    if not (given or committed):
        raise BuildFailed(
            "This is not a git checkout, so the build has no date. Set SOURCE_DATE_EPOCH=seconds since 1970."
        )
    return Version(number, commit, int(given or committed))
