"""The driver with which a Raspberry Pi can begin a trial (``image/kernel/tryboot``), for exactly the image's kernel.

It is compiled against Debian's headers of that kernel, which are unpacked and never installed, and it is refused where
the kernel would refuse it.
"""

from pathlib import Path

from image.build.arch import Arch
from image.build.archive import Archive
from image.build.compilers import Bench, Compilers
from image.build.contents import APP
from image.build.kernel import Kernel
from image.build.programs import BuildFailed, run
from image.build.tools import HERE, Tools

SOURCE = APP / "image/kernel/tryboot"
NAME = "everpx_tryboot"
LICENCE = "GPL-2.0-only"


def compiled(arch: Arch, kernel: Kernel, archive: Archive, native: Archive, compilers: Compilers) -> Path:
    """The driver's file.  ``native`` has the programs of this machine's processor that Debian's headers come with."""
    version = kernel.release.removesuffix(f"-{arch.debian}")
    headers = [f"linux-headers-{kernel.release}", f"linux-headers-{version}-common"]
    ours = sorted(SOURCE.iterdir())

    def work(bench: Bench) -> None:
        for name in headers:
            archive.unpack(name, bench.folder)
        native.unpack(f"linux-kbuild-{version}", bench.folder)
        (bench.folder / "driver").mkdir()
        for path in ours:
            (bench.folder / "driver" / path.name).write_bytes(path.read_bytes())
        # past Debian's own Makefile, which looks for the common part at /usr/src.  BTF would need pahole, for tracing
        bench.run(
            *("make", "-C", f"usr/src/{headers[0]}", "-f", f"../{headers[1]}/Makefile", f"M={HERE}/driver"),
            *("CONFIG_DEBUG_INFO_BTF_MODULES=", "modules"),
        )
        driver = f"driver/{NAME}.ko"
        bench.run(f"{arch.machine}-linux-gnu-strip", "--strip-debug", driver)
        (bench.folder / driver).rename(bench.folder / f"{NAME}.ko")
        run(["rm", "-r", bench.folder / "usr", bench.folder / "driver"])

    exact = [str(archive.version(headers[0])), [path.read_text() for path in ours]]
    return compilers.made(f"tryboot-{arch.debian}", exact, work) / f"{NAME}.ko"


def fits(driver: Path, kernel: Kernel, tools: Tools) -> None:
    """Raises BuildFailed for a driver that this kernel would not load."""
    other = next(kernel.modules.rglob("*.ko*"))
    said, wanted = (tools.run(["modinfo", "--field", "vermagic", path]).strip() for path in (driver, other))
    if said != wanted or not said.startswith(f"{kernel.release} "):
        raise BuildFailed(f"{driver.name} is for “{said}”, and this kernel is “{wanted}”.")
