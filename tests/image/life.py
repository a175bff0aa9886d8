"""A station that a family has lived with for a while, frozen, so that each test meets it within seconds."""

from dataclasses import dataclass
from pathlib import Path

from tests.image.drives import Drive
from tests.image.frozen import Frozen
from tests.image.home import Home
from tests.image.machine import Machine

LIVED = 8  # photos that were copied and proven before anything happens
PORTS = (80, 443, 445, 2049)


@dataclass
class Lived:
    """The frozen station, and what it has promised so far."""

    moment: Frozen
    token: str
    kept: dict[str, str]


@dataclass
class Life:
    """Such a station, going on."""

    home: Home
    drives: dict[str, Drive]
    folder: Path

    @property
    def machine(self) -> Machine:
        """It."""
        return self.home.machine

    @property
    def hot(self) -> Drive:
        """The drive with the originals."""
        return self.drives["hot"]

    @property
    def cold(self) -> Drive:
        """The drive with the copy."""
        return self.drives["cold"]
