"""Debian's kernel, unpacked and not installed: its drivers, and which of them come before which."""

import lzma
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from image.build.contents import APP, listed
from image.build.programs import BuildFailed
from image.build.tools import Tools

LEFT_OUT = APP / "image/left-out-drivers.txt"


@dataclass(frozen=True)
class Kernel:
    """One kernel as Debian's package holds it."""

    package: Path  # where it was unpacked

    @property
    def release(self) -> str:
        """What ``uname -r`` will say."""
        return next(path.name.removeprefix("vmlinuz-") for path in (self.package / "boot").glob("vmlinuz-*"))

    @property
    def program(self) -> Path:
        """What a loader starts."""
        return self.package / "boot" / f"vmlinuz-{self.release}"

    @property
    def modules(self) -> Path:
        """Drivers."""
        return self.package / "usr/lib/modules" / self.release

    @property
    def device_trees(self) -> Path:
        """What boards without a firmware of their own are made of."""
        return self.package / "usr/lib" / f"linux-image-{self.release}"


def put_modules(kernel: Kernel, ours: Path | None, tree: Path, tools: Tools) -> None:
    """Drivers into the image's tree, and ``ours`` beside them, with their index."""
    place = tree / "usr/lib/modules" / kernel.release
    patterns = listed(LEFT_OUT.read_text())
    left_out = {found for pattern in patterns for found in (kernel.modules / "kernel").glob(pattern)}
    shutil.copytree(
        kernel.modules, place, symlinks=True,
        ignore=lambda folder, names: [name for name in names if Path(folder) / name in left_out],
    )  # fmt: skip
    if ours is not None:
        (place / "updates").mkdir()
        shutil.copy(ours, place / "updates")
    tools.run(["depmod", "--basedir", tree, kernel.release])


def in_order(wanted: Iterable[str], needs: str, builtin: str) -> list[str]:
    """Paths of drivers, each after those it needs, by the kernel's own index (``modules.dep``).

    Raises BuildFailed for one that this kernel has in no way.
    """
    table = dict(line.split(":", 1) for line in needs.splitlines())
    by_name = {_name(path): path for path in table}
    fixed = {_name(path) for path in builtin.splitlines()}
    order: dict[str, None] = {}
    for name in (one.replace("-", "_") for one in wanted):
        if name not in by_name:
            if name in fixed:
                continue
            raise BuildFailed(f"This kernel has no driver {name}.")
        for path in (*reversed(table[by_name[name]].split()), by_name[name]):
            order.setdefault(path)
    return list(order)


def _name(path: str) -> str:
    return PurePosixPath(path).name.partition(".ko")[0].replace("-", "_")


def unpacked(module: Path) -> bytes:
    """A driver as the kernel takes it from the first disk."""
    content = module.read_bytes()
    return lzma.decompress(content) if module.suffix == ".xz" else content
