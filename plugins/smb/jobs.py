"""Long work of Windows and Mac sharing."""

from typing import Any

from appliance import announced, plugin
from appliance.jobs.kinds import job_kind
from appliance.jobs.progress import Progress
from appliance.words import N_
from plugins.smb import deleted, self_test, service
from plugins.smb.wanted import NAME


@job_kind(service.SELF_TEST, N_("Try the shares like a computer"))
def try_shares(progress: Progress) -> dict[str, Any]:
    """Sign in, list, write, read back, delete."""
    with progress.db.reading() as session:
        port = plugin.options(session, NAME)["port"]
    return {"done": self_test.run(progress.places, port)}


@job_kind(service.SETTLE, N_("Bring Windows and Mac sharing up to date"))
def bring_up_to_date(progress: Progress) -> dict[str, Any]:
    """Tell root who may use what now, and the network that there is something to use."""
    with progress.db.reading() as session:
        service.settle(session, progress.broker, progress.places)
    with progress.db.writing() as session:
        announced.refresh(session)
    return {}


@job_kind(deleted.JOB, N_("Put what was deleted on computers into the bin"))
def put_into_bin(progress: Progress) -> dict[str, Any]:
    """Everything that Samba put aside."""
    return {"files": deleted.gather(progress.db, progress.places)}
