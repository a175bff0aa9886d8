"""Jobs of being found."""

from appliance.jobs.kinds import job_kind
from appliance.jobs.progress import Progress
from appliance.words import N_
from plugins.discovery import service


@job_kind("discovery.look", N_("Looking around on the network"))
def look(progress: Progress) -> dict[str, object]:
    """Announce what is so, then ask who else is there; a few seconds."""
    progress.step(N_("Listening"))
    with progress.db.reading() as session:
        service.settle(session, progress.broker, progress.places)
    found = service.look_around(progress.places)
    return {"others": len(found.others)}
