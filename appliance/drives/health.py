"""What can be wrong with drives, in a family's words, each with the next step.

Imported by the health room when it checks.  Unknown is never shown as healthy: without a list of what is plugged in
there are no findings about strangers, and what is missing is told from the mounts alone.
"""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.broker.client import Broker
from appliance.db import now
from appliance.drives import service, switches
from appliance.drives.identity import Verdict, VerdictKind, own_ids, verdict
from appliance.drives.inventory import Found
from appliance.drives.models import Drive, DriveRole, DriveState, PowerState
from appliance.drives.mounts import (
    GONE,
    DriveGone,
    DriveMissing,
    Mount,
    NotThatDrive,
    hot_drives,
    hot_mounts,
    mount_for,
)
from appliance.drives.probing import Problem, problem_of
from appliance.errors import ApplianceError
from appliance.events import Event
from appliance.health.models import Severity
from appliance.health.service import Check, Finding, HealthContext, fix
from appliance.jobs import service as jobs
from appliance.places import Places
from appliance.settings import Setting
from appliance.words import N_, Message

COLD_AWAY_DAYS = Setting(
    "drives.cold_away_days",
    45,
    N_("Remind when a drive with a copy has not been here for"),
    minimum=1,
    maximum=3650,
    unit=N_("days"),
)
TOGETHER = timedelta(minutes=2)  # a copy notices at its next file that COLD is gone
NOT_WELL = (VerdictKind.FOREIGN, VerdictKind.CLONED, VerdictKind.WRONG, VerdictKind.DIRTY, VerdictKind.UNREADABLE)
CODES = tuple(f"drive_{kind.value}" for kind in NOT_WELL)  # whose findings compute their code
FIX_OF = {VerdictKind.DIRTY: "drives.repair", VerdictKind.WRONG: "drives.confirm"}


def missing(context: HealthContext) -> Iterator[Finding]:
    """HOT drives that are not in use.  When all went at once it is the power or the hub, not every drive."""
    drives = [d for d in hot_drives(context.session) if d.state is DriveState.ACTIVE]
    if all_gone(context):
        yield Finding(
            "drives_all_gone",
            Severity.DANGER,
            Message(N_("All drives disappeared at once.")),
            Message(N_("Check the power and the USB cable or hub. Most likely no drive is broken.")),
            guide="power",
        )
        return
    for drive in drives:
        if not _is_here(context, drive):
            yield from _why_away(context, drive)


def all_gone(context: HealthContext) -> bool:
    """Whether several drives vanished at once: that is the power or the hub."""
    drives = [d for d in hot_drives(context.session) if d.state is DriveState.ACTIVE]
    nothing_at_all = context.inventory is not None and all(found.system for found in context.inventory.found)
    if not nothing_at_all or any(_is_here(context, drive) for drive in drives):
        return False
    return len(drives) > 1 or (len(drives) == 1 and _went_with_cold(context, drives[0]))


def _went_with_cold(context: HealthContext, hot: Drive) -> bool:
    """Whether it was last here when the last two were unplugged while in use: it, and COLD at its copy."""
    wanted = select(Event.at, Event.message).where(Event.kind == GONE).order_by(Event.id.desc()).limit(2)
    gone = context.session.execute(wanted).all()
    if hot.last_here is None or len({str(event.message.fields) for event in gone}) < 2:
        return False
    return all(abs(hot.last_here - event.at) < TOGETHER for event in gone)


def _is_here(context: HealthContext, drive: Drive) -> bool:
    try:
        mount_for(context.places, drive)
    except (DriveMissing, DriveGone, NotThatDrive):
        return False
    return True


def _why_away(context: HealthContext, drive: Drive) -> Iterator[Finding]:
    if any(v.drive_id == drive.id and v.refused for _, v in _judged(context)):
        return  # told by :func:`strangers`, with its reason
    named, subject = {"drive": drive.name}, f"drive:{drive.id}"
    plugged_in = any(v.drive_id == drive.id for _, v in _judged(context))
    if drive.power_state is PowerState.UNMOUNTED and plugged_in:
        yield Finding(
            "drive_ejected",
            Severity.WARNING,
            Message(N_("{drive} was let go and may be unplugged."), named),
            Message(N_("New photos cannot be stored on it until it is used again.")),
            subject,
            fix="drives.use_again",
            fix_arguments={"drive_id": drive.id},
        )
        return
    yield Finding(
        "drive_missing",
        Severity.DANGER,
        Message(N_("{drive} is not connected."), named),
        Message(N_("Plug it in. Nothing is lost; its files cannot be seen and nothing new is stored on it meanwhile.")),
        subject,
        guide="connect",
    )


def writing(context: HealthContext) -> Iterator[Finding]:
    """HOT drives that take no files any more, found by writing one."""
    for mount in hot_mounts(context.session, context.places):
        problem = (
            Problem(N_("the drive is write-protected"))
            if mount.read_only
            else problem_of(context.places, mount, partial(_is_asleep, context, mount))
        )
        if problem is None or _is_dirty(context, mount) or _vanished(mount):
            continue
        if problem.full:
            yield Finding(
                "drive_full",
                Severity.DANGER,
                Message(N_("{drive} is full: nothing more can be stored on it."), {"drive": mount.name}),
                Message(N_("Everything on it is safe. Make room, or add another drive.")),
                f"drive:{mount.drive_id}",
                guide="room",
            )
            continue
        yield Finding(
            "drive_read_only",
            Severity.DANGER,
            Message(N_("Nothing can be stored on {drive}: {why}."), {"drive": mount.name, "why": Message(problem.why)}),
            Message(N_("Its photos can still be seen. Make a copy now; if it stays so, replace the drive.")),
            f"drive:{mount.drive_id}",
            fix="drives.repair",
            fix_arguments={"device": mount.device},
            guide="replace",
        )


def _is_asleep(context: HealthContext, mount: Mount) -> bool:
    """Asked right now, and without waking it; only of a drive that has ever told anything of itself."""
    found = context.inventory.by_device(mount.device) if context.inventory else None
    if found is None or not found.health_details.get("known"):
        return False
    try:
        return bool(context.broker("drives.smart", {"disk": found.disk})["asleep"])
    except ApplianceError:
        return False


def _vanished(mount: Mount) -> bool:
    """Whether it was pulled while it was asked: that is told by :func:`missing`."""
    try:
        mount.check()
    except DriveGone:
        return True
    return False


def _is_dirty(context: HealthContext, mount: Mount) -> bool:
    return any(v.drive_id == mount.drive_id and v.kind is VerdictKind.DIRTY for _, v in _judged(context))


def failing(context: HealthContext) -> Iterator[Finding]:
    """Drives that say themselves that they are failing."""
    for found, judged in _judged(context):
        drive = context.session.get(Drive, judged.drive_id) if judged.drive_id else None
        if found.health == "failing" and drive is not None and drive.state is not DriveState.RETIRED:
            yield Finding(
                "drive_failing",
                Severity.DANGER,
                Message(N_("{drive} reports that it is failing."), {"drive": drive.name}),
                Message(N_("Make sure that a copy is proven today, and replace this drive soon.")),
                f"drive:{drive.id}",
                guide="replace",
            )


def nearly_full(context: HealthContext) -> Iterator[Finding]:
    """Drives with less room than their own alarm allows."""
    for drive in context.session.scalars(select(Drive).where(Drive.state == DriveState.ACTIVE)):
        if drive.free is None or drive.size <= 0:
            continue
        percent = 100 * drive.free / drive.size
        if percent < drive.full_below_percent:
            yield Finding(
                "drive_nearly_full",
                Severity.WARNING,
                Message(
                    N_("{drive} has only {percent} % of its room left."), {"drive": drive.name, "percent": int(percent)}
                ),
                Message(N_("Add a larger drive, or move away what you no longer need.")),
                f"drive:{drive.id}",
                guide="room",
            )


def strangers(context: HealthContext) -> Iterator[Finding]:
    """Drives that are plugged in and refused, each with its reason and its next step."""
    for found, judged in _judged(context):
        if judged.kind not in NOT_WELL or (judged.kind is VerdictKind.DIRTY and judged.drive_id is None):
            continue
        yield Finding(
            f"drive_{judged.kind.value}",
            Severity.WARNING if judged.drive_id else Severity.NOTICE,
            judged.message,
            judged.hint,
            f"device:{found.device}",
            fix=FIX_OF.get(judged.kind),
            fix_arguments={"device": found.device} if judged.kind in FIX_OF else {},
            guide="stranger",
        )


def cold_away(context: HealthContext) -> Iterator[Finding]:
    """COLD drives that have not been here for long."""
    days = COLD_AWAY_DAYS.get(context.session)
    wanted = select(Drive).where(Drive.role == DriveRole.COLD, Drive.state == DriveState.ACTIVE)
    for drive in context.session.scalars(wanted):
        last = drive.last_here or drive.handed_over
        if now() - last > timedelta(days=days):
            yield Finding(
                "cold_away",
                Severity.WARNING,
                Message(
                    N_("{drive} was last here {days} days ago."), {"drive": drive.name, "days": (now() - last).days}
                ),
                Message(N_("Plug it in, so that it gets what is new since then.")),
                f"drive:{drive.id}",
                guide="connect",
            )


def may_be_switched_off(context: HealthContext) -> Iterator[Finding]:
    """COLD drives that are done, still here, and have nobody but people to switch them off."""
    for found, judged in _judged(context):
        drive = context.session.get(Drive, judged.drive_id) if judged.drive_id else None
        if drive is None or drive.role is not DriveRole.COLD or switches.driver_of(drive).name != "people":
            continue
        if drive.power_state is PowerState.OFF and found.mounted_as is None and judged.kind is VerdictKind.OURS:
            yield Finding(
                "drive_may_go",
                Severity.NOTICE,
                Message(N_("{drive} may be switched off or unplugged now."), {"drive": drive.name}),
                Message(N_("A copy is safest on a drive that is off.")),
                f"drive:{drive.id}",
                guide="put_away",
            )


def switch_lost(context: HealthContext) -> Iterator[Finding]:
    """COLD drives whose switch belongs to a plugin that is not there: people are asked meanwhile."""
    for drive in service.every(context.session):
        if drive.role is DriveRole.COLD and drive.state is not DriveState.RETIRED and switches.is_lost(drive):
            yield Finding(
                "switch_lost",
                Severity.WARNING,
                Message(
                    N_("What switched {drive} on and off is no longer there (“{way}”)."),
                    {"drive": drive.name, "way": drive.power_driver},
                ),
                Message(
                    N_(
                        "Until its plugin is back, a person is asked to switch {drive} on for each copy, and told when "
                        "it may be switched off."
                    ),
                    {"drive": drive.name},
                ),
                f"drive:{drive.id}",
                fix="drives.by_people",
                fix_arguments={"drive_id": drive.id},
            )


def _judged(context: HealthContext) -> list[tuple[Found, Verdict]]:
    if context.inventory is None:
        return []
    own, drives = own_ids(context.places), service.every(context.session)
    return [(f, verdict(f, context.inventory, drives, own)) for f in context.inventory.found]


CHECKS: list[Check] = [
    Check("drives.missing", missing, N_("HOT drives are here")),
    Check("drives.writing", writing, N_("HOT drives take files")),
    Check("drives.failing", failing, N_("The drives’ own health")),
    Check("drives.nearly_full", nearly_full, N_("Room on the drives")),
    Check("drives.strangers", strangers, N_("Drives that are not ours")),
    Check("drives.cold_away", cold_away, N_("COLD drives come back in time")),
    Check("drives.switch_lost", switch_lost, N_("What switches COLD drives")),
    Check("drives.may_be_switched_off", may_be_switched_off, N_("Drives that may be switched off")),
]


@fix("drives.repair", N_("Check and repair"))
def repair(session: Session, broker: Broker, places: Places, *, device: str) -> Message:
    """Start the checking program."""
    service.repair(session, places, device)
    return Message(N_("The drive is being checked; see Activity."))


@fix("drives.confirm", N_("It is the same drive"))
def confirm(session: Session, broker: Broker, places: Places, *, device: str) -> Message:
    """Recognise a drive again."""
    service.confirm_same(session, places, device)
    return Message(N_("The drive is being recognised; see Activity."))


@fix("drives.use_again", N_("Use it again"))
def use_again(session: Session, broker: Broker, places: Places, *, drive_id: int) -> Message:
    """Take an ejected drive back."""
    service.use_again(session, drive_id)
    return Message(N_("The drive is being taken into use again."))


@fix("drives.by_people", N_("A person does it from now on"))
def by_people(session: Session, broker: Broker, places: Places, *, drive_id: int) -> None:
    """What a plugin that comes back would have switched, it no longer does."""
    service.change(session, drive_id, power_driver=switches.PeopleDriver.name)


@fix("drives.release", N_("Try again"))
def release(session: Session, broker: Broker, places: Places, *, drive_id: int) -> Message:
    """Try to let a drive go."""
    drive = service.get(session, drive_id)
    jobs.start(
        session,
        "drives.release",
        title=Message(N_("Let go of {drive}"), {"drive": drive.name}),
        lock=service.lock_of(drive),
        arguments={"drive_id": drive_id},
    )
    return Message(N_("The station is trying to let the drive go."))
