"""Long work: blinking."""

from typing import Any

from appliance import plugin
from appliance.jobs.kinds import job_kind
from appliance.jobs.progress import Progress
from appliance.words import N_
from everpx_lamp import service

PAUSE_S = 0.1


@job_kind(service.BLINK, N_("Blinking"))
def blink(progress: Progress) -> dict[str, Any]:
    """As often as the option says; dark at the end, whatever happens."""
    with progress.db.reading() as session:
        options = plugin.options(session, service.NAME)
    name, times = options["light"], options["blinks"]
    try:
        for done in range(progress.checkpoint.get("done", 0), times):
            progress.step(N_("Blinking"), done, times, unit="times")
            progress.broker("lamp.light", {"name": name, "on": True})
            progress.wait(PAUSE_S)
            progress.broker("lamp.light", {"name": name, "on": False})
            progress.keep(done=done + 1)
    finally:
        progress.broker("lamp.light", {"name": name, "on": False})
    return {"blinked": times}
