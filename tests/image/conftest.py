"""Fixtures of the floor where the built image starts: ``./run-tests.sh --image`` builds it first."""

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from image.build import stamp
from image.build.contents import APP
from image.build.station import Station
from tests.image.drives import MIB, Drive
from tests.image.frozen import frozen, thawed
from tests.image.home import Home
from tests.image.life import LIVED, PORTS, Life, Lived
from tests.image.machine import Box, Machine
from tests.image.processors import PROCESSORS
from tests.photos import jpeg

ROOM = 2**29  # bytes by which a card is larger than the image


@pytest.fixture(scope="session")
def built() -> stamp.Built:
    """The arm64 image that was built last; ``EVERPX_BUILT`` names another folder, and may be of another processor."""
    return stamp.found(Path(os.environ.get("EVERPX_BUILT", APP / "build/image/arm64")))


@pytest.fixture(scope="session")
def logs() -> Path:
    """Where what machines said is kept."""
    place = APP / "build/tests/image"
    place.mkdir(parents=True, exist_ok=True)
    return place


@pytest.fixture
def stamped(built: stamp.Built, tmp_path: Path) -> tuple[Station, Path]:
    """A new station, and its card."""
    return _stamped(built, tmp_path)


def _stamped(built: stamp.Built, folder: Path) -> tuple[Station, Path]:
    station = stamp.stamp(built, folder, raw=True)
    card = folder / f"{station.station_id}.img"
    os.truncate(card, card.stat().st_size + ROOM)
    return station, card


@pytest.fixture
def box(built: stamp.Built) -> Box:
    """What a machine for this image is made of."""
    arch = str(built.facts["arch"])
    assert not (missing := PROCESSORS[arch].missing()), (
        f"not installed: {', '.join(missing)} (tests/image-packages.txt)"
    )
    return Box(arch)


@pytest.fixture
def plug_in(box: Box, logs: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Machine]]:
    """Starts a machine from a disk (and a box, where it is another one); what still runs at the end is ended."""
    running: list[Machine] = []

    def start(disk: Path, other: Box | None = None) -> Machine:
        log = logs / f"{request.node.name}-{len(running) + 1}.log"
        log.unlink(missing_ok=True)
        running.append(Machine.start(other or box, disk, log))
        return running[-1]

    yield start
    for machine in running:
        machine.pull_the_plug()


@pytest.fixture(scope="session")
def lived_in(built: stamp.Built, logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """Started once, claimed, both drives handed over, sharing switched on, photos copied: then frozen."""
    folder = tmp_path_factory.mktemp("lived")
    station, disk = _stamped(built, folder)
    box = Box(str(built.facts["arch"]), ports=PORTS)
    machine = Machine.start(box, disk, logs / "lived-in.log")
    try:
        machine.answers("/wizard")
        home = Home(machine).claimed(station.claim_code)
        drives = [Drive.made(name, folder, 512 * MIB) for name in ("hot", "cold")]
        home.hand_over(drives[0], "hot", "Family")
        cold = home.hand_over(drives[1], "cold", "Blue")
        home.switch_on("smb", "nfs")
        home.sign_in()
        for number in range(LIVED):
            home.put(f"old-{number}.jpg", jpeg(number))
        home.copied(cold)
        home.until("Windows sharing", home.shares)
        home.check_kept()
        return Lived(frozen(machine, folder), home.token, home.kept)
    except BaseException:
        machine.pull_the_plug()
        raise


@pytest.fixture
def life(lived_in: Lived, logs: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Life]:
    """The station going on from that moment; what it writes is this test's own."""
    machine, drives = thawed(lived_in.moment, tmp_path, logs / f"{request.node.name}.log")
    try:
        yield Life(Home(machine, lived_in.token, dict(lived_in.kept)), drives, tmp_path)
    finally:
        machine.pull_the_plug()


@pytest.fixture
def start_again(logs: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Home]]:
    """After a power cut: the same card and drives, started anew, in a box that is another one as far as it is told."""
    running: list[Machine] = []
    numbers = itertools.count(2)

    def start(life: Life, **otherwise: Any) -> Home:
        log = logs / f"{request.node.name}-{next(numbers)}.log"
        box: Box = replace(life.machine.box, **otherwise)
        machine = Machine.start(box, life.machine.disk, log, disk_kind="qcow2")
        running.append(machine)
        for drive in life.drives.values():
            machine.usb.plug(drive)
        machine.answers("/sign-in")
        machine.guest.wait(120)
        life.home = Home(machine, life.home.token, life.home.kept)
        return life.home

    yield start
    for machine in running:
        machine.pull_the_plug()
