"""What the console, the API and the command line ask of the drives room.

Everything that takes longer than a moment is a job; functions that start one check first what can be checked now, and
the job checks again against what is plugged in when it runs.
"""

import re
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from appliance import events
from appliance.drives import inventory as live
from appliance.drives import switches
from appliance.drives.identity import Verdict, VerdictKind, own_ids, verdict
from appliance.drives.inventory import Found, Inventory
from appliance.drives.models import COLOURS, Drive, DriveRole, DriveState, PowerState
from appliance.errors import ApplianceError, Conflict, Invalid, NotFound
from appliance.health import service as health
from appliance.jobs import service as jobs
from appliance.jobs.models import Job, JobState
from appliance.places import Places
from appliance.words import N_, Message

LONGEST_NAME = 60
FILESYSTEMS = ("ext4", "exfat", "btrfs")
DEFAULT_NAMES = {
    "blue": N_("The blue drive"),
    "green": N_("The green drive"),
    "amber": N_("The amber drive"),
    "rose": N_("The rose drive"),
    "violet": N_("The violet drive"),
}


class NotPluggedIn(ApplianceError):
    """The drive that was chosen is not there (any more)."""

    code, status = "drive_not_plugged_in", 404
    template = N_("This drive is no longer plugged in.")
    hint = N_("Nothing was changed. Plug it in and choose it again.")


class DriveRefused(ApplianceError):
    """A drive's verdict forbids what was asked; the verdict's own words say why."""

    code, status, template = "drive_refused", 409, "{why}"

    def __init__(self, judged: Verdict) -> None:
        self.judged = judged
        super().__init__(why=str(judged.message))
        self.hint = str(judged.hint)  # type: ignore[misc]

    @property
    def message(self) -> Message:
        """The verdict's sentence."""
        return self.judged.message


@dataclass(frozen=True)
class Confirmation:
    """What erasing a drive would destroy, and what a person must type to want it."""

    title: str
    names: tuple[str, ...]
    names_total: int
    used: int | None
    size: int
    phrase: str
    unknown: bool  # it may hold something that the station cannot read: encrypted, of another system, broken


@dataclass(frozen=True)
class Overview:
    """Handed-over drives (with what is plugged in for them, if so), and everything else that is plugged in."""

    drives: list[tuple[Drive, Found | None]]
    strangers: list[tuple[Found, Verdict]]
    known: bool  # False: nobody has looked yet


def overview(session: Session, places: Places) -> Overview:
    """Everything there is to show, HOT drives first."""
    drives = every(session)
    inventory, known = _inventory(places)
    judged = [(f, verdict(f, inventory, drives, own_ids(places))) for f in inventory.found]
    ours = {v.drive_id: f for f, v in judged if v.kind is VerdictKind.OURS}
    return Overview(
        [(drive, ours.get(drive.id)) for drive in drives if drive.state is not DriveState.RETIRED],
        [(f, v) for f, v in judged if v.kind is not VerdictKind.OURS],
        known,
    )


def every(session: Session) -> list[Drive]:
    """Every drive that ever was handed over, HOT first."""
    return list(session.scalars(select(Drive).order_by(Drive.role.desc(), Drive.number)))


def get(session: Session, drive_id: int) -> Drive:
    """Raises NotFound."""
    drive = session.get(Drive, drive_id)
    if drive is None:
        raise NotFound(what="drive")
    return drive


def plugged_in(places: Places, device: str) -> tuple[Found, Inventory]:
    """A drive that is plugged in, by kernel name.  Raises NotPluggedIn."""
    inventory, _ = _inventory(places)
    found = inventory.by_device(device)
    if found is None:
        raise NotPluggedIn()
    return found, inventory


def _inventory(places: Places) -> tuple[Inventory, bool]:
    try:
        return live.load(places), True
    except FileNotFoundError:
        return Inventory(), False


def confirmation(found: Found) -> Confirmation:
    """What a person must see before erasing a drive."""
    return Confirmation(
        title=found.title,
        names=found.names,
        names_total=found.names_total,
        used=found.used,
        size=found.size,
        phrase=f"erase {found.title}",
        unknown=bool(found.problem) or found.used is None,
    )


def adopt(
    session: Session,
    places: Places,
    *,
    device: str,
    role: DriveRole,
    name: str = "",
    colour: str = "",
    asked_by: int | None = None,
) -> Job:
    """Hand a drive over with everything that is on it.  Raises NotPluggedIn, DriveRefused, Invalid, AlreadyRunning."""
    found, judged = _judged(session, places, device)
    if not judged.can_adopt:
        raise DriveRefused(judged)
    arguments = {
        "device": device,
        "serial": found.serial,
        "size": found.size,
        "filesystem_uuid": found.filesystem_uuid,
        "role": role.value,
        "name": _checked_name(name),
        "colour": _checked_colour(colour),
    }
    return jobs.start(
        session,
        "drives.adopt",
        title=Message(N_("Take over {name}"), {"name": found.title}),
        lock=f"disk:{found.disk}",
        arguments=arguments,
        asked_by=asked_by,
    )


def erase(  # noqa: PLR0913 - what a person chose, one keyword each
    session: Session,
    places: Places,
    *,
    device: str,
    role: DriveRole,
    filesystem: str,
    typed: str,
    name: str = "",
    colour: str = "",
    asked_by: int | None = None,
) -> Job:
    """Format a drive and hand it over, when ``typed`` is the confirmation's phrase.

    Raises NotPluggedIn, DriveRefused, Invalid (``typed``, ``filesystem``, ``name``, ``colour``), AlreadyRunning.
    """
    found, judged = _judged(session, places, device)
    if not judged.can_format:
        raise DriveRefused(judged)
    if filesystem not in FILESYSTEMS:
        raise Invalid({"filesystem": N_("Choose one of the listed values.")})
    phrase = confirmation(found).phrase
    if _plain(typed) != _plain(phrase):
        raise Invalid({"typed": Message(N_("Type “{phrase}” to erase this drive."), {"phrase": phrase})})
    arguments = {
        "device": device,
        "serial": found.serial,
        "size": found.size,
        "filesystem_uuid": found.filesystem_uuid,
        "filesystem": filesystem,
        "role": role.value,
        "name": _checked_name(name),
        "colour": _checked_colour(colour),
    }
    return jobs.start(
        session,
        "drives.format",
        title=Message(N_("Erase {name} and use it"), {"name": found.title}),
        lock=f"disk:{found.disk}",
        arguments=arguments,
        asked_by=asked_by,
    )


def _judged(session: Session, places: Places, device: str) -> tuple[Found, Verdict]:
    found, inventory = plugged_in(places, device)
    return found, verdict(found, inventory, every(session), own_ids(places))


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if len(name) > LONGEST_NAME or re.search(r"[\x00-\x1f\x7f]", name):
        raise Invalid({"name": Message(N_("Use at most {most} characters."), {"most": LONGEST_NAME})})
    return name


def _checked_colour(colour: str) -> str:
    if colour and colour not in COLOURS:
        raise Invalid({"colour": N_("Choose one of the listed values.")})
    return colour


def next_colour(session: Session) -> str:
    """A colour that no drive in use has, else the one that the fewest have."""
    used = dict.fromkeys(COLOURS, 0)
    counts = select(Drive.colour, func.count()).where(Drive.state != DriveState.RETIRED).group_by(Drive.colour)
    for colour, number in session.execute(counts):
        used[colour] = number
    return min(COLOURS, key=lambda colour: used[colour])


def eject(session: Session, drive_id: int, asked_by: int | None = None) -> Job:
    """Let a drive go, so that it may be unplugged.  Raises NotFound, Conflict while a job needs it."""
    drive = get(session, drive_id)
    if drive.role is DriveRole.HOT and (busy := _jobs_on_hot(session)):
        raise jobs.AlreadyRunning(title=busy.title)
    return jobs.start(
        session,
        "drives.eject",
        title=Message(N_("Let go of {drive}"), {"drive": drive.name}),
        lock=lock_of(drive),
        arguments={"drive_id": drive_id},
        asked_by=asked_by,
    )


def lock_of(drive: Drive) -> str:
    """The lock of every job that needs a drive for itself: ``cold:2``, ``hot:1``."""
    return f"{drive.role.value}:{drive.id}"


def _jobs_on_hot(session: Session) -> Job | None:
    """A running job that reads or writes HOT drives."""
    rooms = ("backup.", "library.")
    running = session.scalars(select(Job).where(Job.state == JobState.RUNNING))
    return next((job for job in running if job.kind.startswith(rooms)), None)


def use_again(session: Session, drive_id: int, asked_by: int | None = None) -> Job:
    """Take an ejected drive that is still plugged in back into use."""
    drive = get(session, drive_id)
    return jobs.start(
        session,
        "drives.use",
        title=Message(N_("Use {drive} again"), {"drive": drive.name}),
        lock=lock_of(drive),
        arguments={"drive_id": drive_id},
        asked_by=asked_by,
    )


def repair(session: Session, places: Places, device: str, asked_by: int | None = None) -> Job:
    """Check a drive that was not switched off properly, or one in use that takes no files, and put it right.

    Raises NotPluggedIn, DriveRefused, and AlreadyRunning while a job reads or writes the drives in use.
    """
    found, judged = _judged(session, places, device)
    in_use = judged.kind is VerdictKind.OURS and found.mounted_as is not None
    if judged.kind is not VerdictKind.DIRTY and not in_use:
        raise DriveRefused(judged)
    if in_use and (busy := _jobs_on_hot(session)):
        raise jobs.AlreadyRunning(title=busy.title)
    return jobs.start(
        session,
        "drives.repair",
        title=Message(N_("Check and repair {name}"), {"name": found.title}),
        lock=f"disk:{found.disk}",
        arguments={"device": device, "filesystem_uuid": found.filesystem_uuid, "drive_id": judged.drive_id},
        asked_by=asked_by,
    )


def confirm_same(session: Session, places: Places, device: str, asked_by: int | None = None) -> Job:
    """A person says that this is the drive it claims to be (new case, lost marker).

    Raises NotPluggedIn, DriveRefused.
    """
    found, judged = _judged(session, places, device)
    if judged.kind is not VerdictKind.WRONG or judged.drive_id is None:
        raise DriveRefused(judged)
    return jobs.start(
        session,
        "drives.confirm",
        title=Message(N_("Recognise {drive} again"), {"drive": get(session, judged.drive_id).name}),
        lock=f"disk:{found.disk}",
        arguments={"device": device, "drive_id": judged.drive_id, "serial": found.serial},
        asked_by=asked_by,
    )


def change(
    session: Session,
    drive_id: int,
    *,
    name: str | None = None,
    colour: str | None = None,
    full_below_percent: int | None = None,
    power_driver: str | None = None,
    asked_by: int | None = None,
) -> Drive:
    """Rename, recolour, set the alarm, choose who switches it.  Raises NotFound, or Invalid with every problem."""
    drive, problems = get(session, drive_id), dict[str, Message | str]()
    try:
        name = None if name is None else _checked_name(name)
        if name == "":
            problems["name"] = N_("Give it a name.")
    except Invalid as error:
        problems |= error.problems
    if colour is not None and colour not in COLOURS:
        problems["colour"] = N_("Choose one of the listed values.")
    if full_below_percent is not None and not 1 <= full_below_percent <= 50:
        problems["full_below_percent"] = N_("Choose a number from 1 to 50.")
    if power_driver is not None and (why := switches.problem(session, drive, power_driver)):
        problems["power_driver"] = why
    if problems:
        raise Invalid(problems)
    if name and name != drive.name:
        events.record(
            session, "drive.renamed", N_("{old} is now called {drive}."), actor_id=asked_by, old=drive.name, drive=name
        )
    drive.name = name or drive.name
    drive.colour = colour or drive.colour
    drive.full_below_percent = full_below_percent or drive.full_below_percent
    drive.power_driver = power_driver or drive.power_driver
    return drive


def retire(session: Session, drive_id: int, *, replaced_by: int | None = None, asked_by: int | None = None) -> Drive:
    """Use a drive no longer; its files stay on it.  Raises NotFound, Conflict while it is in use."""
    drive = get(session, drive_id)
    if drive.power_state in (PowerState.MOUNTED, PowerState.FLUSHING, PowerState.SPINNING_UP):
        raise Conflict()
    drive.state = DriveState.RETIRED
    health.settle_about(session, f"drive:{drive.id}")
    if replaced_by is None:
        events.record(session, "drive.retired", N_("{drive} was retired."), actor_id=asked_by, drive=drive.name)
    else:
        heir = get(session, replaced_by)
        events.record(
            session,
            "drive.replaced",
            N_("{drive} was replaced by {heir}."),
            actor_id=asked_by,
            drive=drive.name,
            heir=heir.name,
        )
    return drive
