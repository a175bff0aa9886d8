"""Programs of the build, taken from a Debian 13 in a folder: the same versions on every machine, so the same bytes.

A program sees that folder as its root and the build's own folder at its usual place.  Both are mounted in a namespace
of that one program, so nothing is left mounted when it ends, however it ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from image.build import base
from image.build.archive import Archive
from image.build.contents import APP, as_lines, key, listed
from image.build.programs import run

#: where a program sees a folder whose own name must not get into what it makes
HERE = Path("/mnt")
ENTER = """set -e
tree=$1 work=$2 here=$3
shift 3
mount --make-rprivate /
mkdir -p "$tree$work"
mount --rbind "$work" "$tree$work"
mount -t proc proc "$tree/proc"
mount --bind /dev "$tree/dev"
[ -z "$here" ] || mount --bind "$here" "$tree/mnt"
exec chroot "$tree" "$@"
"""


class Tools:
    """The folder with the programs; ``work`` is what they may see of this machine."""

    def __init__(self, tree: Path, work: Path, log: Path) -> None:
        self.tree, self.work, self.log = tree, work, log

    def run(
        self,
        argv: Sequence[str | PathLike[str]],
        *,
        env: dict[str, str] | None = None,
        stdin: str | None = None,
        here: Path | None = None,
    ) -> str:
        """Run one of its programs, which sees the folder ``here`` at ``HERE``.  Raises BuildFailed."""
        enter: list[str | PathLike[str]] = ["unshare", "--mount", "sh", "-c", ENTER, "enter", self.tree, self.work]
        return run([*enter, here or "", *argv], env=env, stdin=stdin, log=self.log)


@dataclass(frozen=True)
class Wished:
    """A folder with programs, as it would be set up now."""

    archive: Archive
    kind: str
    names: list[str]
    exact: list[str]

    def set_up(self, cache: Path, log: Path) -> Tools:
        """It, set up anew when Debian has newer ones."""
        tree = cache / f"{self.kind}s-{self.archive.arch}-{key(self.exact)}"
        if not tree.exists():
            base.set_up(tree, self.archive, self.names, log)
            base.forget_older(cache, f"{self.kind}s-{self.archive.arch}-", tree)
        return Tools(tree, cache, log)


def wished(archive: Archive, kind: str, more: Sequence[str] = ()) -> Wished:
    """What ``image/KIND-packages.txt`` lists, and ``more``, in the versions of now."""
    names = [*listed((APP / f"image/{kind}-packages.txt").read_text()), *more]
    return Wished(archive, kind, names, as_lines(archive.resolve([*base.ESSENTIAL, *names])))


def prepared(cache: Path, archive: Archive, log: Path) -> Tools:
    """The tools of every build."""
    return wished(archive, "tool").set_up(cache, log)
