"""One station with three real drives on which causes of findings are put and taken away, many in a row.

A row is a generator: it puts a cause, yields once its finding must be on the page, takes the cause away, yields once it
must be gone, and may then put things back.  ``@finding(code, …)`` names what it shows.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from appliance import plugin
from appliance.db import Database
from appliance.drives.models import Drive, DriveRole
from appliance.jobs import service as jobs
from appliance.jobs.models import Job, JobState
from appliance.places import Places
from appliance.words import Message
from tests.component.drive_station import Station
from tests.component.health_page import HealthPage
from tests.component.loop_drives import LoopDrives, Root, let_others_pass

ROWS: dict[str, "Row"] = {}


@dataclass(frozen=True)
class Row:
    """What a cause shows, and how it comes and goes."""

    codes: tuple[str, ...]
    body: Callable[["FindingBed"], Iterator[None]]


def finding(*codes: str) -> Callable[[Callable[["FindingBed"], Iterator[None]]], None]:
    """Put a row into the table, under the name of its function."""

    def put(body: Callable[["FindingBed"], Iterator[None]]) -> None:
        assert body.__name__ not in ROWS
        ROWS[body.__name__] = Row(codes, body)

    return put


class FindingBed:
    """Blue and red hold everything, green keeps the copy; the health page is open."""

    def __init__(self, folder: Path, database: Path, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.places = Places(data=folder / "data", run=folder / "run", upgrade=folder / "upgrade")
        self.image = folder / "image"  # what the running image says of itself
        for place in (self.places.data, self.places.run, self.places.mounts, self.places.upgrade, self.image):
            place.mkdir(parents=True)
        patch.setenv("EVERPX_UPGRADE", str(self.places.upgrade))
        patch.setenv("EVERPX_IMAGE", str(self.image))
        patch.setenv("EVERPX_DATA", str(self.places.data))
        patch.setenv("EVERPX_RUN", str(self.places.run))
        shutil.copy(database, self.places.database)
        let_others_pass(self.places.run)
        self.db = Database(self.places.database)
        self.loops = LoopDrives(folder / "usb")
        self.root = Root(self.places, self.loops)
        self.station = Station(self.db, self.places, self.root, self.loops)
        self.blue, self.red = self._adopt("blue", DriveRole.HOT), self._adopt("red", DriveRole.HOT)
        self.green = self._adopt("green", DriveRole.COLD)
        self.page = HealthPage(self.db, self.places, self.root)
        self.page.looks = self.look
        with self.db.writing() as session:
            plugin.switch(session, "station_report", on=True)
        plugin.load(self.db)

    def _adopt(self, name: str, role: DriveRole) -> Drive:
        return self.station.adopt(self.station.make(name), role, name=name.title())

    @property
    def top(self) -> Path:
        """Where blue is."""
        return self.station.mount(self.blue.id).path

    def look(self) -> None:
        """The job behind “Look now”, or the same that was begun by itself."""
        waits = select(Job).where(Job.kind == "health.check", Job.state == JobState.WAITING)
        with self.db.writing() as session:
            job = session.scalars(waits).first()
            if job is None:
                job = jobs.start(session, "health.check", title=Message("Look"), lock="health")
        assert self.station.run(job).state is JobState.DONE

    def work(self) -> list[Job]:
        """Run what waits, as the worker would; how it ended."""
        with self.db.reading() as session:
            waiting = list(session.scalars(select(Job).where(Job.state == JobState.WAITING).order_by(Job.id)))
        return [self.station.run(job) for job in waiting]

    def press(self, code: str) -> None:
        """The finding's button, over HTTP; then what it has started, and what the worker does on a change."""
        self.page.press(self.page.look()[code])
        self.work()
        self.station.settle()

    def try_row(self, name: str) -> None:
        """Put the cause, see every finding of the row; take it away, see none."""
        row = ROWS[name]
        steps = row.body(self)
        next(steps)
        cards = self.page.look()
        assert set(row.codes) <= set(cards), f"{set(row.codes) - set(cards)} not among {sorted(cards)}"
        next(steps)
        self.page.no_longer(*row.codes)
        assert next(steps, None) is None

    def close(self) -> None:
        """Everything away."""
        self.page.close()
        self.root.close()
        self.db.close()
        self.loops.close()
