"""Looking after everything now, because a person asked; the chores do the same by themselves."""

from appliance import plugin
from appliance.health import service
from appliance.jobs.kinds import job_kind
from appliance.jobs.progress import Progress
from appliance.words import N_


@job_kind("health.check", N_("Check the station's health"))
def check(progress: Progress) -> None:
    """Run every check."""
    progress.step(N_("Looking at everything"))
    service.run_all(progress.db, progress.broker, progress.places)


@job_kind("health.settle_services", N_("Offering what is here to the network"))
def settle_services(progress: Progress) -> None:
    """Programs that plugins have running serve and announce what was just changed; the chores do so, too, but later."""
    progress.step(N_("Telling the network"))
    with progress.db.reading() as session:
        plugin.call("settle_services", session=session, broker=progress.broker, places=progress.places)
