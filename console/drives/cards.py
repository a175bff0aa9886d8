"""What the pages show of drives: those that were handed over, here or not, and those that only are plugged in.

Unknown is shown as unknown: before the first look at what is plugged in there is no list, not an empty one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.drives import inventory as live
from appliance.drives import service
from appliance.drives.identity import Verdict, VerdictKind
from appliance.drives.inventory import Found, Inventory
from appliance.drives.models import Drive, PowerState
from appliance.jobs.models import ACTIVE, Job
from console.station import Station


@dataclass(frozen=True)
class Card:
    """A drive that was handed over; ``found`` is None while it is not plugged in (or switched off)."""

    drive: Drive
    found: Found | None
    job: Job | None  # what holds it right now

    @property
    def size(self) -> int:
        """What it can hold, in bytes."""
        return (self.found.capacity if self.found else None) or self.drive.size

    @property
    def free(self) -> int | None:
        """Free bytes now, else when it was last here; None is unknown."""
        if self.found is not None and self.found.free is not None:
            return self.found.free
        return self.drive.free

    @property
    def percent(self) -> float | None:
        """How full it is."""
        return None if self.free is None or not self.size else 100 * (self.size - self.free) / self.size

    @property
    def nearly_full(self) -> bool:
        """Whether the alarm that was set for it would ring."""
        return self.percent is not None and 100 - self.percent < self.drive.full_below_percent

    @property
    def in_use(self) -> bool:
        """Whether unplugging it now would be felt."""
        return self.found is not None and self.found.mounted_as is not None

    @property
    def ejected(self) -> bool:
        """Whether it may be unplugged although it belongs in use."""
        return self.found is not None and not self.in_use and self.drive.power_state is PowerState.UNMOUNTED

    @property
    def last_here(self) -> datetime | None:
        """When it was last seen; only worth saying while it is away."""
        return None if self.found else self.drive.last_here


@dataclass(frozen=True)
class Stranger:
    """A drive that is plugged in and not (yet) one of ours; the verdict has the words."""

    found: Found
    verdict: Verdict

    @property
    def may_be_taken(self) -> bool:
        """Whether it can be handed over without a word more."""
        return self.verdict.kind is VerdictKind.FREE

    @property
    def may_be_confirmed(self) -> bool:
        """Whether an admin may say that it is the drive it claims to be."""
        return self.verdict.kind is VerdictKind.WRONG and self.verdict.drive_id is not None

    @property
    def may_be_repaired(self) -> bool:
        """Whether checking it would help."""
        return self.verdict.kind is VerdictKind.DIRTY


@dataclass(frozen=True)
class Here:
    """Everything the page shows."""

    cards: list[Card]
    strangers: list[Stranger]
    known: bool  # False while nobody has looked at what is plugged in


def plugged_in(station: Station) -> Inventory | None:
    """The live list, None when there is none yet or it cannot be read."""
    try:
        return live.load(station.places)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def gather(session: Session, station: Station) -> Here:
    """All drives: HOT first, then COLD, then those that nobody has handed over."""
    seen = service.overview(session, station.places)
    jobs = _jobs_by_drive(session)
    return Here(
        cards=[Card(drive, found, jobs.get(service.lock_of(drive))) for drive, found in seen.drives],
        strangers=[Stranger(found, judged) for found, judged in seen.strangers],
        known=seen.known,
    )


def one(session: Session, station: Station, drive: Drive) -> Card:
    """The card of one drive, retired or not."""
    cards = gather(session, station).cards
    return next((card for card in cards if card.drive.id == drive.id), Card(drive, None, None))


def hand_overs(session: Session) -> Sequence[Job]:
    """What is being done to drives that are not (yet) ours: handing over, repairing, recognising."""
    wanted = select(Job).where(Job.lock.startswith("disk:"), Job.state.in_(ACTIVE))
    return session.scalars(wanted.order_by(Job.id)).all()


def _jobs_by_drive(session: Session) -> dict[str, Job]:
    """What is under way, by its lock."""
    return {job.lock: job for job in session.scalars(select(Job).where(Job.state.in_(ACTIVE)))}
