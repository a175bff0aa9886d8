"""One job, one process: ``python -m appliance.jobs.runner 42``.

A process of its own means that a job which is killed, leaks or crashes takes nothing else with it, and that the idle
worker does not carry the memory of the work.  The exit status does not matter: the row says how it ended, and a row
that still says RUNNING when the process is gone was interrupted.
"""

import logging
import os
import signal
import sys
from typing import Any

from appliance import plugin
from appliance.broker.client import SocketBroker
from appliance.db import Database, now
from appliance.errors import ApplianceError
from appliance.jobs import kinds, service
from appliance.jobs.life import die_with_worker
from appliance.jobs.models import ACTIVE, Job, JobState, Wish
from appliance.jobs.progress import Cancelled, Interrupted, Paused, Progress
from appliance.places import places
from appliance.words import N_, Message

log = logging.getLogger("everpx.jobs")


def main() -> None:
    """Run the job whose id is the last argument."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    die_with_worker()
    here = places()
    db = Database(here.database)
    job = claim(db, int(sys.argv[-1]))
    if job is not None:
        progress = Progress(db, SocketBroker(here.broker_socket), here, job)
        signal.signal(signal.SIGTERM, lambda *_: setattr(progress, "stopping", True))
        plugin.load(db)
        run(db, progress, job)
    db.close()


def claim(db: Database, job_id: int) -> Job | None:
    """Take a waiting job; None when somebody else was quicker or it was cancelled."""
    with db.writing() as session:
        job = session.get(Job, job_id)
        if job is None or job.state not in (JobState.WAITING, JobState.INTERRUPTED) or job.wish is not Wish.RUN:
            return None
        job.state, job.pid, job.started = JobState.RUNNING, os.getpid(), job.started or now()
        job.attempts, job.in_vain = job.attempts + 1, job.in_vain + 1
        job.error_code = job.error = None
    return job


def run(db: Database, progress: Progress, job: Job) -> None:
    """Do the work and write down how it ended."""
    ending: dict[str, Any]
    try:
        kind = kinds.find(job.kind)
        os.nice(kind.nice)
        result = kind.body(progress, **job.arguments)
        ending = {"state": JobState.DONE, "percent": 100, "result": result or {}}
    except Paused:
        ending = {"state": JobState.PAUSED, "attempts": 0, "in_vain": 0}
    except Interrupted:
        ending = {"state": JobState.INTERRUPTED, "attempts": 0, "in_vain": 0}  # an orderly end is not the job's fault
    except Cancelled:
        ending = {"state": JobState.CANCELLED}
    except ApplianceError as error:
        log.warning("job %d: %s", job.id, error)
        ending = {"state": JobState.FAILED, "error_code": error.code, "error": error.message}
    except Exception:
        log.exception("bug in job %d", job.id)
        bug = Message(N_("The station made a mistake (job {number}). It is in the log."), {"number": job.id})
        ending = {"state": JobState.FAILED, "error_code": "bug", "error": bug}
    finish(db, job.id, ending)


def finish(db: Database, job_id: int, ending: dict[str, Any]) -> None:
    """Commit the end of a job."""
    with db.writing() as session:
        job = session.get_one(Job, job_id)
        for name, value in ending.items():
            setattr(job, name, value)
        job.pid = job.rate = job.seconds_left = None
        if job.state is JobState.PAUSED and job.wish is not Wish.PAUSE:  # somebody thought again meanwhile
            job.state = JobState.CANCELLED if job.wish is Wish.CANCEL else JobState.WAITING
        if job.state not in ACTIVE:
            job.finished = now()
        if job.state is JobState.DONE:
            job.attempts = job.in_vain = 0
        service.prune(session)


if __name__ == "__main__":
    main()
