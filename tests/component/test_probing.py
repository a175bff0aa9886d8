"""The write probe and drives that rest or hang: none is woken, none holds up the station.

A drive that hangs is a frozen filesystem (``fsfreeze``): who writes to it waits in the kernel and cannot be killed, as
with a USB drive that died without saying so.  What reaches a drive is counted by the kernel.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.drives import probing
from appliance.drives.mounts import Mount
from appliance.health import service as health
from appliance.jobs import service as jobs
from appliance.jobs.models import JobState
from appliance.words import Message
from tests.component.drive_station import Station
from tests.component.health_page import HealthPage
from tests.component.loop_drives import until

pytestmark = pytest.mark.component
QUIET_S = 6.0  # longer than between two commits of ext4's journal


def requests(mount: Mount) -> int:
    """How many reads and writes reached the drive."""
    counted = Path(f"/sys/class/block/{mount.device}/stat").read_text().split()
    return int(counted[0]) + int(counted[4])


def quiet(mount: Mount) -> int:
    """Everything on the medium, and nothing more to come: it stays the same for some seconds."""
    subprocess.run(["sync", "-f", str(mount.path)], check=True, timeout=60)
    counted, since, end = requests(mount), time.monotonic(), time.monotonic() + 60
    while time.monotonic() - since < QUIET_S and time.monotonic() < end:
        time.sleep(0.1)
        if (found := requests(mount)) != counted:
            counted, since = found, time.monotonic()
    return counted


def tick(station: Station) -> None:
    """What the chores do every half hour."""
    health.run_all(station.db, station.root, station.places)


def look_now(station: Station) -> None:
    """A person pressed the button."""
    with station.db.writing() as session:
        job = jobs.start(session, "health.check", title=Message("Look"), lock="health")
    assert station.run(job).state is JobState.DONE


def test_a_sleeping_drive_is_neither_read_nor_written_by_any_look(station: Station) -> None:
    drive = station.adopt(station.make("blue"))
    station.loops.feels("blue")
    look_now(station)
    mount = station.mount(drive.id)
    (station.loops.folder / "blue.asleep").touch()
    before = quiet(mount)
    for _ in range(3):
        tick(station)
        look_now(station)
        station.settle()
    assert requests(mount) == before
    assert not (station.loops.folder / "blue.woken").exists()
    (station.loops.folder / "blue.asleep").unlink()
    look_now(station)
    assert quiet(mount) > before


def test_a_drive_that_nobody_uses_is_left_to_fall_asleep_and_tried_when_it_is_used(station: Station) -> None:
    drive = station.adopt(station.make("blue"))
    tick(station)
    mount = station.mount(drive.id)
    before = quiet(mount)
    for _ in range(3):
        tick(station)
    assert requests(mount) == before
    folder = mount.path / "Anna"
    folder.mkdir()
    for number in range(probing.OWN_REQUESTS + 20):
        with (folder / str(number)).open("wb", buffering=0) as file:
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
    Path(f"/sys/fs/ext4/{mount.device}/trigger_fs_error").write_text("for a test")
    assert "drive_read_only" in station.issues()
    assert "drive_read_only" in station.issues(), "what was found stands as long as nobody uses it"
    subprocess.run(["umount", str(mount.path)], check=True, timeout=60)


def test_a_drive_that_hangs_holds_up_nothing_and_is_told(
    station: Station, health_page: HealthPage, program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program("fsfreeze")
    monkeypatch.setattr(probing, "PATIENCE_S", 2.0)
    drive = station.adopt(station.make("blue"))
    look_now(station)
    mount = station.mount(drive.id)
    health_page.looks = lambda: look_now(station)
    with frozen(mount.path):
        began = time.monotonic()
        said = str(health_page.sees("drive_read_only").issue.message)
        assert "no longer answers" in said and time.monotonic() - began < 60
        assert _waiting_in_the_kernel(mount.path), "else this is no drive that hangs"
        health_page.sees("drive_read_only")
    until(lambda: not _waiting_in_the_kernel(mount.path))
    health_page.no_longer("drive_read_only")


def test_the_process_that_asked_a_hanging_drive_can_end(station: Station, program: Callable[[str], str]) -> None:
    """Chores that could not end would be the last ones: the worker starts no others beside them."""
    program("fsfreeze")
    drive = station.adopt(station.make("blue"))
    path = station.mount(drive.id).path
    script = (
        "import sys; from pathlib import Path; from appliance.drives.probing import write_problem;"
        "print(write_problem(Path(sys.argv[1]), 1.0).why)"
    )
    with frozen(path):
        done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stdout == "the drive no longer answers\n", done.stderr
    until(lambda: not _waiting_in_the_kernel(path))


@contextmanager
def frozen(path: Path) -> Iterator[None]:
    """Whoever writes waits."""
    subprocess.run(["fsfreeze", "--freeze", str(path)], check=True, timeout=60)
    try:
        yield
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", str(path)], check=True, timeout=60)


def _waiting_in_the_kernel(path: Path) -> list[str]:
    """Probes that nobody can kill."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(path).encode() in (process / "cmdline").read_bytes() and " D " in (process / "stat").read_text():
                found.append(process.name)
        except OSError:
            continue
    return found
