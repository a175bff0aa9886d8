"""A station that imports: a HOT drive, somebody whose photos they become, and jobs run as the worker runs them."""

import os
import subprocess
import sys
from typing import Any

from sqlalchemy import func, select

from appliance import plugin
from appliance.broker.client import Broker
from appliance.db import Database
from appliance.drives.layout import INCOMING
from appliance.drives.mounts import Mount
from appliance.jobs import runner
from appliance.jobs.models import Job, JobState
from appliance.jobs.progress import Progress
from appliance.library.models import Media, StoredFile
from appliance.people.models import Role, User
from appliance.places import Places
from plugins.importer import service
from plugins.importer.models import ImportRun
from tests.hot_drive import hand_over, person


class Importing:
    """With few words: ``look``, ``bring``, and what there is then."""

    def __init__(self, db: Database, places: Places, broker: Broker, hot: Mount | None = None) -> None:
        self.db, self.places, self.broker = db, places, broker
        self.hot = hot or hand_over(db, places, places.data / "hot")
        self.anna: User = person(db, "Anna", Role.ADMIN)
        plugin.load(db)

    def look(self, wanted: service.Wanted) -> ImportRun:
        """The report; fails unless it was made."""
        with self.db.writing() as session:
            run = service.start_look(session, wanted, self.anna.id, asked_by=self.anna.id)
        job = self.work(run)
        assert job.state is JobState.DONE, job.error
        return self.run(run.id)

    def folder(self, folder: str) -> ImportRun:
        """A look at a folder of HOT."""
        with self.db.reading() as session:
            wanted = service.from_folder(session, self.hot.drive_id, folder)
        return self.look(wanted)

    def start(self, run: ImportRun, *, deleted_too: bool = False) -> ImportRun:
        """Queue the import."""
        with self.db.writing() as session:
            return service.start_import(session, run.id, deleted_too=deleted_too, asked_by=self.anna.id)

    def bring(self, run: ImportRun, *, deleted_too: bool = False) -> ImportRun:
        """Import; fails unless it is done."""
        job = self.work(self.start(run, deleted_too=deleted_too))
        assert job.state is JobState.DONE, job.error
        return self.run(run.id)

    def work(self, run: ImportRun) -> Job:
        """Run its job here and now."""
        assert run.job_id is not None
        job = runner.claim(self.db, run.job_id)
        assert job is not None
        runner.run(self.db, Progress(self.db, self.broker, self.places, job), job)
        with self.db.reading() as session:
            return session.get_one(Job, job.id)

    def progress(self, job: Job) -> Progress:
        """Of a job that is run here."""
        return Progress(self.db, self.broker, self.places, job)

    def work_apart(self, run: ImportRun) -> "subprocess.Popen[bytes]":
        """Run its job in a process of its own, to be killed."""
        words = [sys.executable, "-m", "appliance.jobs.runner", str(run.job_id)]
        return subprocess.Popen(words, env=dict(os.environ))

    def run(self, run_id: int) -> ImportRun:
        """How it stands."""
        with self.db.reading() as session:
            return session.get_one(ImportRun, run_id)

    def photos(self) -> list[Media]:
        """What is in the timeline."""
        with self.db.reading() as session:
            return list(session.scalars(select(Media).order_by(Media.taken, Media.id)))

    def files(self) -> int:
        """How many files there are."""
        with self.db.reading() as session:
            return session.scalar(select(func.count()).select_from(StoredFile)) or 0

    def names(self) -> list[str]:
        """Everything that lies in Anna's timeline folders."""
        top = self.hot.path / "Anna"
        return sorted(
            str(path.relative_to(top)) for path in top.rglob("*") if path.is_file() and "Files" not in path.parts
        )

    def left_behind(self) -> list[str]:
        """What lies in the spool."""
        return sorted(path.name for path in (self.hot.path / INCOMING).iterdir())


def report(run: ImportRun) -> dict[str, Any]:
    """Without what there is none of."""
    return {name: count for name, count in run.report.items() if count and name != "new_bytes"}
