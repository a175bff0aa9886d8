"""All steps of a build, in order."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from image.build import (
    base,
    bundle,
    disk,
    films,
    icu,
    initramfs,
    sbom,
    slots,
    tools,
    tree,
    tryboot,
    upgrades,
    version,
    wheels,
)
from image.build.arch import ARCHES, Arch
from image.build.archive import MIRROR, SECURITY, Archive, sources, sources_of
from image.build.boot_files import Verity
from image.build.compilers import Compilers
from image.build.contents import APP, key, loose, packages
from image.build.emulation import emulated
from image.build.kernel import Kernel
from image.build.keys import Keys
from image.build.layout import Sizes, divided
from image.build.programs import BuildFailed, run
from image.build.progress import Progress
from image.build.slots import Moment
from image.build.tools import Tools
from image.build.version import Version

ROOM_WANTED = 8 * 10**9


def build(arch: Arch, cache: Path, out: Path, keys: Keys) -> None:
    """All into ``out``: slot images, the disk without data, a bundle, the list of contents, and a record of it all."""
    _check(cache)
    progress, log = Progress(), cache / f"build-{arch.debian}.log"
    log.write_text("")
    made = version.of_checkout()
    lines = sources(os.environ.get("MIRROR", MIRROR), os.environ.get("SECURITY", SECURITY))
    here = ARCHES[run(["dpkg", "--print-architecture"]).strip()]
    archive = Archive(cache / f"archive-{arch.debian}", arch.debian, lines)
    with progress.step("Debian's lists of packages"):
        archive.update()
        native = Archive(cache / f"archive-{here.debian}", here.debian, lines)
        native.update()
        source = Archive(cache / "archive-source", here.debian, sources_of(lines))
        source.update()
    with progress.step("programs of the build"):
        helpers = tools.prepared(cache, native, log)
        compilers = Compilers(cache, native, log)
    with emulated(arch):
        with progress.step("Debian, set up with the station's packages"):
            borrowed = None if arch == here else base.Native(helpers.tree, f"{here.machine}-linux-gnu")
            ground, exact = base.prepared(cache, archive, packages(), borrowed, log)
        with progress.step("kernel and loaders"):
            loose_packages, versions = _unpacked(arch, archive, cache)
        with progress.step("Python packages"):
            site = wheels.installed(cache, arch, APP / "requirements.lock", compilers, log)
        kernel, place, driver = Kernel(loose_packages), cache / f"tree-{arch.debian}", None
        if arch.raspberry:
            with progress.step("a driver of our own"):
                driver = tryboot.compiled(arch, kernel, archive, native, compilers)
                tryboot.fits(driver, kernel, helpers)
        with progress.step("what reads films, and a small ICU"):
            reads_films = films.compiled(arch, archive, source, compilers)
            small_icu = icu.compiled(arch, ground, compilers)
        with progress.step("the station's files"):
            given = tree.Ingredients(ground, kernel, driver, site, reads_films.folder, small_icu, made, arch, keys)
            tree.planted(place, given, helpers)
        with progress.step("first disk"):
            first_disk = initramfs.packed(place, kernel, arch)
    work = cache / f"slots-{arch.debian}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    verity = packed(work, arch, made, Unpacked(place, loose_packages, first_disk), helpers, progress)
    with progress.step("bundle"):
        _bundle(work, upgrades.model(arch), made.number, keys, helpers)
    entries = [*sbom.of_debian([*exact, *versions], arch.debian), *sbom.of_python(site / "site-packages")]
    entries.append(sbom.of_source(films.SOURCE, reads_films.version, films.LICENCE))
    if driver is not None:
        entries.append(sbom.of_ours(tryboot.NAME, kernel.release, tryboot.LICENCE))
    (work / "sbom.spdx.json").write_text(sbom.document(f"everpx-{arch.debian}", made.number, entries, made.epoch))
    (work / "build.json").write_text(json.dumps({
        "arch": arch.debian, **json.loads(made.release(arch)), "verity": verity.word(),
        "sha256": {path.name: run(["sha256sum", path]).split()[0] for path in sorted(work.glob("*.img"))},
        "packages": [*exact, *versions],
    }, indent=1))  # fmt: skip
    _deliver(work, out)
    print(progress.table())
    print(f"Built: {out}")


@dataclass(frozen=True)
class Unpacked:
    """What slots are packed from: the root's files, the packages of kernel, loader and firmware, and the first disk."""

    tree: Path
    loose: Path
    first_disk: bytes


def packed(work: Path, arch: Arch, made: Version, given: Unpacked, helpers: Tools, progress: Progress) -> Verity:
    """Slot images and the disk made of them."""
    moment = Moment(made.epoch)
    with progress.step("root slot and its hashes"):
        verity = slots.root_slot(given.tree, work / "root.img", key(made.release(arch)) * 4, moment, helpers)
    firmware = given.loose if arch.raspberry else None
    with progress.step("boot slot and selector"):
        boot = slots.boot_slot_files(arch, Kernel(given.loose), verity, given.first_disk, firmware)
        slots.fat(work / "boot.img", boot, Sizes().boot, "EVERPXBOOT", moment, helpers)
        config = (APP / "image/boot/selector.grub").read_bytes()
        first = slots.selector_files(arch, given.loose, config, firmware)
        slots.fat(work / "selector.img", first, Sizes().selector, "EVERPX", moment, helpers)
    with progress.step("disk"):
        images = {1: work / "selector.img", 2: work / "boot.img", 5: work / "root.img"}
        disk.assembled(work / "disk.img", arch, images, helpers)
        disk.packed(work / "disk.img", divided(arch)[7].start, work / "disk.img.gz")
        disk.light_enough(work / "disk.img.gz")
    return verity


def _bundle(work: Path, model: str, version: str, keys: Keys, helpers: Tools) -> None:
    if not keys.can_sign:
        print("The bundle is signed where the release key lies: python -m image.release bundle", flush=True)
        return
    if keys.development:
        print(f"Signed with this machine's own keys ({keys.folder}): no station but those built here believes it.")
    bundle.made(work, model, version, keys.folder, work, helpers.run)


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
