"""Fixtures of the floor where the built image starts: ``./run-tests.sh --image`` builds it first."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from image.build import stamp
from image.build.contents import APP
from image.build.station import Station
from tests.image.machine import FIRMWARE, Machine


@pytest.fixture(scope="session")
def built() -> stamp.Built:
    """The arm64 image that was built last; ``EVERPX_BUILT`` names another folder."""
    return stamp.found(Path(os.environ.get("EVERPX_BUILT", APP / "build/image/arm64")))


@pytest.fixture(scope="session")
def logs() -> Path:
    """Where what machines said is kept."""
    place = APP / "build/tests/image"
    place.mkdir(parents=True, exist_ok=True)
    return place


@pytest.fixture
def stamped(built: stamp.Built, tmp_path: Path) -> tuple[Station, Path]:
    """A new station, and its disk."""
    station = stamp.stamp(built, tmp_path, raw=True)
    return station, tmp_path / f"{station.station_id}.img"


@pytest.fixture
def plug_in(logs: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[Path], Machine]]:
    """Starts a machine from a disk; whatever still runs when the test ends is ended."""
    qemu = shutil.which("qemu-system-aarch64")
    assert qemu and FIRMWARE.exists(), "qemu-system-arm and qemu-efi-aarch64 are needed"
    running: list[Machine] = []

    def start(disk: Path) -> Machine:
        log = logs / f"{request.node.name}-{len(running) + 1}.log"
        log.unlink(missing_ok=True)
        running.append(Machine.start(qemu, disk, log))
        return running[-1]

    yield start
    for machine in running:
        machine.pull_the_plug()
