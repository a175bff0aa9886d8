"""The locked Python packages, built for the image's processor and Debian 13's Python.

pip chooses wheels for a machine that it does not run on; every file is checked against the lock's hash.  What has no
wheel is plain Python: it is built here and works anywhere.  A locked package with compiled parts and no wheel for the
processor stops the build in words.
"""

import shutil
import sys
from pathlib import Path

from image.build.arch import Arch
from image.build.archive import PYTHON
from image.build.compilers import Compilers
from image.build.contents import key
from image.build.programs import BuildFailed, run

#: what a debugger would want to know is a third of the compiled parts
STRIPPED = "--strip-unneeded"
SOURCE_ONLY = ("wsgidav",)
NEWEST_GLIBC = 41  # Debian 13's 2.41; wheels for older ones run as well
GLIBC = [17, *range(24, NEWEST_GLIBC + 1)]


def platforms(arch: Arch) -> list[str]:
    """What wheels for this processor call themselves."""
    return [f"manylinux2014_{arch.machine}", *(f"manylinux_2_{minor}_{arch.machine}" for minor in GLIBC)]


def requirements(lock: str) -> dict[str, str]:
    """The lines of each locked package, by name, without those for other systems."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in lock.splitlines():
        if line and not line.startswith((" ", "#")):
            name = line.partition("==")[0]
        if name:
            found.setdefault(name, []).append(line)
    return {name: "\n".join(lines) for name, lines in found.items() if "sys_platform == 'win32'" not in lines[0]}


def installed(cache: Path, arch: Arch, lock: Path, compilers: Compilers, log: Path) -> Path:
    """A folder with every locked package, as ``site-packages`` wants it; kept while the lock is the same."""
    text = lock.read_text()
    place = cache / f"wheels-{arch.debian}-{key(text, PYTHON, SOURCE_ONLY, STRIPPED)}"
    if place.exists():
        return place
    unfinished = place.with_name(f"unfinished-{place.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    wanted = requirements(text)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    try:
        built = _built_here(unfinished / "built", {name: wanted.pop(name) for name in SOURCE_ONLY}, pip, log)
        chosen = unfinished / "requirements.txt"
        chosen.write_text("\n".join(wanted.values()) + "\n")
        target = ["install", "--no-compile", "--no-deps", "--target", str(unfinished / "site-packages")]
        kind = ["--implementation", "cp", "--python-version", PYTHON, "--only-binary", ":all:"]
        kind += [word for one in platforms(arch) for word in ("--platform", one)]
        kind += [word for one in ("cp313", "abi3", "none") for word in ("--abi", one)]
        run([*pip, *target, *kind, "--require-hashes", "-r", str(chosen)], log=log)
        run([*pip, *target, *built], log=log)
        strip = f"{arch.machine}-linux-gnu-strip {STRIPPED}"
        compilers.at(unfinished).run("find", "site-packages", "-name", "*.so*", "-exec", *strip.split(), "{}", "+")
    except BuildFailed as failed:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise BuildFailed(f"Not every locked Python package is to be had for {arch.debian}.\n{failed}") from None
    shutil.rmtree(unfinished / "site-packages/bin", ignore_errors=True)  # they name this machine's Python
    unfinished.rename(place)
    return place


def _built_here(folder: Path, sources: dict[str, str], pip: list[str], log: Path) -> list[str]:
    folder.mkdir(parents=True)
    lines = folder / "sources.txt"
    lines.write_text("\n".join(sources.values()) + "\n")
    words = ["wheel", "--no-deps", "--no-binary", ",".join(sources), "--require-hashes", "-r", str(lines)]
    run([*pip, *words, "--wheel-dir", str(folder)], log=log)
    built = sorted(folder.glob("*.whl"))
    for wheel in built:
        if not wheel.name.endswith("-none-any.whl"):
            raise BuildFailed(
                f"{wheel.name} is for this machine only: its package needs a wheel for the image's processor."
            )
    return [str(wheel) for wheel in built]
