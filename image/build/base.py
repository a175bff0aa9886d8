"""A configured Debian in a folder, kept between builds and made anew when the packages or their versions change.

Most of what makes an emulated set-up slow is left out and done natively afterwards (``tree.py``): the hardware
database, byte code of Python, drivers' index and first disk.  The kernel is never installed, only unpacked.  And what
packages run while they are set up (shell, tar, xz, perl, …) is this machine's own for so long, from the build's tools:
the two processors' libraries have folders of their own, so they do not meet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from image.build.archive import PYTHON, SUITE, Archive
from image.build.contents import as_lines, key
from image.build.programs import run

#: what it mounts and what it starts are gone with it, however it ends
CONTAINED = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--")
ESSENTIAL = ("?essential",)
#: replaced by nothing while packages are set up; what is wanted of it is done natively afterwards
LATER = ("/usr/bin/systemd-hwdb", "/usr/bin/py3compile", f"/usr/bin/python{PYTHON}", "/usr/bin/update-mime-database")
NOT_KEPT = ("man", "info", "doc", "locale", "lintian", "bug")

#: programs of the essential packages that do the same on whatever processor they run
NATIVE = (
    "dash bash dpkg-deb dpkg-split tar xz gzip zstd sed grep mawk find xargs cp mv rm ln ls cat mkdir rmdir mknod"
    " chmod chown chgrp touch stat readlink realpath dirname basename head tail tr cut uniq wc tee env mktemp sync"
    " sha256sum md5sum test true false install id date expr sort perl sleep echo seq"
)

# debconf would unpack every package once more, emulated, to ask questions that nobody answers
AFTER_ESSENTIAL = r"""set -e
rm -f "$1/etc/apt/apt.conf.d/70debconf"
for file in LATER; do
    chroot "$1" dpkg-divert --local --quiet --rename --add "$file"
    ln -s /bin/true "$1$file"
done
"""
AT_THE_END = r"""set -e
for file in LATER; do
    rm -f "$1$file"
    chroot "$1" dpkg-divert --local --quiet --rename --remove "$file"
done
"""


NATIVE_ON = r"""set -e
mkdir -p "$1/usr/lib/TRIPLET" "$1/usr/lib64"
[ -e "$1/lib64" ] || ln -s usr/lib64 "$1/lib64"
mount --bind "TOOLS/usr/lib/TRIPLET" "$1/usr/lib/TRIPLET"
mount --bind "TOOLS/usr/lib64" "$1/usr/lib64"
for name in NATIVE; do
    file=$1/usr/bin/$name
    [ ! -f "$file" ] || [ -L "$file" ] || mount --bind "$(readlink -f "TOOLS/usr/bin/$name")" "$file"
done
"""
NATIVE_OFF = r"""set -e
for name in NATIVE; do
    ! mountpoint -q "$1/usr/bin/$name" || umount "$1/usr/bin/$name"
done
umount "$1/usr/lib64" "$1/usr/lib/TRIPLET"
rm -f "$1/lib64"
rmdir "$1/usr/lib64" "$1/usr/lib/TRIPLET"
"""


@dataclass(frozen=True)
class Native:
    """Programs of this machine's processor that may be borrowed, and the name of their libraries' folder."""

    tools: Path
    triplet: str

    def script(self, text: str) -> str:
        """A hook with its names filled in."""
        words = text.replace("TOOLS", str(self.tools)).replace("TRIPLET", self.triplet)
        return words.replace("NATIVE", NATIVE)


def prepared(
    cache: Path, archive: Archive, names: Sequence[str], native: Native | None, log: Path
) -> tuple[Path, list[str]]:
    """The folder and its exact packages (``name=version``), set up now if it is not there yet."""
    wanted = as_lines(archive.resolve([*ESSENTIAL, *names]))
    tree = cache / f"base-{archive.arch}-{key(wanted, recipe(Path(), archive, names, None))}"
    if not tree.exists():
        set_up(tree, archive, names, log, native)
        forget_older(cache, f"base-{archive.arch}-", tree)
    return tree, wanted


def set_up(tree: Path, archive: Archive, names: Sequence[str], log: Path, native: Native | None = None) -> None:
    """A Debian with these packages; whole or not at all.  What it mounts is gone with it, however it ends."""
    unfinished = tree.with_name(f"unfinished-{tree.name}")
    remove(unfinished)
    env = {"SOURCE_DATE_EPOCH": "0", "TMPDIR": str(tree.parent)}
    try:
        run([*CONTAINED, *recipe(unfinished, archive, names, native)], env=env, log=log)
    except BaseException:
        remove(unfinished)
        raise
    unfinished.rename(tree)


def recipe(tree: Path, archive: Archive, names: Sequence[str], native: Native | None) -> list[str]:
    """The words for mmdebstrap."""
    left_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in NOT_KEPT]
    later = " ".join(LATER)
    borrow = [f"--essential-hook={native.script(NATIVE_ON)}"] if native else []
    give_back = [f"--customize-hook={native.script(NATIVE_OFF)}"] if native else []
    return [
        *("mmdebstrap", f"--architectures={archive.arch}", "--mode=root", "--variant=essential", "--format=directory"),
        *(*left_out, "--dpkgopt=path-include=/usr/share/doc/*/copyright", "--dpkgopt=force-unsafe-io"),
        *("--aptopt=Acquire::Languages none", "--aptopt=Acquire::Retries 3"),
        *(*borrow, f"--essential-hook={AFTER_ESSENTIAL.replace('LATER', later)}"),
        f"--include={','.join(names)}",
        *(f"--customize-hook={AT_THE_END.replace('LATER', later)}", *give_back),
        *(SUITE, str(tree), *archive.lines),
    ]


def forget_older(cache: Path, start: str, kept: Path) -> None:
    """Remove what an earlier build set up from older packages."""
    for other in cache.glob(f"{start}*"):
        if other != kept:
            remove(other)


def remove(tree: Path) -> None:
    """A folder with everything in it, after what a broken-off set-up left mounted there was unmounted."""
    below = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for place in sorted((place for place in below if place.startswith(f"{tree}/")), reverse=True):
        run(["umount", place])
    run(["rm", "-rf", "--one-file-system", tree])
