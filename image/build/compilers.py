"""Compiling what Debian has not as the image needs it, with compilers from a Debian 13 in a folder of their own.

That folder is set up only when something has to be compiled.  What was compiled is kept, by the exact versions of the
compilers and of everything that went in; it is compiled at one fixed place (``HERE``), so that its bytes name no other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from image.build import base, tools
from image.build.arch import ARCHES
from image.build.archive import Archive
from image.build.contents import key
from image.build.tools import HERE, Tools


@dataclass(frozen=True)
class Bench:
    """A folder that the compilers see at ``HERE``, at one moment for whatever asks what time it is."""

    compilers: Tools
    folder: Path

    def run(self, *words: str) -> str:
        """Run one of their programs there.  Raises BuildFailed."""
        env = {"SOURCE_DATE_EPOCH": "0", "TZ": "UTC"}
        return self.compilers.run(["env", f"--chdir={HERE}", *words], env=env, here=self.folder)


@dataclass(frozen=True)
class Compilers:
    """Those of this machine, for every processor that an image is built for."""

    cache: Path
    archive: Archive
    log: Path

    @cached_property
    def _wished(self) -> tools.Wished:
        others = [f"libc6-dev-{name}-cross" for name in sorted(ARCHES) if name != self.archive.arch]
        return tools.wished(self.archive, "compiler", others)

    def made(self, name: str, ingredients: object, work: Callable[[Bench], None]) -> Path:
        """The folder that ``work`` left behind; it is called only where these ingredients are new."""
        place = self.cache / f"compiled-{name}-{key(self._wished.exact, ingredients)}"
        if not place.exists():
            unfinished = place.with_name(f"unfinished-{place.name}")
            base.remove(unfinished)
            unfinished.mkdir()
            work(self.at(unfinished))
            unfinished.rename(place)
            base.forget_older(self.cache, f"compiled-{name}-", place)
        return place

    def at(self, folder: Path) -> Bench:
        """What to run them with, set up where that has not been done."""
        return Bench(self._wished.set_up(self.cache, self.log), folder)
