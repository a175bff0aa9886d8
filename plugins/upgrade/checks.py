"""What has to be so before a version is installed or tried; who signed it, and whether it is newer, root decides."""

import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from appliance.errors import ApplianceError
from appliance.places import Places
from appliance.words import N_
from plugins.upgrade.requests import DriveHeld, is_drive_held

__all__ = ["DriveHeld", "JustStarted", "NotQuiet", "no_drive_held", "quiet", "settled"]

SETTLED_S = 600  # after the start: drives are found, services come up, the clock is asked for
MINUTE = 30  # of the quiet hour
WINDOW = timedelta(hours=2)  # a restart that could not be at its moment may still be within this


class JustStarted(ApplianceError):
    """The station is still finding its drives."""

    code, status = "upgrade_just_started", 409
    template = N_("The station was started less than ten minutes ago.")
    hint = N_("It first finds its drives and the time. Try again in a few minutes.")


class NotQuiet(ApplianceError):
    """It is day."""

    code, status, template = "upgrade_not_quiet", 409, N_("This is not the quiet hour.")
    hint = N_("The station restarts by itself in the night.")


def uptime_s() -> float:
    """Seconds since the machine was started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def settled() -> None:
    """Raise JustStarted within ten minutes of the start."""
    if uptime_s() < SETTLED_S:
        raise JustStarted


def no_drive_held(places: Places) -> None:
    """Raise DriveHeld while a job holds a drive."""
    if is_drive_held(places.run):
        raise DriveHeld


def quiet(moment: datetime, zone: str, hour: int) -> None:
    """Raise NotQuiet outside of the two hours from the quiet moment on."""
    local = moment.astimezone(ZoneInfo(zone))
    begins = local.replace(hour=hour, minute=MINUTE, second=0, microsecond=0)
    if begins > local:
        begins -= timedelta(days=1)
    if local - begins > WINDOW:
        raise NotQuiet
