"""What the files say that firmware and loaders read.  Pure text; tests hold it against their documented rules."""

from dataclasses import dataclass

from image.build.arch import Arch
from image.build.layout import DISK_ID

#: A kernel that stops starts anew by itself, and the loader decides into which slot.  A network's device keeps its
#: first name: nothing here asks for it, and a second one takes udev seconds of a start.
ALWAYS = "ro quiet loglevel=4 panic=5 systemd.show_status=false net.ifnames=0"
FROM_GRUB = "rauc.slot=$slot everpx.trial=$trial"
FROM_FIRMWARE = "everpx.trial=firmware"  # RAUC then asks its backend for the slot, since no rauc.slot names one
PI_SERIAL = "ttyS1"  # the mini UART on the pins, by the name that an upstream kernel gives it


@dataclass(frozen=True)
class Verity:
    """What proves a root slot: how many blocks of files, their root hash, and the salt."""

    blocks: int
    root_hash: str
    salt: str

    def word(self) -> str:
        """As the first program of a start takes it."""
        return f"everpx.verity={self.blocks}:{self.root_hash}:{self.salt}"


def command_line(start: str, verity: Verity, serial: str) -> str:
    """What the kernel is told; ``start``: which slot this is and whether it is being tried, or who knows."""
    return f"{start} everpx.disk={DISK_ID} {verity.word()} {ALWAYS} console=tty0 console={serial},115200"


def slot_grub(arch: Arch, verity: Verity) -> str:
    """``everpx/slot.cfg`` on a boot slot: the same in both, because the selector says which one it is."""
    return (
        f"linux ($disk,msdos$boot)/vmlinuz {command_line(FROM_GRUB, verity, arch.serial)}\n"
        "initrd ($disk,msdos$boot)/initramfs.img\n"
        "boot\n"
    )


def pi_config() -> str:
    """``config.txt`` on a boot slot: the same in both.

    It has no filter for the slot: ``[boot_partition=N]`` is younger than Debian's firmware, and came to the Pi 5 first.
    """
    return (
        "# Replaced whole by every upgrade.\n"
        "arm_64bit=1\n"
        "upstream_kernel=1\n"
        "enable_uart=1\n"
        "kernel=vmlinuz\n"
        "initramfs initramfs.img followkernel\n"
    )


def pi_command_line(verity: Verity) -> str:
    """``cmdline.txt``, the same in both slots: from which one it came, the firmware says in the device tree."""
    return f"{command_line(FROM_FIRMWARE, verity, PI_SERIAL)}\n"
