"""Plugins that are Python packages of their own: which are installed, found without running any of their code.

Root's daemon asks, too: hence a look at ``*.dist-info/entry_points.txt``, a tenth of a megabyte, and not
``importlib.metadata``, which would stay with it for 1.8.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GROUP = "everpx.plugins"
HOUSE = Path(__file__).parents[1]
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
CORE = {"appliance", "console", "plugins", "services"}  # and every room of the core


@dataclass(frozen=True)
class Point:
    """What an installed package says: the plugin ``name`` is the package ``package``."""

    name: str
    package: str
    facts: Path  # its dist-info

    @property
    def folder(self) -> Path:
        """Where pip puts the package: beside its facts.  One that is worked on (``--editable``) lies elsewhere."""
        return self.facts.parent / self.package

    @property
    def problem(self) -> str:
        """Why this cannot be a plugin, or ""."""
        if not NAME.fullmatch(self.name):
            return "a name has up to 40 small letters, digits and _, and begins with a letter"
        if self.name in taken():
            return f"the name {self.name} belongs to Everpx"
        if not self.package.isidentifier() or self.package in CORE:
            return f"{self.package} is not a package of its own"
        return ""


def taken() -> set[str]:
    """Names that no stranger gets: of our own plugins, and of the rooms that verbs and jobs of the core begin with."""
    ours = {path.parent.name for path in (HOUSE / "plugins").glob("*/plugin.toml")}
    return CORE | ours | {path.stem for path in (HOUSE / "appliance").iterdir()}


def installed() -> Iterator[Point]:
    """Every package with a plugin, as Python would import it: of two with one name the first on the path counts."""
    names = set[str]()
    for place in dict.fromkeys(sys.path):
        for facts in sorted(Path(place).absolute().glob("*.dist-info/entry_points.txt")):
            for name, package in _points(facts):
                if name not in names:
                    names.add(name)
                    yield Point(name, package, facts.parent)


def _points(facts: Path) -> Iterator[tuple[str, str]]:
    """(name, package) of our group in an ``entry_points.txt`` (packaging.python.org, “Entry points specification”)."""
    try:
        text = facts.read_text(encoding="utf-8", errors="replace") if facts.is_file() else ""
    except OSError:
        return
    group = ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            group = line.strip("[] ")
        elif group == GROUP and "=" in line and not line.startswith(("#", ";")):
            name, _, package = line.partition("=")
            yield name.strip(), re.split(r"[:\[\s]", package.strip(), maxsplit=1)[0]
