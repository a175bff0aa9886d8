"""What goes into an image, read from the files that say so."""

import hashlib
import json
import tomllib
from collections.abc import Iterable
from pathlib import Path

from image.build.arch import Arch
from image.build.archive import Package

APP = Path(__file__).parents[2]
#: of image/packages.txt, what a station needs only where it is set up from a checkout; its ffmpeg is films.py's
NOT_HERE = {"python3-venv", "ffmpeg"}


def listed(text: str) -> list[str]:
    """The names in a list of packages: one a line, then why."""
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return [words[0] for words in lines if words]


def of_plugins(app: Path = APP) -> set[str]:
    """The packages that plugins ask for."""
    facts = (tomllib.loads(path.read_text()) for path in sorted(app.glob("plugins/*/plugin.toml")))
    return {name for one in facts for name in one.get("packages", ())}


def packages(app: Path = APP) -> list[str]:
    """Debian packages of the image, by name."""
    own = [*listed((app / "image/packages.txt").read_text()), *listed((app / "image/image-packages.txt").read_text())]
    return sorted(({*own} | of_plugins(app)) - NOT_HERE)


def loose(arch: Arch, kernel: str) -> list[str]:
    """Packages of which only files are taken: nothing of theirs is run while they are set up."""
    return [kernel, arch.grub_package, *(["raspi-firmware"] if arch.raspberry else [])]


def key(*parts: object) -> str:
    """A short name for exactly these ingredients."""
    return hashlib.sha256(json.dumps(parts, default=str, sort_keys=True).encode()).hexdigest()[:16]


def as_lines(found: Iterable[Package]) -> list[str]:
    """``name=version``, sorted."""
    return [f"{one.name}={one.version}" for one in sorted(found)]
