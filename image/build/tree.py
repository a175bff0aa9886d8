"""The root of an image: the configured base, the appliance in it, and what set-up left for later, done natively."""

import glob
import shutil
from dataclasses import dataclass
from pathlib import Path

from image.build import icu, upgrades
from image.build.arch import Arch
from image.build.archive import PYTHON
from image.build.contents import APP, listed
from image.build.kernel import Kernel, put_modules
from image.build.keys import Keys
from image.build.programs import run
from image.build.tools import HERE, Tools
from image.build.version import Version

HOME = "opt/everpx"
CODE = ("appliance", "console", "plugins")
LEFT_OUT = APP / "image/left-out.txt"
BARE_LIBRARIES = APP / "image/build/bare_libraries.py"
#: what names on old cards, in archives and on old computers are written in
CHARACTER_SETS = "UTF-7 UTF-16 UTF-32 UNICODE IBM437 IBM850 IBM852 IBM866 ISO8859-1 ISO8859-15 CP1252 GBK GB18030 BIG5"
SPOKEN = {"root", "en", "zh"}  # how the console's languages write dates and numbers
OPEN = "u=rwX,go=rX"  # whatever this checkout's files may have
MADE = ("boot/selector", "data", "var/log", "var/cache", "var/lib/systemd", "var/lib/everpx")
PYTHON_FOLDERS = (f"usr/lib/python{PYTHON}", "usr/lib/python3/dist-packages", HOME)


@dataclass(frozen=True)
class Ingredients:
    """What a tree is made of."""

    base: Path
    kernel: Kernel
    driver: Path | None  # our own, where the board has a use for it
    wheels: Path
    films: Path  # programs that read them
    icu: Path
    version: Version
    arch: Arch
    keys: Keys


def planted(tree: Path, given: Ingredients, tools: Tools) -> None:
    """The whole tree, made anew."""
    run(["rm", "-rf", "--one-file-system", tree])
    run(["cp", "--archive", "--reflink=auto", given.base, tree])
    run(["cp", "--archive", "--remove-destination", f"{given.films}/.", tree])
    data = icu.library(tree)
    data.unlink()  # it may be the base's as well
    shutil.copy(given.icu, data)
    put_modules(given.kernel, given.driver, tree, tools)
    _appliance(tree, given.wheels)
    _leave_out(tree)
    for name in MADE:
        (tree / name).mkdir(parents=True, exist_ok=True)
    ours = tree.with_name(f"{tree.name}-ours")
    run(["rm", "-rf", ours])
    run(["cp", "-rP", APP / "rootfs", ours])
    run(["chmod", "-R", OPEN, ours])
    run(["cp", "--archive", "--remove-destination", f"{ours}/.", tree])
    named(tree, given.arch, given.version)
    (tree / upgrades.AUTHORITY).write_bytes(given.keys.authority)
    (tree / upgrades.KEY_LIST).write_bytes(given.keys.listed)
    _settle(tree, tools)


def named(tree: Path, arch: Arch, version: Version) -> None:
    """Say in a tree which version it is."""
    for name, text in (("usr/lib/everpx/release", version.release(arch)),
                       (upgrades.RAUC_SETTINGS, upgrades.rauc_settings(arch, version))):  # fmt: skip
        place = tree / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)  # it may be another tree's as well
        place.write_text(text)


def _leave_out(tree: Path) -> None:
    for pattern in listed(LEFT_OUT.read_text()):
        # glob.glob: pathlib does not find links to nowhere
        for name in sorted(glob.glob(pattern, root_dir=tree, include_hidden=True)):  # noqa: PTH207
            _remove(tree / name)
    kept = {f"{name}.so" for name in CHARACTER_SETS.split()} | {"gconv-modules", "gconv-modules.d"}
    for place in tree.glob("usr/lib/*/gconv/*"):
        if place.name not in kept:
            _remove(place)


def _appliance(tree: Path, wheels: Path) -> None:
    """An environment as ``python -m venv`` makes one, with the appliance as a package in it."""
    home = tree / HOME
    site = home / f"lib/python{PYTHON}/site-packages"
    site.parent.mkdir(parents=True)
    shutil.copytree(wheels / "site-packages", site)
    for name in CODE:
        shutil.copytree(APP / name, site / name, ignore=shutil.ignore_patterns("__pycache__", "*.po"))
    for spoken in (site / "babel/locale-data").glob("*.dat"):
        if spoken.stem.partition("_")[0] not in SPOKEN:
            spoken.unlink()
    run(["chmod", "-R", OPEN, home])
    (home / "bin").mkdir()
    (home / "bin/python").symlink_to("/usr/bin/python3")
    (home / "pyvenv.cfg").write_text(f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {PYTHON}\n")
    command = tree / "usr/bin/everpx"
    command.write_text(f'#!/bin/sh\nexec /{HOME}/bin/python -c "from appliance.cli import main; main()" "$@"\n')
    command.chmod(0o755)


def _settle(tree: Path, tools: Tools) -> None:
    """What packages would have done when they were set up, with this machine's processor."""
    tools.run(["systemd-sysusers", f"--root={tree}"])
    # it notes where it read, so it sees the tree at the same place in every build
    tools.run(["systemd-hwdb", "--usr", f"--root={HERE}", "update"], here=tree)
    _remove(tree / "usr/lib/udev/hwdb.d")  # is in what was just made
    tools.run(["systemctl", f"--root={tree}", "preset-all"])
    tools.run(["systemctl", f"--root={tree}", "set-default", "multi-user.target"])
    folders = [tree / name for name in PYTHON_FOLDERS]
    # what a Python keeps in memory gets into what it compiles: this one never reads byte code of its own
    tools.run(["sh", "-c", "find /usr/lib/python3* -name __pycache__ -exec rm -rf {} +"])
    compiling = ["python3", "-B", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash"]
    tools.run([*compiling, "-s", tree, "-p", "/", *folders], env={"PYTHONHASHSEED": "0"})
    site = tree / HOME / f"lib/python{PYTHON}/site-packages"
    env = {"PYTHONHASHSEED": "0", "PYTHONPATH": str(site)}
    tools.run(["python3", "-B", "-", folders[0], site], env=env, stdin=BARE_LIBRARIES.read_text())
    (tree / "etc/machine-id").write_text("")
    # each start lays an empty layer over /etc and /var; without these stamps systemd would settle all of it every time
    for name in ("etc/.updated", "var/.updated"):
        (tree / name).write_text("# Made with the image.\nTIMESTAMP_NSEC=4102444800000000000\n")


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink()
