"""The station's chores, in one short process: ``python -m appliance.jobs.tick``.

``--start``           after a start: what the last power cut left is put in order, drives and jobs
``--interrupted ID``  that job's process died without a word
``--standing``        only look for work that waits behind the scenes (previews, index)
(none)                everything that is due now, and every health check

Each chore is guarded: one that fails is an issue and does not stop the rest.  The exit status is ``AGAIN`` when a drive
could not be brought into use or let go of yet.
"""

import argparse
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from appliance import plugin, reserve
from appliance.broker.client import Broker, SocketBroker
from appliance.db import Database
from appliance.health import service as health
from appliance.health.models import Severity
from appliance.jobs import schedule, service
from appliance.jobs.models import Job, JobState
from appliance.jobs.worker import AGAIN
from appliance.places import Places, places
from appliance.upgrade import trial
from appliance.words import N_, Message

log = logging.getLogger("everpx.tick")


@dataclass
class Chores:
    """What every chore needs, and whether the drives are as they should be."""

    db: Database
    broker: Broker
    places: Places
    settled: bool = True

    def recover_jobs(self) -> None:
        """Nobody works on these any more."""
        with self.db.writing() as session:
            for job in service.recover(session):
                log.info("job %d was interrupted: %s", job.id, job.state)

    def settle_drives(self) -> None:
        """Bring every drive to a safe state after a crash or a reboot."""
        from appliance.drives.power import resume_power

        resume_power(self.db, self.broker, self.places)

    def rest_drives(self) -> None:
        """What could not be let go, or switched off, is tried again."""
        from appliance.drives.power import rest_cold

        rest_cold(self.db, self.broker, self.places)

    def mount_hot(self) -> None:
        """Every HOT drive that is here and ours is in use."""
        from appliance.drives.mounts import ensure_hot

        self.settled = ensure_hot(self.db, self.broker, self.places)

    def open_front_door(self) -> None:
        """Uploads land on the drives that are in use now."""
        from appliance.web import service as web

        web.refresh(self.places)

    def renew_certificate(self) -> None:
        """Https speaks for the names and addresses that the station has now."""
        from appliance.web import health as door

        door.renew(self.db, self.broker, self.places)

    def settle_services(self) -> None:
        """Programs that plugins have running serve what is here now; those of plugins that are off end."""
        plugin.end_services_of_others(self.broker)
        with self.db.reading() as session:
            plugin.call("settle_services", session=session, broker=self.broker, places=self.places)

    def note_time(self) -> None:
        """What has surely passed; and what was dated by a clock that turned out to be far off is dated anew."""
        from appliance import clock
        from appliance.library import emptying

        if jump := clock.note(self.places):
            log.info("the clock was set, by %s", jump)
            emptying.date_anew(self.db, jump)

    def start_schedules(self) -> None:
        """What is due is queued."""
        with self.db.writing() as session:
            for job in schedule.start_due(session, datetime.now(UTC)):
                log.info("due: job %d, %s", job.id, job.title)

    def sample_space(self) -> None:
        """One point a day for the picture of space over time."""
        from appliance.drives.space import sample_space

        with self.db.writing() as session:
            sample_space(session, self.places)

    def sample_health(self) -> None:
        """What drives say of their health, at each power-on and once a day."""
        from appliance.drives.smart_history import sample_all

        with self.db.writing() as session:
            sample_all(session, self.places)

    def start_standing(self) -> None:
        """Previews and index, when something waits for them."""
        from appliance.jobs import standing

        with self.db.writing() as session:
            standing.start(session, self.places)
            plugin.call("standing_work", session=session)

    def check_database(self) -> None:
        """Read the whole database once a week; remember that this station has an owner."""
        from appliance import recovery
        from appliance.health import database

        recovery.remember_owner(self.places)
        database.check_weekly(self.places)

    def keep_reserve(self) -> None:
        """So that a full disk can be told of."""
        reserve.keep(self.places.database)

    def check_health(self) -> None:
        """Every check; findings become issues."""
        health.run_all(self.db, self.broker, self.places)


Chore = Callable[[Chores], None]

#: What people read when a chore failed.
TITLES = {
    "note_time": N_("looking at the clock"),
    "recover_jobs": N_("going on with what was interrupted"),
    "settle_drives": N_("bringing drives to rest"),
    "rest_drives": N_("letting drives rest"),
    "mount_hot": N_("taking drives into use"),
    "open_front_door": N_("getting ready for uploads"),
    "renew_certificate": N_("renewing its certificate"),
    "settle_services": N_("offering what is here to the network"),
    "start_schedules": N_("starting what is planned"),
    "start_standing": N_("preparing previews and looking through drives"),
    "sample_health": N_("noting how the drives are"),
    "sample_space": N_("noting how full the drives are"),
    "check_database": N_("reading its own database"),
    "keep_reserve": N_("keeping a little room on its own disk"),
    "check_health": N_("looking after everything"),
}
AT_START: tuple[Chore, ...] = (
    Chores.note_time,
    Chores.recover_jobs,
    Chores.settle_drives,
    Chores.mount_hot,
    Chores.open_front_door,
    Chores.settle_services,
    Chores.renew_certificate,
    Chores.start_schedules,
    Chores.start_standing,
)
USUAL: tuple[Chore, ...] = (
    Chores.note_time,
    Chores.recover_jobs,
    Chores.mount_hot,
    Chores.open_front_door,
    Chores.settle_services,
    Chores.renew_certificate,
    Chores.start_schedules,
    Chores.start_standing,
    Chores.sample_space,
    Chores.sample_health,
    Chores.check_database,
    Chores.keep_reserve,
    Chores.check_health,
    Chores.rest_drives,
)


#: What makes work, or lets go of something for good: nothing for a version that may not stay.
NOT_ON_TRIAL = {Chores.start_schedules, Chores.start_standing, Chores.sample_space, Chores.sample_health}


def do(chores: Chores, which: tuple[Chore, ...]) -> None:
    """Do chores one after the other, whatever becomes of each."""
    on_trial = trial.is_on(chores.places)
    for chore in which:
        if on_trial and chore in NOT_ON_TRIAL:
            continue
        name = chore.__name__
        try:
            chore(chores)
            problem = False
        except Exception:
            log.exception("the chore %s failed", name)
            problem = True
        with chores.db.writing() as session:
            if problem:
                health.tell(session, _failed(name))
            else:
                health.settle(session, "chore_failed", name)


def _failed(name: str) -> health.Finding:
    return health.Finding(
        code="chore_failed",
        severity=Severity.WARNING,
        subject=name,
        message=Message(
            N_("The station could not do one of its regular tasks ({task})."), {"task": Message(TITLES[name])}
        ),
        hint=Message(N_("Stored files are safe. It is tried again; if this stays, restart the station.")),
        guide="restart",
    )


def interrupted(db: Database, job_id: int) -> None:
    """A job's process died: as RUNNING it was interrupted, otherwise it never got so far as to claim the job."""
    with db.writing() as session:
        job = session.get(Job, job_id)
        if job is None or (job.state is JobState.RUNNING and service.is_alive(job)):
            return
        if job.state in (JobState.WAITING, JobState.INTERRUPTED):
            job.attempts, job.in_vain = job.attempts + 1, job.in_vain + 1
            service.interrupt(job)
        elif job.state is JobState.RUNNING:
            service.interrupt(job)


def main() -> None:
    """Do what the arguments ask for."""
    options = argparse.ArgumentParser(description="Everpx's chores")
    options.add_argument("--start", action="store_true")
    options.add_argument("--interrupted", type=int, metavar="ID")
    options.add_argument("--standing", action="store_true")
    given = options.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    here, status = places(), 0
    db = Database(here.database)
    if given.interrupted:
        interrupted(db, given.interrupted)
    else:
        os.nice(5)
        plugin.load(db)
        chores = Chores(db, SocketBroker(here.broker_socket), here)
        do(chores, AT_START if given.start else (Chores.start_standing,) if given.standing else USUAL)
        status = 0 if chores.settled else AGAIN
    db.close()
    sys.exit(status)


if __name__ == "__main__":
    main()
