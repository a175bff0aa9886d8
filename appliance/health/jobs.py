"""Looking after everything now, because a person asked; the chores do the same by themselves."""

from contextlib import suppress

from appliance import plugin
from appliance.drives import inventory, probing, smart_history
from appliance.drives.space import sample_space
from appliance.errors import ApplianceError
from appliance.health import service
from appliance.jobs.kinds import job_kind
from appliance.jobs.progress import Progress
from appliance.web import health as door
from appliance.words import N_


@job_kind("health.check", N_("Check the station's health"))
def check(progress: Progress) -> None:
    """Ask the drives anew (a sleeping one is left asleep), then run every check."""
    progress.step(N_("Looking at everything"))
    with suppress(ApplianceError):  # a root that is silent is a finding of its own
        inventory.refresh(progress.places, progress.broker, ask_again=True)
        probing.ask_anew(progress.places)
        with progress.db.writing() as session:
            smart_history.sample_all(session, progress.places)
            sample_space(session, progress.places)
    service.run_all(progress.db, progress.broker, progress.places)


@job_kind("health.settle_services", N_("Offering what is here to the network"))
def settle_services(progress: Progress) -> None:
    """Programs that plugins have running serve and announce what was just changed; the chores do so, too, but later."""
    progress.step(N_("Telling the network"))
    with progress.db.reading() as session:
        plugin.call("settle_services", session=session, broker=progress.broker, places=progress.places)
    with suppress(ApplianceError):  # a finding tells of it
        door.renew(progress.db, progress.broker, progress.places)
