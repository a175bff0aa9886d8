"""How drives get worse, told before they fail: from what they said of themselves over a month."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from appliance.drives import service, smart_history
from appliance.drives.inventory import Found
from appliance.drives.models import Drive, DriveRole, DriveState, SmartSample
from appliance.drives.smart_history import SPOTS, Growth, growth, samples
from appliance.health.models import Severity
from appliance.health.service import Check, Finding, HealthContext
from appliance.words import N_, Message

MANY_SPOTS = 8  # within a month
CABLE_ERRORS = 5
WORN_PERCENT, WORN_OUT_PERCENT = 90, 100
#: Makers allow 60 °C for disks and 70 °C for SSDs; both age quickly before that.
WARM_C = {"hdd": 55, "ssd": 68}
WARM_OTHERS_C = 65


def _in_service(context: HealthContext) -> list[Drive]:
    return [d for d in service.every(context.session) if d.state is not DriveState.RETIRED]


def worsening(context: HealthContext) -> Iterator[Finding]:
    """Bad spots that grew; one more cable error is told with its own advice."""
    for drive in _in_service(context):
        history = samples(context.session, drive.id, smart_history.MOST)
        if spots := growth(history, *SPOTS):
            yield _spots(context, drive, history[0], spots)
        cable = growth(history, "crc_errors")
        if cable and cable.after - cable.before >= CABLE_ERRORS:
            fields = {"drive": drive.name, "count": cable.after - cable.before, "days": cable.days}
            yield Finding(
                "drive_cable_errors",
                Severity.WARNING,
                Message(N_("The cable of {drive} garbled {count} messages in {days} days."), fields),
                Message(N_("They were sent again, so nothing is lost. Another cable or USB port helps.")),
                f"drive:{drive.id}",
                guide="cable",
            )


def _spots(context: HealthContext, drive: Drive, newest: SmartSample, grown: Growth) -> Finding:
    urgent = grown.after - grown.before >= MANY_SPOTS or bool(newest.pending) or bool(newest.uncorrectable)
    fields = {"drive": drive.name, "before": grown.before, "after": grown.after, "days": grown.days}
    button, arguments = _copy_now(context, drive)
    return Finding(
        "drive_worsening",
        Severity.DANGER if urgent else Severity.WARNING,
        Message(N_("Bad spots on {drive} grew from {before} to {after} in {days} days."), fields),
        Message(N_("Copy now, and replace this drive soon. What has a proven copy is safe.")),
        f"drive:{drive.id}",
        fix=button,
        fix_arguments=arguments,
        guide="replace",
    )


def _copy_now(context: HealthContext, drive: Drive) -> tuple[str | None, dict[str, Any]]:
    """A button for what is on a HOT drive, when there is somewhere to copy to."""
    wanted = select(Drive.id).where(Drive.role == DriveRole.COLD, Drive.state == DriveState.ACTIVE)
    cold = context.session.scalar(wanted.order_by(Drive.number).limit(1))
    if drive.role is DriveRole.HOT and cold is not None:
        return "backup.run_now", {"cold_drive_id": cold}
    return None, {}


def worn(context: HealthContext) -> Iterator[Finding]:
    """SSDs near the end of the writing that they were made for."""
    for drive in _in_service(context):
        newest = samples(context.session, drive.id, 1)
        used = newest[0].percent_used if newest else None
        if used is not None and used >= WORN_PERCENT:
            yield Finding(
                "drive_worn",
                Severity.DANGER if used >= WORN_OUT_PERCENT else Severity.WARNING,
                Message(N_("{drive} has used up {percent} % of its life."), {"drive": drive.name, "percent": used}),
                Message(N_("It still works. Plan for a new drive, and see that copies are made in time.")),
                f"drive:{drive.id}",
                guide="replace",
            )


def warm(context: HealthContext) -> Iterator[Finding]:
    """Drives that are too warm right now."""
    for drive, found in service.overview(context.session, context.places).drives:
        if found is not None and found.temperature_c is not None and found.temperature_c >= limit_c(found):
            fields = {"drive": drive.name, "degrees": found.temperature_c}
            yield Finding(
                "drive_warm",
                Severity.WARNING,
                Message(N_("{drive} is {degrees} °C warm."), fields),
                Message(N_("It works, but warmth makes it age. Put it where air can move.")),
                f"drive:{drive.id}",
                guide="cooler",
            )


def limit_c(found: Found) -> int:
    """From how many degrees on a drive of this kind is too warm."""
    return WARM_C.get(found.kind, WARM_OTHERS_C)


CHECKS: list[Check] = [
    Check("drives.worsening", worsening, N_("Drives that get worse")),
    Check("drives.worn", worn, N_("How worn the drives are")),
    Check("drives.warm", warm, N_("The drives’ temperature")),
]
