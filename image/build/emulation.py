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
    if not (BINFMT / "register").exists():
        run(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT])
    rule = RULES / f"qemu-{arch.machine}.conf"
    known = BINFMT / f"qemu-{arch.machine}"
    if known.exists():
        yield
        return
    if not rule.exists():
        raise BuildFailed(f"Programs for {arch.debian} cannot run here: install qemu-user-static and try again.")
    (BINFMT / "register").write_text(rule.read_text().strip())
    try:
        yield
    finally:
        known.write_text("-1")
