"""Trying what is served, from this computer, by a client of our own."""

from appliance.errors import ApplianceError
from appliance.jobs.kinds import job_kind
from appliance.jobs.progress import Progress
from appliance.words import N_
from plugins.nfs import client, service


class DoesNotAnswer(ApplianceError):
    """Served, and nobody there."""

    code, status, template = "nfs_silent", 503, N_("The server of folders for Linux and media players does not answer.")
    hint = N_("Files are safe. Restart the station; if this stays, switch this plugin off and on.")


@job_kind(service.SELF_TEST, N_("Trying the folders for Linux and media players"))
def try_folders(progress: Progress) -> dict[str, object]:
    """Serve what is wished for, and ask the server for it.  Raises what root says, or DoesNotAnswer."""
    progress.step(N_("Asking the server"))
    with progress.db.reading() as session:
        service.serve(session, progress.broker, progress.places)
        wished = {(one["tag"], one["folder"]) for one in service.wanted(session)["exports"]}
    served = service.state(progress.places)["served"]
    if served and not client.answers("127.0.0.1", service.port()):
        raise DoesNotAnswer()
    missing = wished - {(one["tag"], one["folder"]) for one in served}
    return {"served": [one["name"] for one in served], "missing": [" ".join(one) for one in sorted(missing)]}
