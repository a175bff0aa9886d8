"""Programs of Debian 13, which the image runs, on whatever Debian tests run on: fetched once, kept, never installed.

Debian 12's RAUC does not tell the hash of a manifest, so it cannot stand in for the one that stations have.
"""

import fcntl
import os
import platform
import subprocess
from pathlib import Path

from image.build.archive import MIRROR, SECURITY, Archive, sources

KEPT = Path("/var/tmp/everpx-test-programs")
LOADERS = {"x86_64": ("amd64", "lib64/ld-linux-x86-64.so.2"), "aarch64": ("arm64", "lib/ld-linux-aarch64.so.1")}


def programs(*names: str, package: str, machine: str = "") -> Path:
    """A folder with these programs of a package, and whatever else it needs; each runs with its own libraries.

    Those of another ``machine`` need one that can run them (``image.build.emulation``).
    """
    arch, loader = LOADERS[machine or platform.machine()]
    place = KEPT / f"{package}-{arch}"
    KEPT.mkdir(exist_ok=True)
    with (KEPT / f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "done").exists():
            _fetch(place, arch, package)
            (place / "done").touch()
        for name in names:
            _wrap(place, loader, name)
    return place / "bin"


def _fetch(place: Path, arch: str, package: str) -> None:
    archive = Archive(place, arch, sources(os.environ.get("MIRROR", MIRROR), os.environ.get("SECURITY", SECURITY)))
    archive.update()
    tree = place / "tree"
    tree.mkdir(exist_ok=True)
    for one in archive.fetch([found.name for found in archive.resolve([package])]):
        subprocess.run(["dpkg-deb", "--extract", one, tree], check=True, timeout=60)
        one.unlink()


def _wrap(place: Path, loader: str, name: str) -> None:
    tree, script = place / "tree", place / "bin" / name
    common = next((tree / "usr/lib").glob("*-linux-gnu"))
    own = sorted({path.parent for path in common.glob("*/lib*.so*")} - {common})  # set-up would have made links to them
    libraries = ":".join(map(str, (common, *own)))
    script.parent.mkdir(exist_ok=True)
    script.write_text(
        f'#!/bin/sh\nexec {tree / "usr" / loader} --library-path {libraries} {tree / "usr/bin" / name} "$@"\n'
    )
    script.chmod(0o755)
