"""The ways to switch a COLD drive's power; plugins add more through the hook ``power_drivers``."""

from typing import Protocol

from appliance import plugin
from appliance.drives.models import Drive
from appliance.words import N_


class PowerDriver(Protocol):
    """A way to switch a drive's power: people, a smart plug, a hub with switchable ports.

    What goes wrong is raised as an ApplianceError; the drive then simply stays as it is.
    """

    name: str  # stable; kept in Drive.power_driver
    title: str  # for people

    def on(self, drive: Drive) -> None:
        """Switch on, or ask for it; returns at once, the drive shows up when it is ready."""
        ...

    def off(self, drive: Drive) -> None:
        """Switch off, or say that it may be; only called for a drive that is unmounted."""
        ...

    def is_on(self, drive: Drive) -> bool | None:
        """Whether there is power; None when that cannot be known."""
        ...


class PeopleDriver:
    """Without a plug, people are the plug: what they should do is an open issue until it is done."""

    name = "people"
    title = N_("A person switches it on and off")

    def on(self, drive: Drive) -> None:
        """Nothing to switch; the waiting job tells what is wanted."""

    def off(self, drive: Drive) -> None:
        """Nothing to switch; health says that it may be switched off while it is still here."""

    def is_on(self, drive: Drive) -> bool | None:
        """Nobody knows."""
        return None


def drivers() -> dict[str, PowerDriver]:
    """Every way to switch, by name."""
    offered: list[PowerDriver] = [PeopleDriver()]
    for some in plugin.call("power_drivers"):
        offered += list(some or ())
    return {driver.name: driver for driver in offered}


def driver_of(drive: Drive) -> PowerDriver:
    """The drive's own way; people when its plugin is not there."""
    return drivers().get(drive.power_driver) or PeopleDriver()
