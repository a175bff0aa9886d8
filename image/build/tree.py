"""The root of an image: the configured base, the appliance in it, and what set-up left for later, done natively."""

import glob
import shutil
from dataclasses import dataclass
from pathlib import Path

from image.build.contents import APP
from image.build.kernel import Kernel, put_modules
from image.build.programs import run
from image.build.tools import Tools
from image.build.wheels import PYTHON

HOME = "opt/everpx"
CODE = ("appliance", "console", "plugins")
#: of the base, what nobody uses on a station: 3D drivers that ffmpeg's outputs to a screen bring along, what only
#: installing packages needs (nothing is ever installed into a slot), and traces of setting up
NOT_KEPT = (
    "usr/lib/*/dri", "usr/lib/*/libLLVM*", "usr/lib/*/libgallium*", "usr/lib/*/libz3.so*",
    "usr/share/mime", "usr/share/icons", "usr/share/fonts",
    "var/lib/dpkg/info", "var/lib/dpkg/*-old", "var/lib/dpkg/available", "var/lib/apt", "var/cache/*", "var/log/*",
    "var/lib/systemd/*", "etc/*-", "etc/machine-id", "etc/hostname", "etc/resolv.conf", "etc/apt", "etc/fstab",
    "etc/ssl/private/ssl-cert-snakeoil.key", "etc/ssh", "boot/*", "tmp/*", "run/*",
)  # fmt: skip
SPOKEN = {"root", "en", "zh"}  # how the console's languages write dates and numbers
OPEN = "u=rwX,go=rX"  # whatever this checkout's files may have
MADE = ("boot/selector", "data", "var/log", "var/cache", "var/lib/systemd", "var/lib/everpx")
PYTHON_FOLDERS = (f"usr/lib/python{PYTHON}", "usr/lib/python3/dist-packages", HOME)


@dataclass(frozen=True)
class Ingredients:
    """What a tree is made of."""

    base: Path
    kernel: Kernel
    wheels: Path
    release: str  # what /usr/lib/everpx/release says


def planted(tree: Path, given: Ingredients, tools: Tools) -> None:
    """The whole tree, made anew."""
    run(["rm", "-rf", "--one-file-system", tree])
    run(["cp", "--archive", "--reflink=auto", given.base, tree])
    for pattern in NOT_KEPT:
        # glob.glob: pathlib does not find links to nowhere
        for name in sorted(glob.glob(pattern, root_dir=tree, include_hidden=True)):  # noqa: PTH207
            _remove(tree / name)
    for name in MADE:
        (tree / name).mkdir(parents=True, exist_ok=True)
    put_modules(given.kernel, tree, tools)
    _appliance(tree, given.wheels)
    ours = tree.with_name(f"{tree.name}-ours")
    run(["rm", "-rf", ours])
    run(["cp", "-rP", APP / "rootfs", ours])
    run(["chmod", "-R", OPEN, ours])
    run(["cp", "--archive", "--remove-destination", f"{ours}/.", tree])
    (tree / "usr/lib/everpx/release").write_text(given.release)
    _settle(tree, tools)


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
    tools.run(["systemd-hwdb", "--usr", f"--root={tree}", "update"])
    _remove(tree / "usr/lib/udev/hwdb.d")  # is in what was just made
    tools.run(["systemctl", f"--root={tree}", "preset-all"])
    tools.run(["systemctl", f"--root={tree}", "set-default", "multi-user.target"])
    folders = [tree / name for name in PYTHON_FOLDERS]
    compiling = ["python3", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash"]
    tools.run([*compiling, "-s", tree, "-p", "/", *folders], env={"PYTHONHASHSEED": "0"})
    (tree / "etc/machine-id").write_text("")
    # each start lays an empty layer over /etc and /var; without these stamps systemd would settle all of it every time
    for name in ("etc/.updated", "var/.updated"):
        (tree / name).write_text("# Made with the image.\nTIMESTAMP_NSEC=4102444800000000000\n")


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink()
