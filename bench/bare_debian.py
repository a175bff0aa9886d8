"""A Debian 13 with nothing of ours in it, started as the image is: same kernel, loader, first disk and kind of slot.

What an image's build keeps is used again (Debian's lists, kernel, tools), so ``./build-image.sh`` has to have run once.
"""

import os
from pathlib import Path

from image.build import base, disk, initramfs, slots
from image.build.arch import ARCHES
from image.build.archive import MIRROR, SECURITY, Archive, sources
from image.build.contents import APP
from image.build.emulation import emulated
from image.build.kernel import Kernel, put_modules
from image.build.layout import Sizes
from image.build.programs import run
from image.build.slots import Moment
from image.build.tools import Tools

#: what makes a Debian start, know its network and let somebody sign in; the last three are for the first disk
PACKAGES = ("systemd-sysv", "udev", "dbus", "libpam-systemd", "systemd-timesyncd", "systemd-resolved", "iproute2",
            "kmod", "login", "passwd", "busybox-static", "dmsetup", "e2fsprogs")  # fmt: skip
NETWORK = "[Match]\nType=ether\n[Network]\nDHCP=yes\n"
MADE = ("boot/selector", "data", "var/lib/everpx", "var/lib/systemd")  # where the first disk mounts things
SERVICES = ("systemd-networkd.service", "systemd-resolved.service", "systemd-timesyncd.service")


def made(arch_name: str, cache: Path, work: Path) -> Path:
    """The disk, set up anew when it is not there yet."""
    arch = ARCHES[arch_name]
    found = work / f"bare-{arch_name}.img"
    if found.exists():
        return found
    work.mkdir(parents=True, exist_ok=True)
    log = work / f"bare-{arch_name}.log"
    lines = sources(os.environ.get("MIRROR", MIRROR), os.environ.get("SECURITY", SECURITY))
    archive = Archive(cache / f"archive-{arch_name}", arch_name, lines)
    helpers = Tools(_newest(cache, "tools-*"), work, log)
    kernel = Kernel(_newest(cache, f"loose-{arch_name}-*"))
    tree = work / f"bare-{arch_name}"
    with emulated(arch):
        base.remove(tree)
        here = ARCHES[run(["dpkg", "--print-architecture"]).strip()]
        borrowed = None if arch == here else base.Native(helpers.tree, f"{here.machine}-linux-gnu")
        base.set_up(tree, archive, PACKAGES, log, borrowed)
        put_modules(kernel, None, tree, helpers)
        for name in MADE:
            (tree / name).mkdir(parents=True, exist_ok=True)
        (tree / "etc/systemd/network").mkdir(parents=True, exist_ok=True)
        (tree / "etc/systemd/network/ether.network").write_text(NETWORK)
        helpers.run(["systemctl", f"--root={tree}", "set-default", "multi-user.target"])
        helpers.run(["systemctl", f"--root={tree}", "enable", *SERVICES])
        for name in ("etc/.updated", "var/.updated"):  # as in the image: nothing is settled anew at each start
            (tree / name).write_text("TIMESTAMP_NSEC=4102444800000000000\n")
        (tree / "etc/machine-id").write_text("")
        first_disk = initramfs.packed(tree, kernel, arch)
    _assemble(found, tree, kernel, first_disk, helpers)
    base.remove(tree)
    return found


def _assemble(found: Path, tree: Path, kernel: Kernel, first_disk: bytes, helpers: Tools) -> None:
    arch, moment, work = ARCHES[found.stem.removeprefix("bare-")], Moment(0), found.parent
    images = {number: work / f"part-{number}.img" for number in (1, 2, 5, 7)}
    verity = slots.root_slot(tree, images[5], "00" * 32, moment, helpers)
    slots.fat(
        images[2], slots.boot_slot_files(arch, kernel, verity, first_disk, None), Sizes().boot, "BOOT", moment, helpers
    )
    selector = slots.selector_files(arch, kernel.package, (APP / "image/boot/selector.grub").read_bytes(), None)
    slots.fat(images[1], selector, Sizes().selector, "SELECTOR", moment, helpers)
    data = ["mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=1", images[7], f"{Sizes().data}M"]
    run(data)
    unfinished = found.with_name(f"unfinished-{found.name}")
    disk.assembled(unfinished, arch, images, helpers)
    for image in images.values():
        image.unlink()
    unfinished.rename(found)


def _newest(cache: Path, pattern: str) -> Path:
    return max(cache.glob(pattern), key=lambda path: path.stat().st_mtime)
