"""ICU's library of data without data (``image/icu``), in the place of Debian's 32 MB.

A package that begins to use ICU would need the real one, so the build stops when anything but Samba is linked with it.
"""

import re
from pathlib import Path

from image.build.arch import Arch
from image.build.compilers import Bench, Compilers
from image.build.contents import APP
from image.build.programs import BuildFailed, run

SOURCE = APP / "image/icu/libicudata.c"
NAME = "libicudata.so"
MAY_ASK = "libsamba-util.so"
_ASKS = re.compile(rb"libicu(uc|i18n)\.so\.\d+\0")


def library(tree: Path) -> Path:
    """Debian's, in a tree."""
    return next(path for path in tree.glob(f"usr/lib/*/{NAME}.*.*") if not path.is_symlink())


def compiled(arch: Arch, tree: Path, compilers: Compilers) -> Path:
    """The file that goes where Debian's is in ``tree``, under the same name.  Raises BuildFailed where it is needed."""
    asking = [path.name for path in who_asks(tree) if not path.name.startswith(("libicu", MAY_ASK))]
    if asking:
        raise BuildFailed(f"{', '.join(asking)} uses ICU, whose data image/build/icu.py leaves out.")
    place = library(tree)
    version = place.name.removeprefix(f"{NAME}.").partition(".")[0]

    def work(bench: Bench) -> None:
        (bench.folder / SOURCE.name).write_bytes(SOURCE.read_bytes())
        bench.run(
            *(f"{arch.machine}-linux-gnu-gcc", "-shared", "-fPIC", "-nostdlib", "-s", "-Wl,--build-id=none"),
            *(f"-Wl,-soname,{NAME}.{version}", f"-DNAME=icudt{version}_dat", "-o", place.name, SOURCE.name),
        )

    return compilers.made(f"icu-{arch.debian}", [SOURCE.read_text(), place.name], work) / place.name


def who_asks(tree: Path) -> list[Path]:
    """Programs and libraries that are linked with ICU."""
    files = [path for name in ("usr/bin", "usr/sbin", "usr/lib", "usr/libexec", "opt") for path in _files(tree / name)]
    return sorted(path for path in files if _ASKS.search(path.read_bytes()))


def _files(folder: Path) -> list[Path]:
    return [Path(line) for line in run(["find", folder, "-type", "f", "-size", "+2k"]).splitlines() if _linked(line)]


def _linked(name: str) -> bool:
    with Path(name).open("rb") as file:
        return file.read(4) == b"\x7fELF"
