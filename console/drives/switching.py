"""The ways in which a drive can be switched on and off, as its page and the wizard offer them."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from appliance.drives import switches
from appliance.drives.models import Drive, DriveRole
from appliance.words import Message


@dataclass(frozen=True)
class Way:
    """One way: chosen or not, how it stands with it, and where it is set up."""

    name: str
    title: str
    question: str
    address: str  # with the drive, "" when there is nothing to set up
    chosen: bool
    says: Message | None
    ready: bool  # it can be chosen right here


def ways(session: Session, drive: Drive) -> list[Way]:
    """Nothing for a HOT drive: it is always on."""
    if drive.role is DriveRole.HOT:
        return []
    every = switches.drivers()
    chosen = drive.power_driver if drive.power_driver in every else switches.PeopleDriver.name
    return [
        Way(
            driver.name,
            driver.title,
            driver.question,
            f"{driver.address}?drive={drive.id}" if driver.address else "",
            driver.name == chosen,
            driver.says(session, drive) if driver.name == chosen else None,
            driver.refuses(session, drive) is None,
        )
        for driver in every.values()
    ]


def questions(drive_id: int) -> list[tuple[str, str]]:
    """For the wizard: what to ask, and where a yes leads."""
    drivers = switches.drivers().values()
    return [(one.question, f"{one.address}?drive={drive_id}") for one in drivers if one.question and one.address]
