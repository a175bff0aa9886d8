"""The jobs on real drives: root mounts, the copy is proven, the drive is let go; pulled and killed on the way."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from appliance.backup import service
from appliance.backup.models import BackupRun, Drill, RunState
from appliance.drives.models import Drive, DriveRole, PowerState
from appliance.jobs.models import Job, JobState
from appliance.jobs.service import recover
from tests.backup_bed import files_below
from tests.component.drive_station import Station

pytestmark = pytest.mark.component


class Pair:
    """A HOT and a COLD drive of a station."""

    def __init__(self, station: Station, cold_filesystem: str = "ext4") -> None:
        self.station = station
        self.hot = station.adopt(station.make("hot"), DriveRole.HOT, name="Family")
        self.cold = station.adopt(station.make("cold", cold_filesystem), DriveRole.COLD, name="Blue")

    @property
    def top(self) -> Path:
        """Where HOT is."""
        return self.station.mount(self.hot.id).path

    def fill(self, count: int, size: int) -> None:
        """Files of the family."""
        folder = self.top / "Anna" / "Photos"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (folder / f"{number}.jpg").write_bytes(b"\xff\xd8\xff" + os.urandom(size))

    def start(self) -> Job:
        """A copy, asked for."""
        with self.station.db.writing() as session:
            return service.start(session, self.cold.id)

    def copy(self) -> Job:
        """A copy, to its end."""
        return self.station.run(self.start())

    def on_cold(self) -> dict[bytes, bytes]:
        """What COLD holds of HOT, read after all is over, through a mount of its own."""
        device = self.station.loops.devices["cold"]
        request = {"device": device, "tag": "COLD-1", "filesystem_uuid": self.cold.filesystem_uuid}
        place = Path(self.station.root("drives.mount", request)["path"])
        found = files_below(place / "HOT-1")
        self.station.root("drives.unmount", {"tag": "COLD-1"})
        return found

    def last(self) -> BackupRun:
        """The newest run."""
        with self.station.db.reading() as session:
            return session.scalars(select(BackupRun).order_by(BackupRun.id.desc()).limit(1)).one()

    def power(self) -> PowerState:
        """How COLD stands."""
        with self.station.db.reading() as session:
            return session.get_one(Drive, self.cold.id).power_state


@pytest.mark.parametrize("filesystem", ["ext4", "exfat"])
def test_a_family_gets_a_proven_copy_and_the_drive_is_let_go(station: Station, filesystem: str) -> None:
    pair = Pair(station, filesystem)
    pair.fill(20, 50_000)
    job = pair.copy()
    assert job.state is JobState.DONE, job.error
    assert job.result["copied"] == 20
    assert pair.power() is PowerState.OFF
    assert pair.on_cold() == files_below(pair.top)
    assert pair.last().state is RunState.PROVEN
    moves = station.happened().count("backup.proven")
    assert (moves, pair.copy().result) == (1, {"nothing_to_do": True, "files": 20})


def test_a_cold_drive_pulled_in_mid_copy_loses_nothing(station: Station) -> None:
    pair = Pair(station)
    pair.fill(12, 4_000_000)
    job = pair.start()

    def pull() -> None:
        incoming = station.places.mounts / "COLD-1/.everpx/incoming/1"
        end = time.monotonic() + 20
        while not incoming.exists() and time.monotonic() < end:
            time.sleep(0.01)
        station.loops.pull("cold")

    hand = threading.Thread(target=pull)
    hand.start()
    ended = station.run(job)
    hand.join()
    assert ended.state is JobState.FAILED
    assert ended.error_code in {"drive_gone", "cold_failing"}, ended.error
    station.loops.plug("cold")
    station.settle()
    again = pair.copy()
    assert again.state is JobState.DONE, again.error
    assert pair.on_cold() == files_below(pair.top)


def test_a_killed_job_goes_on_by_itself(station: Station) -> None:
    pair = Pair(station)
    pair.fill(12, 4_000_000)
    job = pair.start()
    process = station.run_apart(job)
    incoming = station.places.mounts / "COLD-1/.everpx/incoming/1"
    end = time.monotonic() + 30
    while not incoming.exists() and time.monotonic() < end and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    with station.db.writing() as session:
        recover(session)
    assert station.job(job.id).state is JobState.INTERRUPTED
    ended = station.run(job)
    assert ended.state is JobState.DONE, ended.error
    assert pair.on_cold() == files_below(pair.top)
    assert pair.power() is PowerState.OFF


def test_a_missing_hot_drive_is_not_an_empty_one(station: Station) -> None:
    pair = Pair(station)
    pair.fill(3, 1000)
    pair.copy()
    kept = pair.on_cold()
    station.loops.pull("hot")
    station.settle()
    job = pair.copy()
    assert (job.state, job.error_code) == (JobState.FAILED, "hot_missing")
    assert pair.on_cold() == kept


def test_restore_drill_and_scrub_are_jobs(station: Station) -> None:
    pair = Pair(station)
    pair.fill(5, 1000)
    pair.copy()
    lost = pair.top / "Anna/Photos/3.jpg"
    content = lost.read_bytes()
    lost.unlink()
    with station.db.writing() as session:
        job = service.restore(session, pair.cold.id, "HOT-1", b"Anna/Photos/3.jpg")
    assert station.run(job).state is JobState.DONE
    assert lost.read_bytes() == content
    with station.db.writing() as session:
        job = service.start_drill(session, pair.cold.id)
    assert station.run(job).result == {"tried": 5, "good": 5}
    with station.db.writing() as session:
        assert session.scalars(select(Drill.good)).all() == [5]
        job = service.start_scrub_hot(session, pair.hot.id)
    assert station.run(job).state is JobState.DONE
    assert pair.power() is PowerState.OFF
