"""A station with a database, an identity and test drives, on which drive jobs are run as the worker would run them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import select

from appliance import events, identity
from appliance.db import Database
from appliance.drives import inventory, mounts, service
from appliance.drives.models import Drive, DriveRole
from appliance.events import Event
from appliance.health import service as health
from appliance.health.models import Issue
from appliance.jobs import runner
from appliance.jobs.models import Job, JobState
from appliance.jobs.progress import Progress
from appliance.jobs.worker import HEAD_STARTS
from appliance.places import Places
from tests.component.loop_drives import LoopDrives, Root


class Station:
    """Everything a drive job needs, with few words."""

    def __init__(self, db: Database, places: Places, root: Root, loops: LoopDrives) -> None:
        self.db, self.places, self.root, self.loops = db, places, root, loops
        identity.create(places)
        self.look()

    def look(self) -> inventory.Inventory:
        """What the worker does on every change."""
        return inventory.refresh(self.places, self.root)

    def settle(self) -> None:
        """What the worker's tick does on every change."""
        self.look()
        mounts.ensure_hot(self.db, self.root, self.places)

    def progress(self, job_id: int) -> Progress:
        """A claimed job, as the runner holds it."""
        job = runner.claim(self.db, job_id)
        assert job is not None
        return Progress(self.db, self.root, self.places, job)

    def run(self, job: Job) -> Job:
        """Run a job to its end, here and now."""
        claimed = runner.claim(self.db, job.id)
        assert claimed is not None
        runner.run(self.db, Progress(self.db, self.root, self.places, claimed), claimed)
        return self.job(job.id)

    def run_apart(self, job: Job) -> "subprocess.Popen[bytes]":
        """Run a job in a process of its own, to be killed."""
        words = [*HEAD_STARTS.get(job.kind, ()), "appliance.jobs.runner", str(job.id)]
        return subprocess.Popen([sys.executable, "-m", *words], env=dict(os.environ))

    def job(self, job_id: int) -> Job:
        """How it stands."""
        with self.db.reading() as session:
            return session.get_one(Job, job_id)

    def adopt(self, device: str, role: DriveRole = DriveRole.HOT, **more: Any) -> Drive:
        """Hand over with what is on it; fails unless the job is done."""
        self.look()
        with self.db.writing() as session:
            job = service.adopt(session, self.places, device=device, role=role, **more)
        return self._drive_of(self.run(job))

    def erase(self, device: str, filesystem: str, role: DriveRole = DriveRole.HOT, **more: Any) -> Drive:
        """Format and hand over; fails unless the job is done."""
        return self._drive_of(self.run(self.start_erasing(device, filesystem, role, **more)))

    def start_erasing(self, device: str, filesystem: str, role: DriveRole = DriveRole.HOT, **more: Any) -> Job:
        """With the right phrase typed."""
        found = self.look().by_device(device)
        assert found is not None
        typed = service.confirmation(found).phrase
        with self.db.writing() as session:
            return service.erase(
                session, self.places, device=device, role=role, filesystem=filesystem, typed=typed, **more
            )

    def _drive_of(self, job: Job) -> Drive:
        assert job.state is JobState.DONE, job.error
        return self.drive(job.result["drive_id"])

    def drive(self, drive_id: int) -> Drive:
        """Its row."""
        with self.db.reading() as session:
            return session.get_one(Drive, drive_id)

    def mount(self, drive_id: int) -> mounts.Mount:
        """Its mount, proven."""
        with self.db.reading() as session:
            return mounts.mount_of(session, self.places, drive_id)

    def verdicts(self) -> dict[str, str]:
        """Model -> what it is."""
        now = self.look()
        with self.db.reading() as session:
            drives = service.every(session)
        from appliance.drives.identity import own_ids, verdict

        return {f.model: verdict(f, now, drives, own_ids(self.places)).kind.value for f in now.found}

    def issues(self) -> set[str]:
        """The codes of what health finds about drives."""
        health.run_all(self.db, self.root, self.places)
        with self.db.reading() as session:
            every = session.scalars(select(Issue)).all()
        about = ("drive", "cold", "switch")
        return {i.code for i in every if i.code.startswith(about) or i.subject.startswith("drives.")}

    def happened(self) -> list[str]:
        """Kinds of events, oldest first."""
        with self.db.reading() as session:
            return list(session.scalars(select(Event.kind).order_by(events.Event.id)))

    def make(self, name: str, filesystem: str = "ext4", **files: str) -> str:
        """A drive with files of somebody on it."""
        device = self.loops.make(name, filesystem)
        if files:
            look = self.root("drives.look", {"device": device})
            request = {"device": device, "tag": "HOT-999999", "filesystem_uuid": look["filesystem_uuid"]}
            place = Path(self.root("drives.mount", request)["path"])
            for path, content in files.items():
                (place / path).write_text(content)
            self.root("drives.unmount", {"tag": "HOT-999999"})
            self.root("drives.look", {"device": device})
        return device
