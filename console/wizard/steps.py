"""The steps of the wizard, and which of them are open: read from what is so, never from a note."""

from dataclasses import dataclass

from flask_babel import gettext
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from appliance.drives.models import Drive, DriveRole, DriveState
from appliance.jobs.models import Schedule

ORDER = ("claim", "hot", "cold", "schedule", "first")


@dataclass(frozen=True)
class Step:
    """One dash at the top of the page."""

    title: str
    past: bool
    current: bool


def numbered(current: str) -> list[Step]:
    """Every step, those before ``current`` marked as past."""
    titles = (
        gettext("You"),
        gettext("The drive that holds everything"),
        gettext("The drive with the copy"),
        gettext("When"),
        gettext("First photos"),
    )
    at = ORDER.index(current)
    return [Step(title, number < at, number == at) for number, title in enumerate(titles)]


def first_open(session: Session) -> str:
    """The endpoint of the first step after the claim that is not done yet."""
    if not _has(session, DriveRole.HOT):
        return "hot"
    if not _has(session, DriveRole.COLD):
        return "cold"
    planned = session.scalar(select(exists().where(Schedule.kind == "backup.run")))
    return "first" if planned else "schedule"


def _has(session: Session, role: DriveRole) -> bool:
    return bool(session.scalar(select(exists().where(Drive.role == role, Drive.state == DriveState.ACTIVE))))
