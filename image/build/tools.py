"""Programs of the build, taken from a Debian 13 in a folder: the same versions on every machine, so the same bytes.

A program sees that folder as its root and the build's own folder at its usual place.  Both are mounted in a namespace
of that one program, so nothing is left mounted when it ends, however it ends.
"""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from image.build import base
from image.build.archive import Archive
from image.build.contents import APP, as_lines, key, listed
from image.build.programs import run

ENTER = """set -e
tree=$1 work=$2
shift 2
mount --make-rprivate /
mkdir -p "$tree$work"
mount --rbind "$work" "$tree$work"
mount -t proc proc "$tree/proc"
mount --bind /dev "$tree/dev"
exec chroot "$tree" "$@"
"""


class Tools:
    """The folder with the programs; ``work`` is what they may see of this machine."""

    def __init__(self, tree: Path, work: Path, log: Path) -> None:
        self.tree, self.work, self.log = tree, work, log

    def run(
        self, argv: Sequence[str | PathLike[str]], *, env: dict[str, str] | None = None, stdin: str | None = None
    ) -> str:
        """Run one of its programs.  Raises BuildFailed."""
        enter: list[str | PathLike[str]] = ["unshare", "--mount", "sh", "-c", ENTER, "enter", self.tree, self.work]
        return run([*enter, *argv], env=env, stdin=stdin, log=self.log)


def prepared(cache: Path, archive: Archive, log: Path) -> Tools:
    """The tools, set up anew when Debian has newer ones."""
    wished = listed((APP / "image/tool-packages.txt").read_text())
    wanted = as_lines(archive.resolve([*base.ESSENTIAL, *wished]))
    tree = cache / f"tools-{archive.arch}-{key(wanted)}"
    if not tree.exists():
        base.set_up(tree, archive, wished, log)
        base.forget_older(cache, f"tools-{archive.arch}-", tree)
    return Tools(tree, cache, log)
