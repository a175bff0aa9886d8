"""Slot images: the root (erofs with its hash tree behind it) and the small FAT that starts it.

Both are the same for every station and the same bytes for the same inputs, so an upgrade is exactly what was built.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from appliance.upgrade import loaders
from image.build import boot_files
from image.build.arch import Arch
from image.build.boot_files import Verity
from image.build.kernel import Kernel
from image.build.layout import MIB, rounded
from image.build.tools import Tools

BLOCK = 4096
PACKED = "-Efragments,dedupe,ztailpacking"  # ends of files share blocks, as does what is there twice: 14 % smaller
SMALLEST = "zstd,level=12"  # 2 % smaller than level 6, for twice the time
ROOT_UUID = "65766572-7078-4000-8000-726f6f740000"
VERITY_UUID = "65766572-7078-4000-8000-766572697479"
PI_FIRMWARE = "usr/lib/raspi-firmware"
#: for a Pi 3 and a Pi 4, and nothing for cameras, debugging and 16 MB of graphics; a Pi 5 has its own built in
PI_PROGRAMS = ("bootcode.bin", "start.elf", "fixup.dat", "start4.elf", "fixup4.dat")
BOARDS = ("bcm2710*.dtb", "bcm2711*.dtb", "bcm2712*.dtb", "bcm2837*.dtb")


@dataclass(frozen=True)
class Moment:
    """The one time that everything in an image carries."""

    epoch: int

    @property
    def env(self) -> dict[str, str]:
        """For programs that ask what time it is."""
        return {"SOURCE_DATE_EPOCH": str(self.epoch), "TZ": "UTC"}


def root_slot(tree: Path, image: Path, salt: str, moment: Moment, tools: Tools, packing: str = SMALLEST) -> Verity:
    """Pack a tree, and put behind it what proves each of its blocks."""
    image.unlink(missing_ok=True)
    # With SOURCE_DATE_EPOCH it would keep the times of older files, which are those of a checkout.
    words = ["env", "--unset=SOURCE_DATE_EPOCH", "mkfs.erofs", "--quiet", f"-z{packing}", "-C65536", "-x-1", PACKED]
    tools.run([*words, f"-T{moment.epoch}", f"-U{ROOT_UUID}", image, tree])
    size = rounded(image.stat().st_size, BLOCK)
    os.truncate(image, size)
    said = tools.run([
        "veritysetup", "format", image, image, f"--hash-offset={size}", f"--salt={salt}", f"--uuid={VERITY_UUID}",
        f"--data-blocks={size // BLOCK}",
    ])  # fmt: skip
    found = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
    return Verity(size // BLOCK, found["Root hash"].strip(), salt)


def boot_slot_files(
    arch: Arch, kernel: Kernel, verity: Verity, first_disk: bytes, firmware: Path | None
) -> dict[str, bytes]:
    """Everything on a boot slot, by its name there."""
    files = {
        "vmlinuz": kernel.program.read_bytes(),
        "initramfs.img": first_disk,
        "everpx/slot.cfg": boot_files.slot_grub(arch, verity).encode(),
    }
    if firmware is not None:
        start = [firmware / PI_FIRMWARE / name for name in PI_PROGRAMS]
        trees = [path for pattern in BOARDS for path in (kernel.device_trees / "broadcom").glob(pattern)]
        files |= {path.name: path.read_bytes() for path in [*start, *trees]}
        files["config.txt"] = boot_files.pi_config().encode()
        files["cmdline.txt"] = boot_files.pi_command_line(verity).encode()
    return files


def selector_files(arch: Arch, grub: Path, config: bytes, firmware: Path | None) -> dict[str, bytes]:
    """Everything on the first partition, by its name there."""
    files = {
        f"EFI/BOOT/{arch.efi_name}": (grub / arch.grub_program).read_bytes(),
        "EFI/debian/grub.cfg": config,  # where Debian's loader looks
        "everpx/bootenv": loaders.bootenv(),
    }
    if firmware is not None:
        files["autoboot.txt"] = loaders.autoboot().encode()
        # a Pi 3 starts with this file from the first FAT, which then reads autoboot.txt; later ones have it built in
        files["bootcode.bin"] = (firmware / PI_FIRMWARE / "bootcode.bin").read_bytes()
    return files


def fat(image: Path, files: dict[str, bytes], size: int, label: str, moment: Moment, tools: Tools) -> None:
    """A FAT filesystem with these files, in the order of their names."""
    image.unlink(missing_ok=True)
    staging = image.with_suffix(".files")
    shutil.rmtree(staging, ignore_errors=True)
    with image.open("wb") as out:
        out.truncate(size * MIB)
    number = label.encode().hex()[:8]
    tools.run(["mkfs.vfat", "-F", "32", "-n", label, "-i", number, "--invariant", image], env=moment.env)
    folders = sorted({str(parent) for name in files for parent in Path(name).parents if str(parent) != "."})
    if folders:
        tools.run(["mmd", "-i", image, *(f"::/{folder}" for folder in folders)], env=moment.env)
    for folder in [".", *folders]:
        here = sorted(name for name in files if str(Path(name).parent) == folder)
        for name in here:
            place = staging / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(files[name])
            os.utime(place, (moment.epoch, moment.epoch))
        if here:
            tools.run(["mcopy", "-m", "-i", image, *(staging / name for name in here), f"::/{folder}"], env=moment.env)
    shutil.rmtree(staging)
