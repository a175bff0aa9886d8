"""The ways to switch a COLD drive's power; plugins add more through the hook ``power_drivers``."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.orm import Session

from appliance import plugin
from appliance.broker.client import Broker
from appliance.db import Database
from appliance.drives.models import Drive, DriveRole
from appliance.errors import ApplianceError
from appliance.places import Places
from appliance.words import N_, Message

T = TypeVar("T")


@dataclass(frozen=True)
class Means:
    """What a way to switch may use: the station's database, root's side, its places."""

    db: Database
    broker: Broker
    places: Places


@dataclass(frozen=True)
class Circuit:
    """What one switch switches: its name, stable and the same in every process, and the drives that hang on it."""

    name: str
    drives: frozenset[int]


class SwitchBroken(ApplianceError):
    """A way to switch failed in a way that it did not foresee."""

    code, template = "switch_broken", N_("The switch “{title}” made a mistake.")


class PowerDriver:
    """A way to switch a drive's power: people, a smart plug, a hub with switchable ports.

    What goes wrong is raised as an ApplianceError: at ``on``, people are asked and it is tried again; at ``off``, the
    drive is left powered and it is tried again.  Only ``name``, ``title``, ``on`` and ``off`` must be given.
    """

    name = ""  # stable; kept in Drive.power_driver
    title = ""  # for people
    question = ""  # asked where a drive has no switch yet: "Is it on …?"
    address = ""  # the page where it is set up, if there is one; ``?drive=ID`` is added

    def on(self, drive: Drive, means: Means) -> None:
        """Switch on, or ask for it; returns at once, the drive shows up when it is ready.  May be called again."""

    def off(self, drive: Drive, means: Means) -> None:
        """Switch off and prove it as far as that can be; only called when nothing on its circuit is in use."""

    def is_on(self, drive: Drive, means: Means) -> bool | None:
        """Whether there is power; None when that cannot be known."""
        return None

    def circuit(self, drive: Drive, means: Means) -> Circuit | None:
        """What else is switched along with this drive; None: nothing is really switched here."""
        return None

    def patience(self, drive: Drive, means: Means) -> float:
        """How many seconds after ``on`` people are told that the drive does not come; 0 asks them at once."""
        return 0

    def arrived(self, drive: Drive, means: Means, seconds: float) -> None:
        """The drive is here, so long after the first ``on``."""

    def cut_hot(self, drive: Drive, means: Means, hot: Drive) -> None:
        """Switching this drive off took a HOT drive away: never do it again."""

    def watching(self, drive: Drive, means: Means) -> AbstractContextManager[object]:
        """Around the time that the drive is in use."""
        return nullcontext()

    def refuses(self, session: Session, drive: Drive) -> Message | None:
        """Why this drive cannot be switched this way, or None."""
        return None

    def says(self, session: Session, drive: Drive) -> Message | None:
        """How it stands with the switch of a drive that has this way, in a sentence."""
        return None


class PeopleDriver(PowerDriver):
    """Without a plug, people are the plug: what they should do is an open issue until it is done."""

    name = "people"
    title = N_("A person switches it on and off")


def drivers() -> dict[str, PowerDriver]:
    """Every way to switch, by name."""
    offered: list[PowerDriver] = [PeopleDriver()]
    for name, some in plugin.call_named("power_drivers"):
        offered += [driver for driver in some or () if plugin.may_call(name, driver.name)]
    return {driver.name: driver for driver in offered}


def is_lost(drive: Drive) -> bool:
    """Whether the way that was chosen for a drive belongs to a plugin that is off, failed, or is no longer there."""
    return drive.power_driver not in drivers()


def driver_of(drive: Drive) -> PowerDriver:
    """The drive's own way; people when its plugin is not there."""
    return drivers().get(drive.power_driver) or PeopleDriver()


def problem(session: Session, drive: Drive, name: str) -> Message | None:
    """Why a drive cannot be switched this way, or None."""
    driver = drivers().get(name)
    if driver is None:
        return Message(N_("Choose one of the listed values."))
    if drive.role is DriveRole.HOT and name != PeopleDriver.name:
        return Message(N_("{drive} is always on, so nothing may switch it."), {"drive": drive.name})
    return driver.refuses(session, drive)


def guarded(driver: PowerDriver, deed: Callable[[], T]) -> T:
    """Do something with a driver.  What it did not foresee becomes SwitchBroken, so that a plugin ends no job."""
    return plugin.guarded(deed, lambda: SwitchBroken(title=Message(driver.title)))
