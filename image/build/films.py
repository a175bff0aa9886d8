"""ffmpeg and ffprobe with only what the pictures of films need (``image/film-parts.txt``), from Debian's own source.

Debian's programs bring a hundred libraries, of which most write films; these two need three that the image has anyway
or that are small.  The source, its patches and its version are Debian's, and so are the fixes of its security team.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from image.build.arch import ARCHES, Arch
from image.build.archive import Archive
from image.build.compilers import Bench, Compilers
from image.build.contents import APP, listed
from image.build.programs import run
from image.build.tools import HERE

PARTS = APP / "image/film-parts.txt"
SOURCE = "ffmpeg"
LICENCE = "LGPL-2.1-or-later"  # without --enable-gpl, nothing in it asks for more
#: what it is linked with, as the image has it (image/image-packages.txt)
LIBRARIES = ("libdav1d7", "zlib1g")
TO_LINK = ("libdav1d-dev", "zlib1g-dev")


@dataclass(frozen=True)
class Films:
    """What was compiled, and of which version of Debian's source."""

    folder: Path
    version: str


def compiled(arch: Arch, archive: Archive, sources: Archive, compilers: Compilers) -> Films:
    """The two programs and their licence, in a folder that is laid over the root."""
    source = sources.source(SOURCE)
    libraries = [archive.version(name) for name in (*LIBRARIES, *TO_LINK)]
    chosen = options(arch, f"{ARCHES[compilers.archive.arch].machine}-linux-gnu-", listed(PARTS.read_text()))

    def work(bench: Bench) -> None:
        for one in libraries:
            archive.unpack(one.name, bench.folder / "libraries")
        sources.fetch_source(source, bench.folder)
        bench.run("dpkg-source", "--no-check", "--extract", source.description, "source")
        found = f"{HERE}/libraries/usr/lib/{arch.machine}-linux-gnu/pkgconfig"
        where = [f"PKG_CONFIG_LIBDIR={found}", f"PKG_CONFIG_SYSROOT_DIR={HERE}/libraries"]
        bench.run("env", "--chdir=source", *where, "./configure", *chosen)
        make = ("make", "--directory=source", f"--jobs={os.cpu_count() or 1}", f"DESTDIR={HERE}/root")
        bench.run(*make, "install-progs", "install-libs")
        _keep(bench.folder)

    made = [str(source), [str(one) for one in libraries], chosen]
    return Films(compilers.made(f"films-{arch.debian}", made, work), source.version)


def options(arch: Arch, host: str, parts: list[str]) -> list[str]:
    """For ``configure``; ``host`` is how this machine's own compiler begins."""
    triplet = f"{arch.machine}-linux-gnu"
    libraries = HERE / "libraries/usr"
    return [
        *("--prefix=/usr", f"--libdir=/usr/lib/{triplet}", f"--shlibdir=/usr/lib/{triplet}"),
        *("--enable-shared", "--disable-static", "--enable-cross-compile"),
        *("--target-os=linux", f"--arch={arch.machine}", f"--cross-prefix={triplet}-"),
        *(f"--host-cc={host}gcc", "--pkg-config=pkgconf", "--toolchain=hardened", "--disable-debug", "--disable-doc"),
        f"--extra-cflags=-I{libraries}/include -I{libraries}/include/{triplet}",
        f"--extra-ldflags=-L{libraries}/lib/{triplet}",
        *("--disable-everything", "--disable-autodetect", "--disable-network", "--disable-ffplay"),
        *("--disable-avdevice", "--disable-swresample", "--disable-postproc", "--enable-zlib", "--enable-libdav1d"),
        *(f"--enable-{part}" for part in parts),
    ]


def _keep(folder: Path) -> None:
    """Of all that was made, what is laid over the root."""
    papers = folder / "root/usr/share/doc" / SOURCE
    papers.mkdir(parents=True)
    (folder / "source/COPYING.LGPLv2.1").rename(papers / "COPYING.LGPLv2.1")
    (folder / "source/debian/copyright").rename(papers / "copyright")
    for name in folder.glob("root/usr/lib/*/*.so"):
        name.unlink()  # what something would be linked with
    (folder / "root/usr").rename(folder / "usr")
    for other in folder.iterdir():
        if other.name != "usr":
            run(["rm", "-rf", other])
