"""What of upgrades is in an image: RAUC's settings, where whom it believes lies, and what a bundle says of itself."""

from image.build.arch import Arch
from image.build.version import Version

RAUC_SETTINGS = "usr/lib/rauc/system.conf"
AUTHORITY = "usr/lib/everpx/release-authority.pem"
KEY_LIST = "usr/lib/everpx/upgrade-keys.json"
PURPOSE = "codesign"  # what a signer's certificate has to be for
SLOTS = {"root": "root.img", "boot": "boot.img"}  # in the order in which they are written


def model(arch: Arch) -> str:
    """Which stations a bundle is for, as they call themselves."""
    return f"everpx-{arch.debian}"


def rauc_settings(arch: Arch, version: Version) -> str:
    """``system.conf``.  The bundle's own moment counts for its certificate: a station may not know what time it is."""
    slots = "".join(
        f"\n[slot.root.{number}]\ndevice=/run/slots/root.{number}\ntype=raw\nbootname={name}\n"
        f"\n[slot.boot.{number}]\ndevice=/run/slots/boot.{number}\ntype=raw\nparent=root.{number}\n"
        for number, name in enumerate("AB")
    )
    return (
        "[system]\n"
        f"compatible={model(arch)}\n"
        "bootloader=custom\n"
        "bundle-formats=-plain\n"
        f"min-bundle-version={version.number}\n"
        "data-directory=/data/rauc\n"
        "mountprefix=/run/rauc/mnt\n"
        "\n[keyring]\n"
        f"path=/{AUTHORITY}\n"
        f"check-purpose={PURPOSE}\n"
        "use-bundle-signing-time=true\n"
        "\n[handlers]\n"
        "bootloader-custom-backend=/usr/lib/everpx/boot-backend\n"
        "\n[streaming]\n"
        "sandbox-user=everpx-stream\n"
        f"{slots}"
    )


def manifest(model_name: str, version: str) -> str:
    """``manifest.raucm``; RAUC adds sizes and hashes."""
    images = "".join(f"\n[image.{slot}]\nfilename={name}\n" for slot, name in SLOTS.items())
    return f"[update]\ncompatible={model_name}\nversion={version}\n\n[bundle]\nformat=verity\n{images}"
