"""Drives on a running station: real worker and real jobs under a user without root's powers, real root daemon."""

import grp
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance import identity
from appliance.db import Database
from appliance.drives import inventory, mounts, service
from appliance.drives.models import Drive, DriveRole
from appliance.drives.mounts import DriveMissing
from appliance.errors import ApplianceError
from appliance.jobs.models import Job, JobState
from appliance.places import Places
from tests.component.loop_drives import USER, LoopDrives, Root, soon, until

pytestmark = pytest.mark.component


@pytest.fixture
def worker(db: Database, places: Places, root: Root) -> Iterator["subprocess.Popen[bytes]"]:
    """The worker as a user who owns the station's places and nothing else."""
    identity.create(places)
    user = pwd.getpwnam(USER)
    owned = [places.data, places.run, *places.data.rglob("*"), places.broker_socket]
    for path in [path for path in owned if path != places.mounts]:
        os.chown(path, user.pw_uid, user.pw_gid)
    group = grp.getgrgid(user.pw_gid).gr_name
    with (places.data.parent / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *("setpriv", "--reuid", USER, "--regid", group, "--clear-groups"),
                *(sys.executable, "-W", "error", "-m", "appliance.jobs.worker"),
            ],
            stdout=log,
            stderr=log,
            cwd=Path(__file__).parents[2],
        )
    try:
        with told_with(places.data.parent / "worker.log", places.run / "broker.log"):
            until(places.inventory.exists, 180)  # a minute was not enough where eight others start programs
        yield process
    finally:  # one that is left over would take the machine from all tests that follow
        process.send_signal(signal.SIGTERM)
        process.wait(40)


@contextmanager
def told_with(*logs: Path) -> Iterator[None]:
    """Show what the programs said when something did not come true."""
    try:
        yield
    except AssertionError as error:
        said = "\n".join(log.read_text()[-3000:] for log in logs)
        raise AssertionError(f"{error}\n{said}") from None


def devices(places: Places) -> list[str]:
    """What every page shows as plugged in."""
    return [found.model for found in inventory.load(places).found]


def hand_over(db: Database, places: Places, device: str, role: DriveRole, filesystem: str = "") -> Drive:
    """As the console does it; waits for the worker to do the work."""
    found = inventory.load(places).by_device(device)
    assert found is not None
    with db.writing() as session:
        if filesystem:
            typed = service.confirmation(found).phrase
            job = service.erase(session, places, device=device, role=role, filesystem=filesystem, typed=typed)
        else:
            job = service.adopt(session, places, device=device, role=role)
    until(lambda: state_of(db, job.id) not in (JobState.WAITING, JobState.RUNNING), 90)
    with db.reading() as session:
        ended = session.get_one(Job, job.id)
        assert ended.state is JobState.DONE, ended.error
        return session.get_one(Drive, ended.result["drive_id"])


def state_of(db: Database, job_id: int) -> JobState:
    """How a job stands."""
    with db.reading() as session:
        return session.get_one(Job, job_id).state


def is_usable(db: Database, places: Places, drive_id: int) -> bool:
    """Whether a drive can be used right now."""
    with db.reading() as session:
        try:
            mounts.mount_of(session, places, drive_id)
        except (DriveMissing, ApplianceError):
            return False
    return True


@pytest.mark.parametrize("filesystem", ["ext4", "exfat", "btrfs"])
def test_a_drive_is_shown_handed_over_pulled_and_back_in_use(
    worker: "subprocess.Popen[bytes]", db: Database, places: Places, loops: LoopDrives, filesystem: str
) -> None:
    device = loops.make("blue", "ext4")
    until(lambda: devices(places) == ["blue"], soon())
    drive = hand_over(db, places, device, DriveRole.HOT, filesystem)
    assert is_usable(db, places, drive.id)
    assert (places.mounts / "HOT-1/everpx-drive.json").stat().st_uid == pwd.getpwnam(USER).pw_uid
    loops.pull("blue")
    until(lambda: devices(places) == [])
    until(lambda: not (places.mounts / "HOT-1").is_mount())
    loops.plug("blue")
    until(lambda: devices(places) == ["blue"])
    until(lambda: is_usable(db, places, drive.id))


def test_after_a_killed_worker_the_next_start_finds_its_drives(
    worker: "subprocess.Popen[bytes]", db: Database, places: Places, loops: LoopDrives, root: Root
) -> None:
    device = loops.make("blue")
    until(lambda: devices(places) == ["blue"])
    drive = hand_over(db, places, device, DriveRole.HOT)
    worker.kill()
    worker.wait()
    root.kill()
    root.start()
    assert is_usable(db, places, drive.id)
    root("drives.unmount", {"tag": "HOT-1"})
    mounts.ensure_hot(db, root, places)
    assert is_usable(db, places, drive.id)


def test_the_stations_user_alone_can_do_nothing_to_a_drive(
    worker: "subprocess.Popen[bytes]", db: Database, places: Places, loops: LoopDrives
) -> None:
    device = loops.make("blue")
    until(lambda: devices(places) == ["blue"])
    hand_over(db, places, device, DriveRole.HOT)
    for script in (
        f"cat /dev/{device}",
        f"umount {places.mounts}/HOT-1",
        f"rm {places.mounts}/HOT-1.json",
        f"touch {places.mounts}/HOT-2.json",
        f"rmdir {places.mounts}/HOT-1",
    ):
        command = ["setpriv", "--reuid", USER, "--regid", "nogroup", "--clear-groups", "sh", "-c", script]
        assert subprocess.run(command, capture_output=True, check=False).returncode != 0, script
