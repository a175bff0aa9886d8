"""What the box's own sensors say, from ``/sys`` (``EVERPX_SYSFS``): voltage, the card it runs from.  Unknown is None.

Formats: ``rpi_volt`` (drivers/hwmon/raspberrypi-hwmon.c), ``get_throttled`` (the bits of vcgencmd), ``life_time`` and
``pre_eol_info`` (JEDEC eMMC 5.0, steps of ten percent), ``lifetime_write_kbytes`` (ext4).
"""

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path

UNDERVOLTAGE_NOW, UNDERVOLTAGE_ONCE = 1 << 0, 1 << 16
STA_UNSYNC = 0x40  # linux/timex.h
LIFE_STEP = 10  # percent


def sysfs() -> Path:
    """Where the kernel's tree is."""
    return Path(os.environ.get("EVERPX_SYSFS", "/sys"))


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _number(text: str) -> int | None:
    try:
        return int(text, 0)
    except ValueError:
        return None


def too_little_power() -> bool | None:
    """Whether the voltage is too low right now; None where nothing measures it."""
    tree, answer = sysfs(), None
    for chip in sorted(tree.glob("class/hwmon/hwmon*")):
        if _text(chip / "name") == "rpi_volt" and (alarm := _number(_text(chip / "in0_lcrit_alarm"))) is not None:
            answer = bool(alarm)
    bits = throttled()
    return answer if bits is None else bool(answer) or bool(bits & UNDERVOLTAGE_NOW)


def throttled() -> int | None:
    """The firmware's bits: what is so now, and (16 places higher) what was so since the start."""
    for place in sorted(sysfs().glob("devices/platform/soc*/*firmware/get_throttled")):
        text = _text(place)
        return _number(text if text.startswith("0x") else f"0x{text}") if text else None
    return None


@dataclass(frozen=True)
class Card:
    """The disk that the station itself runs from."""

    device: str  # kernel name of the partition or disk
    disk: str
    is_card: bool  # an SD card or eMMC
    used_percent: int | None  # of its life, as it says itself; in steps of ten
    near_end: int | None  # eMMC: 1 fine, 2 most of its spare blocks are used, 3 nearly all
    written_bytes: int | None  # in the life of its filesystem
    size: int | None

    @property
    def times_over(self) -> int | None:
        """How often it was written from beginning to end."""
        return None if self.written_bytes is None or not self.size else self.written_bytes // self.size


def card_below(folder: Path) -> Card | None:
    """The disk that a folder lies on; None where that is no block device (a container's overlay)."""
    tree, number = sysfs(), folder.stat().st_dev
    place = tree / "dev/block" / f"{os.major(number)}:{os.minor(number)}"
    if not place.exists():
        return None
    place = place.resolve()
    disk = place.parent if (place / "partition").exists() else place
    life = max((_number(word) or 0 for word in _text(disk / "device/life_time").split()), default=0)
    written = _number(_text(tree / "fs/ext4" / place.name / "lifetime_write_kbytes"))
    sectors = _number(_text(disk / "size"))
    return Card(
        device=place.name,
        disk=disk.name,
        is_card=disk.name.startswith("mmcblk"),
        used_percent=life * LIFE_STEP or None,
        near_end=_number(_text(disk / "device/pre_eol_info")) or None,
        written_bytes=None if written is None else written * 1024,
        size=None if sectors is None else sectors * 512,
    )


class _Timex(ctypes.Structure):
    """struct timex of linux/timex.h; only ``modes`` and ``status`` are looked at."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    ]


def clock_status() -> int | None:
    """The kernel's bits about its clock (adjtimex, only reading); None where they cannot be had."""
    asked = _Timex(modes=0)
    return None if ctypes.CDLL(None).adjtimex(ctypes.byref(asked)) < 0 else int(asked.status)
