"""The first disk of a start: busybox, the drivers of disks, and ``image/boot/init``.  Small, packed natively."""

import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from image.build.arch import Arch
from image.build.kernel import Kernel, in_order, unpacked
from image.build.programs import run

INIT = Path(__file__).parents[1] / "boot/init"
#: where a start may lie and what is on it, for every machine of an architecture
DRIVERS = {
    "arm64": """virtio_pci virtio_mmio virtio_blk xhci-pci xhci-hcd xhci-plat-hcd usb-storage uas sd_mod nvme mmc_block
        sdhci-iproc bcm2835 bcm2835-dma pcie-brcmstb reset-raspberrypi phy-generic dwc2 gpio-raspberrypi-exp""",
    "amd64": """virtio_pci virtio_blk ahci xhci-pci xhci-hcd ehci-pci usb-storage uas sd_mod nvme mmc_block sdhci-pci
        sdhci-acpi""",
}
SYSTEMS = "sha256_generic crc32c_generic dm-mod dm-verity erofs ext4 overlay vfat nls_cp437 nls_ascii"
DYNAMIC = "usr/sbin/dmsetup"
PROGRAMS = ("usr/bin/busybox", DYNAMIC)
MADE = ("above", "dev", "proc", "root", "run", "sys")  # empty, for what is mounted there


def drivers(arch: Arch) -> list[str]:
    """Names of the drivers a first disk needs."""
    return [*SYSTEMS.split(), *DRIVERS[arch.debian].split()]


def packed(tree: Path, kernel: Kernel, arch: Arch) -> bytes:
    """The whole of it, as the kernel unpacks it."""
    index = tree / "usr/lib/modules" / kernel.release
    order = in_order(drivers(arch), (index / "modules.dep").read_text(), (index / "modules.builtin").read_text())
    files = {"init": (INIT.read_bytes(), 0o755)}
    for program in PROGRAMS:
        files[f"bin/{Path(program).name}"] = (_real(tree, program).read_bytes(), 0o755)
    for library in libraries(run(["chroot", tree, "ldd", f"/{DYNAMIC}"])):
        files[library.lstrip("/")] = (_real(tree, library).read_bytes(), 0o755)
    names = [PurePosixPath(path).name.removesuffix(".xz") for path in order]
    for path, name in zip(order, names, strict=True):
        files[f"modules/{name}"] = (unpacked(index / path), 0o644)
    files["modules/order"] = ("\n".join([*names, ""]).encode(), 0o644)
    return cpio(files)


def _real(tree: Path, name: str) -> Path:
    """A file of the tree, through links that mean the tree."""
    place = tree / name.lstrip("/")
    while place.is_symlink():
        target = place.readlink()
        place = tree / str(target).lstrip("/") if target.is_absolute() else place.parent / target
    return place


def libraries(ldd: str) -> list[str]:
    """Paths of the libraries in what ``ldd`` said, with the loader of programs."""
    return sorted({word for line in ldd.splitlines() for word in line.split() if word.startswith("/")})


def cpio(files: dict[str, tuple[bytes, int]]) -> bytes:
    """An archive in the kernel's own format (newc), with the folders that the files need; the same bytes every time."""
    folders = {str(parent) for name in [*files, *MADE] for parent in PurePosixPath(name).parents if str(parent) != "."}
    entries = [(name, stat.S_IFDIR | 0o755, b"") for name in folders | set(MADE)]
    entries += [(name, stat.S_IFREG | mode, content) for name, (content, mode) in files.items()]
    return b"".join(_entries([*sorted(entries), ("TRAILER!!!", 0, b"")]))


def _entries(entries: list[tuple[str, int, bytes]]) -> Iterator[bytes]:
    for number, (name, mode, content) in enumerate(entries, start=1):
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        yield head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)
