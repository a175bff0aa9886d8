"""Running another processor's programs on this machine, which setting up its packages needs.

The kernel is told which program to hand them to (binfmt_misc).  What this build told it, it takes back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from image.build.arch import Arch
from image.build.programs import BuildFailed, run

BINFMT = Path("/proc/sys/fs/binfmt_misc")
RULES = Path("/usr/lib/binfmt.d")


@contextmanager
def emulated(arch: Arch) -> Iterator[None]:
    """Within, programs for that processor run here.  Raises BuildFailed where they cannot."""
    if run(["uname", "-m"]).strip() == arch.machine:
        yield
        return
    known = BINFMT / f"qemu-{arch.machine}"
    with _in_words(arch):
        if not (BINFMT / "register").exists():
            run(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT])
        told = not known.exists()
        if told:
            (BINFMT / "register").write_text((RULES / f"{known.name}.conf").read_text().strip())
    try:
        yield
    finally:
        if told:
            known.write_text("-1")


@contextmanager
def _in_words(arch: Arch) -> Iterator[None]:
    try:
        yield
    except (BuildFailed, OSError) as failed:
        raise BuildFailed(
            f"Programs for {arch.debian} cannot run on this machine: its kernel has to hand them to qemu-user-static "
            f"(binfmt_misc), which a container may not ask for unless it is a privileged one.\n{failed}"
        ) from None
