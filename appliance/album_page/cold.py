"""The page on a COLD drive, brought up to date at the end of a visit."""

from collections.abc import Callable, Sequence

from appliance.album_page import texts
from appliance.album_page.build import build
from appliance.drives.models import DriveRole
from appliance.drives.mounts import Mount
from appliance.errors import ApplianceError
from appliance.jobs.progress import Progress
from appliance.words import N_


def leave(progress: Progress, cold: Mount, hots: Sequence[Mount], flush: Callable[[], None]) -> None:
    """Let the drive explain itself; a drive without room for that does not spoil the proof of its copy.

    Raises DriveGone, and Stopped.
    """
    try:
        texts.leave(cold, DriveRole.COLD)
        build(progress, cold, DriveRole.COLD, hots=hots, flush=flush, share=(95, 97))
    except (ApplianceError, OSError) as error:
        cold.check()
        fields = {"drive": cold.name, "why": str(error)}
        progress.log(N_("The page of photos on {drive} could not be brought up to date: {why}"), fields)
