"""What the files say that firmware and loaders read.  Pure text; tests hold it against their documented rules."""

from dataclasses import dataclass

from image.build.arch import Arch
from image.build.layout import DISK_ID

#: a kernel that stops starts anew by itself, and the loader decides into which slot
ALWAYS = "ro quiet loglevel=4 panic=5 systemd.show_status=false"
GRUBENV_SIZE = 1024


@dataclass(frozen=True)
class Verity:
    """What proves a root slot: how many blocks of files, their root hash, and the salt."""

    blocks: int
    root_hash: str
    salt: str

    def word(self) -> str:
        """As the first program of a start takes it."""
        return f"everpx.verity={self.blocks}:{self.root_hash}:{self.salt}"


def command_line(arch: Arch, verity: Verity, slot: str, trial: str) -> str:
    """What the kernel is told."""
    consoles = f"console=tty0 console={arch.serial},115200"
    return f"rauc.slot={slot} everpx.trial={trial} everpx.disk={DISK_ID} {verity.word()} {ALWAYS} {consoles}"


def slot_grub(arch: Arch, verity: Verity) -> str:
    """``everpx/slot.cfg`` on a boot slot: the same in both, because the selector says which one it is."""
    return (
        f"linux ($disk,msdos$boot)/vmlinuz {command_line(arch, verity, '$slot', '$trial')}\n"
        "initrd ($disk,msdos$boot)/initramfs.img\n"
        "boot\n"
    )


def bootenv(primary: str = "A", trying: str = "") -> bytes:
    """The state that GRUB and ``grub-editenv`` share: always one size, so that it is changed in place."""
    text = f"# GRUB Environment Block\nprimary={primary}\ntry={trying}\n".encode()
    return text + b"#" * (GRUBENV_SIZE - len(text))


def autoboot(primary: int = 2) -> str:
    """``autoboot.txt`` of a Raspberry Pi: which boot slot starts, and which one when it is asked to try."""
    other = {2: 3, 3: 2}[primary]
    return f"[all]\ntryboot_a_b=1\nboot_partition={primary}\n[tryboot]\nboot_partition={other}\n"


def pi_config() -> str:
    """``config.txt`` on a boot slot: the same in both, the firmware says from which partition it came."""
    return (
        "# Replaced whole by every upgrade.\n"
        "arm_64bit=1\n"
        "upstream_kernel=1\n"
        "enable_uart=1\n"
        "kernel=vmlinuz\n"
        "initramfs initramfs.img followkernel\n"
        "[boot_partition=2]\ncmdline=cmdline-a.txt\n"
        "[boot_partition=3]\ncmdline=cmdline-b.txt\n"
        "[all]\n"
    )


def pi_command_lines(arch: Arch, verity: Verity) -> dict[str, str]:
    """One line for each slot; whether it is being tried, the firmware says in the device tree."""
    return {f"cmdline-{slot.lower()}.txt": f"{command_line(arch, verity, slot, 'firmware')}\n" for slot in "AB"}
