"""Looking after everything now, because a person asked; the chores do the same by themselves."""

from appliance.health import service
from appliance.jobs.kinds import job_kind
from appliance.jobs.progress import Progress
from appliance.words import N_


@job_kind("health.check", N_("Check the station's health"))
def check(progress: Progress) -> None:
    """Run every check."""
    progress.step(N_("Looking at everything"))
    service.run_all(progress.db, progress.broker, progress.places)
