"""The real worker and real drives: plugged in and pulled is seen within two seconds, and HOT comes into use."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.drives import inventory
from appliance.jobs.drive_watch import DriveWatch
from tests.component.drive_station import Station
from tests.component.loop_drives import soon

pytestmark = pytest.mark.component


@pytest.fixture
def worker(station: Station, tmp_path: Path) -> Iterator[Path]:
    """A running worker; its log."""
    log = tmp_path / "worker.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "appliance.jobs.worker"], env=dict(os.environ), stdout=out, stderr=out
        )
    until(lambda: "ready" in log.read_text(), 60)
    yield log
    process.terminate()
    process.wait(40)


def until(what: Callable[[], Any], seconds: float) -> float:
    """How long it took."""
    begun = time.monotonic()
    while not what():
        assert time.monotonic() - begun < seconds
        time.sleep(0.02)
    return time.monotonic() - begun


def test_plug_and_unplug_are_seen_within_two_seconds(station: Station, worker: Path) -> None:
    def models() -> set[str]:
        return {found.model for found in inventory.load(station.places).found}

    for plug in (station.loops.make, station.loops.plug):
        plug("blue")
        assert until(lambda: "blue" in models(), 60) <= soon()
        station.loops.pull("blue")
        assert until(lambda: "blue" not in models(), 60) <= soon()


def test_a_hot_drive_that_is_plugged_in_comes_into_use_and_is_looked_through(station: Station, worker: Path) -> None:
    drive = station.erase(station.loops.make("blue"), "ext4")
    station.root("drives.unmount", {"tag": drive.tag})
    station.loops.pull("blue")
    until(lambda: not inventory.load(station.places).found, 60)
    station.loops.plug("blue")

    def in_use() -> bool:
        return any(found.mounted_as == drive.tag for found in inventory.load(station.places).found)

    until(in_use, 60)
    until(lambda: any(job.kind == "library.index" for job in _jobs(station)), 60)


def _jobs(station: Station) -> list[Any]:
    from appliance.jobs import service

    with station.db.reading() as session:
        return [*service.active(session), *service.recent(session)]


def test_a_pulled_drive_that_somebody_still_holds_is_let_go_soon_after(station: Station, worker: Path) -> None:
    drive = station.erase(station.loops.make("blue"), "ext4")
    point = station.places.mounts / drive.tag
    held = os.open(point / "held", os.O_WRONLY | os.O_CREAT)
    try:
        station.loops.pull("blue")
        until(lambda: f"still using {drive.tag}" in worker.read_text(), 60)
        assert point.is_mount()
    finally:
        os.close(held)
    until(lambda: not point.is_mount(), 60)


def test_a_drive_that_came_was_mounted_and_went_between_two_looks_is_told_of(station: Station) -> None:
    told: list[bool] = []
    watch = DriveWatch(station.places, station.root, lambda: told.append(True))
    assert watch.look() and watch.look() and len(told) == 1  # the first list, and nothing new since
    drive = station.erase(station.loops.make("blue"), "ext4")
    station.loops.pull("blue")
    assert (station.places.mounts / drive.tag).is_mount()
    assert watch.look() and len(told) == 2
    assert watch.look() and len(told) == 2
