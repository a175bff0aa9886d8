"""The files of the build before as another version, without building anything: what a test of upgrades upgrades to.

A test may change what is in the slots (``Changes``); without any it is the same system by another name.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from image.build import bundle, initramfs, slots, tree, upgrades
from image.build.arch import Arch
from image.build.boot_files import Verity
from image.build.contents import key
from image.build.emulation import emulated
from image.build.image import Unpacked
from image.build.kernel import Kernel
from image.build.keys import Keys
from image.build.layout import Sizes
from image.build.programs import BuildFailed, run
from image.build.slots import Moment
from image.build.tools import Tools
from image.build.version import Version, of_checkout


def _nothing(_: object) -> None:
    pass


@dataclass(frozen=True)
class Changes:
    """What is done to the root's files and to those of the boot slot before they are packed."""

    root: Callable[[Path], None] = _nothing
    boot: Callable[[dict[str, bytes]], None] = _nothing
    packing: str = "zstd,level=6"  # in half the time of a build's
    only_boot: bool = False  # the root stays as it was built, version and all; only the bundle has another number


def repacked(arch: Arch, cache: Path, out: Path, number: str, keys: Keys, changes: Changes | None = None) -> Path:
    """Slot images and a bundle of that version into ``out``; the bundle.  Raises BuildFailed without a build before."""
    done = changes or Changes()
    built = cache / f"slots-{arch.debian}"
    if not (built / "build.json").exists():
        raise BuildFailed("There is no build before. Run ./build-image.sh without --repack first.")
    made = replace(of_checkout(), number=number)
    helpers = Tools(_newest(cache, "tools-*"), cache, cache / f"repack-{arch.debian}.log")
    work = cache / f"repack-{arch.debian}"
    run(["rm", "-rf", "--one-file-system", work])
    work.mkdir()
    given = _unpacked(arch, cache, work, made, done)
    if done.only_boot:
        verity = Verity(*_verity(json.loads((built / "build.json").read_text())["verity"]))
        shutil.copy(built / "root.img", work / "root.img")
    else:
        salt, root = key(made.release(arch)) * 4, work / "root.img"
        verity = slots.root_slot(given.tree, root, salt, Moment(made.epoch), helpers, done.packing)
    files = slots.boot_slot_files(
        arch, Kernel(given.loose), verity, given.first_disk, given.loose if arch.raspberry else None
    )
    done.boot(files)
    slots.fat(work / "boot.img", files, Sizes().boot, "EVERPXBOOT", Moment(made.epoch), helpers)
    signed = bundle.made(work, upgrades.model(arch), number, keys.folder, work, helpers.run)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(signed, out / signed.name)
    run(["rm", "-rf", "--one-file-system", work])
    return out / signed.name


def _unpacked(arch: Arch, cache: Path, work: Path, made: Version, changes: Changes) -> Unpacked:
    files = cache / f"tree-{arch.debian}"
    if not changes.only_boot:
        run(["cp", "--archive", "--reflink=auto", files, work / "tree"])
        files = work / "tree"
        tree.named(files, arch, made)
        changes.root(files)
    loose = _newest(cache, f"loose-{arch.debian}-*")
    with emulated(arch):
        return Unpacked(files, loose, initramfs.packed(files, Kernel(loose), arch))


def _newest(cache: Path, pattern: str) -> Path:
    return max(cache.glob(pattern), key=lambda path: path.stat().st_mtime)


def _verity(word: str) -> tuple[int, str, str]:
    blocks, root_hash, salt = word.partition("=")[2].split(":")
    return int(blocks), root_hash, salt
