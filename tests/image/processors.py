"""What stands in for a station's board: QEMU's program, machine and firmware for each processor an image is for."""

import functools
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

A_MOMENT = 2.0


@dataclass(frozen=True)
class Processor:
    """One kind of virtual machine."""

    program: str
    firmware: Path
    emulated: tuple[str, ...]
    hardware: tuple[str, ...] = ()  # the same board where this computer has such a processor itself

    @property
    def board(self) -> tuple[str, ...]:
        """The fastest way this computer runs it."""
        return self.hardware if self.hardware and lent(self.program, self.firmware) else self.emulated

    def missing(self) -> list[str]:
        """What has to be installed before such a machine can start here."""
        program, firmware = shutil.which(self.program), self.firmware.exists()
        return [*([] if program else [self.program]), *([] if firmware else [str(self.firmware)])]


@functools.cache
def lent(program: str, firmware: Path) -> bool:
    """Whether this computer's own processor can be lent to such a machine.

    /dev/kvm alone says little: on a computer that is a guest itself it may be there and stop at the firmware's first
    unusual instruction.  So the firmware is started for a moment.
    """
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    words = [program, "-machine", "q35", "-cpu", "host", "-accel", "kvm", "-m", "256", "-bios", str(firmware)]
    with subprocess.Popen([*words, "-display", "none", "-nodefaults"], stderr=subprocess.PIPE, text=True) as tried:
        time.sleep(A_MOMENT)
        tried.kill()
        return tried.communicate()[1] == ""


PROCESSORS = {
    "arm64": Processor(
        "qemu-system-aarch64",
        Path("/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"),
        ("-machine", "virt", "-cpu", "cortex-a72", "-accel", "tcg,thread=multi"),
    ),
    "amd64": Processor(
        "qemu-system-x86_64",
        Path("/usr/share/ovmf/OVMF.fd"),
        ("-machine", "q35", "-cpu", "max", "-accel", "tcg,thread=multi"),
        ("-machine", "q35", "-cpu", "host", "-accel", "kvm"),
    ),
}
