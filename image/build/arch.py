"""What differs between the processors that an image is built for."""

from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class Arch:
    """One processor, in the words of everybody who has one for it."""

    debian: str
    machine: str  # uname -m, and the end of a wheel's name
    grub_package: str
    grub_program: PurePosixPath  # the whole loader in one file, inside that package
    efi_name: str  # what firmware starts from a disk that it does not know
    first_partition: str  # its type: the Pi starts from FAT only, strict EFI firmware from an ESP only
    serial: str
    raspberry: bool = False


ARM64 = Arch(
    debian="arm64",
    machine="aarch64",
    grub_package="grub-efi-arm64-unsigned",
    grub_program=PurePosixPath("usr/lib/grub/arm64-efi/monolithic/grubaa64.efi"),
    efi_name="BOOTAA64.EFI",
    first_partition="0c",
    serial="ttyAMA0",
    raspberry=True,
)
AMD64 = Arch(
    debian="amd64",
    machine="x86_64",
    grub_package="grub-efi-amd64-unsigned",
    grub_program=PurePosixPath("usr/lib/grub/x86_64-efi/monolithic/grubx64.efi"),
    efi_name="BOOTX64.EFI",
    first_partition="ef",
    serial="ttyS0",
)
ARCHES = {one.debian: one for one in (ARM64, AMD64)}
