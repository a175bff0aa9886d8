"""Facts about a drive in a family's words; what is not known is said to be unknown."""

from typing import Any

from flask import Blueprint
from flask_babel import gettext, lazy_gettext

from appliance.drives.inventory import Found

KINDS = {
    "ssd": lazy_gettext("solid-state drive (SSD)"),
    "hdd": lazy_gettext("hard disk (HDD)"),
    "stick": lazy_gettext("USB stick"),
    "card": lazy_gettext("memory card"),
    "loop": lazy_gettext("test drive"),
    "folder": lazy_gettext("test drive (a folder)"),
}
BUSES = {"usb": "USB", "loop": lazy_gettext("none (test)"), "folder": lazy_gettext("none (test)")}
FILESYSTEMS = {
    "ext4": lazy_gettext("ext4 (Linux)"),
    "btrfs": lazy_gettext("btrfs (Linux)"),
    "exfat": lazy_gettext("exFAT (Windows, Mac, Linux)"),
    "ntfs": lazy_gettext("NTFS (Windows)"),
    "vfat": lazy_gettext("FAT32 (any computer, no file above 4 GB)"),
    "hfsplus": lazy_gettext("HFS+ (Mac)"),
    "apfs": lazy_gettext("APFS (Mac)"),
    "folder": lazy_gettext("folder"),
    "": lazy_gettext("none that is known"),
}
POWER = {"on": lazy_gettext("on"), "standby": lazy_gettext("asleep"), "unknown": lazy_gettext("unknown")}
HEALTH = {"good": lazy_gettext("good"), "failing": lazy_gettext("failing"), "unknown": lazy_gettext("unknown")}
HEALTH_LOOKS = {"good": "good", "failing": "danger", "unknown": "off"}
HEALTH_ICONS = {"good": "circle-check", "failing": "circle-alert", "unknown": "circle-help"}
DETAILS = {
    "power_on_hours": lazy_gettext("Hours it was on"),
    "reallocated": lazy_gettext("Spots replaced by spare ones"),
    "pending": lazy_gettext("Spots waiting to be replaced"),
    "uncorrectable": lazy_gettext("Spots that cannot be read"),
    "crc_errors": lazy_gettext("Messages that its cable garbled"),
    "percent_used": lazy_gettext("Worn, in percent"),
    "power_cycles": lazy_gettext("Times it was switched on"),
    "firmware": lazy_gettext("Firmware"),
}


def install(blueprint: Blueprint) -> None:
    """Give every template the words as filters (macros see filters, but not a view's context)."""
    for name, filter_ in (
        ("kind_words", lambda kind: str(KINDS.get(kind) or gettext("unknown"))),
        ("bus_words", lambda bus: str(BUSES.get(bus) or bus.upper() or gettext("unknown"))),
        ("filesystem_words", lambda name: str(FILESYSTEMS.get(name) or name)),
        ("power_words", lambda power: str(POWER.get(power) or gettext("unknown"))),
        ("health_words", lambda health: str(HEALTH.get(health) or gettext("unknown"))),
        ("health_looks", lambda health: HEALTH_LOOKS.get(health, "off")),
        ("health_icon", lambda health: HEALTH_ICONS.get(health, "circle-help")),
        ("health_facts", health_facts),
    ):
        blueprint.add_app_template_filter(filter_, name)


def health_facts(found: Found) -> list[tuple[str, Any]]:
    """What the drive says of itself, as far as people have words for it."""
    details = found.health_details
    return [(str(title), details[name]) for name, title in DETAILS.items() if details.get(name) is not None]
