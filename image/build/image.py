"""All steps of a build, in order."""

import json
import os
import shutil
from pathlib import Path

from image.build import base, disk, initramfs, sbom, slots, tools, tree, version, wheels
from image.build.arch import ARCHES, Arch
from image.build.archive import MIRROR, SECURITY, Archive, sources
from image.build.contents import APP, key, loose, packages
from image.build.emulation import emulated
from image.build.kernel import Kernel
from image.build.layout import Sizes, divided
from image.build.programs import BuildFailed, run
from image.build.progress import Progress
from image.build.slots import Moment

ROOM_WANTED = 8 * 10**9


def build(arch: Arch, cache: Path, out: Path) -> None:
    """Everything into ``out``: slot images, the disk without data, the list of contents, and a record of it all."""
    _check(cache)
    progress, log = Progress(), cache / f"build-{arch.debian}.log"
    log.write_text("")
    made = version.of_checkout()
    moment = Moment(made.epoch)
    lines = sources(os.environ.get("MIRROR", MIRROR), os.environ.get("SECURITY", SECURITY))
    here = ARCHES[run(["dpkg", "--print-architecture"]).strip()]
    archive = Archive(cache / f"archive-{arch.debian}", arch.debian, lines)
    with progress.step("Debian's lists of packages"):
        archive.update()
        native = Archive(cache / f"archive-{here.debian}", here.debian, lines)
        native.update()
    with progress.step("programs of the build"):
        helpers = tools.prepared(cache, native, log)
    with emulated(arch):
        with progress.step("Debian, set up with the station's packages"):
            borrowed = None if arch == here else base.Native(helpers.tree, f"{here.machine}-linux-gnu")
            ground, exact = base.prepared(cache, archive, packages(), borrowed, log)
        with progress.step("kernel and loaders"):
            loose_packages, versions = _unpacked(arch, archive, cache)
        with progress.step("Python packages"):
            site = wheels.installed(cache, arch, APP / "requirements.lock", log)
        kernel, place = Kernel(loose_packages), cache / f"tree-{arch.debian}"
        with progress.step("the station's files"):
            tree.planted(place, tree.Ingredients(ground, kernel, site, made.release(arch)), helpers)
        with progress.step("first disk"):
            first_disk = initramfs.packed(place, kernel, arch)
    work = cache / f"slots-{arch.debian}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    with progress.step("root slot and its hashes"):
        verity = slots.root_slot(place, work / "root.img", key(made.release(arch)) * 4, moment, helpers)
    firmware = loose_packages if arch.raspberry else None
    with progress.step("boot slot and selector"):
        boot = slots.boot_slot_files(arch, kernel, verity, first_disk, firmware)
        slots.fat(work / "boot.img", boot, Sizes().boot, "EVERPXBOOT", moment, helpers)
        config = (APP / "image/boot/selector.grub").read_bytes()
        first = slots.selector_files(arch, loose_packages, config, firmware)
        slots.fat(work / "selector.img", first, Sizes().selector, "EVERPX", moment, helpers)
    with progress.step("disk"):
        images = {1: work / "selector.img", 2: work / "boot.img", 5: work / "root.img"}
        disk.assembled(work / "disk.img", arch, images, helpers)
        disk.packed(work / "disk.img", divided(arch)[7].start, work / "disk.img.gz")
    entries = [*sbom.of_debian([*exact, *versions], arch.debian), *sbom.of_python(site / "site-packages")]
    (work / "sbom.spdx.json").write_text(sbom.document(f"everpx-{arch.debian}", made.number, entries, made.epoch))
    (work / "build.json").write_text(json.dumps({
        "arch": arch.debian, **json.loads(made.release(arch)), "verity": verity.word(),
        "sha256": {path.name: run(["sha256sum", path]).split()[0] for path in sorted(work.glob("*.img"))},
        "packages": [*exact, *versions],
    }, indent=1))  # fmt: skip
    _deliver(work, out)
    print(progress.table())
    print(f"Built: {out}")


def _unpacked(arch: Arch, archive: Archive, cache: Path) -> tuple[Path, list[str]]:
    """Kernel, loader and firmware as files in one folder, and their exact versions."""
    names = loose(arch, archive.kernel())
    exact = [f"{one.name}={one.version}" for one in map(archive.version, names)]
    place = cache / f"loose-{arch.debian}-{key(exact)}"
    if not place.exists():
        unfinished = place.with_name(f"unfinished-{place.name}")
        base.remove(unfinished)
        for name in names:
            archive.unpack(name, unfinished)
        unfinished.rename(place)
        base.forget_older(cache, f"loose-{arch.debian}-", place)
    return place, exact


def _check(cache: Path) -> None:
    """Refuse before anything is done what would fail after ten minutes."""
    if os.geteuid() != 0:
        raise BuildFailed("Building an image needs root.")
    free, wanted = shutil.disk_usage(cache).free / 1e9, ROOM_WANTED / 1e9
    if free < wanted:
        raise BuildFailed(
            f"{cache} has {free:.1f} GB of room, a build needs {wanted:.0f}. CACHE=DIR names another folder."
        )


def _deliver(work: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(work.iterdir()):
        run(["cp", "--sparse=always", "--reflink=auto", path, out / path.name])
