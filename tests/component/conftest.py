"""Fixtures of the floor where real programs run; each skips at home and fails in CI without what it needs."""

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.broker.client import SocketBroker
from appliance.db import Database
from appliance.places import Places
from tests.component.drive_station import Station
from tests.component.health_page import HealthPage
from tests.component.loop_drives import LoopDrives, Root, let_others_pass
from tests.component.plugs.home import Home
from tests.component.plugs.lan import Lan
from tests.root import need_root

CLONE_NEWNS = 0x20000  # linux/sched.h: a view of mounts of one's own


def pytest_configure() -> None:
    """Let each process of tests mount in its own view, so that several may run at once.

    In a shared one, a sandbox that one test starts would take along, and hold, the drives of all the others.
    """
    if os.geteuid() != 0:
        return
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "no view of mounts of our own")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True, timeout=10)


@pytest.fixture
def loops(tmp_path: Path, program: Callable[[str], str]) -> Iterator[LoopDrives]:
    """USB drives made of loop devices."""
    need_root()
    for name in ("losetup", "mkfs.ext4", "mkfs.exfat", "mkfs.btrfs", "lsblk", "blkid"):
        program(name)
    drives = LoopDrives(tmp_path / "usb")
    yield drives
    drives.close()


@pytest.fixture
def root(places: Places, loops: LoopDrives) -> Iterator[Root]:
    """A running root daemon that may touch ``loops`` and nothing else."""
    let_others_pass(places.run)
    daemon = Root(places, loops)
    yield daemon
    daemon.close()


@pytest.fixture
def station(db: Database, places: Places, root: Root, loops: LoopDrives) -> Station:
    """A station that owns no drive yet."""
    return Station(db, places, root, loops)


@pytest.fixture
def health_page(
    request: pytest.FixtureRequest, db: Database, places: Places, quick_passwords: None
) -> Iterator[HealthPage]:
    """The health page over HTTP; what ``@pytest.mark.finding(code, …)`` names must be seen on it, and seen going."""
    page = HealthPage(db, places, SocketBroker(places.broker_socket))
    yield page
    page.close()
    left = {code for mark in request.node.iter_markers("finding") for code in mark.args} - page.cleared
    assert not left, f"not shown, or not gone again: {left}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A mark that nothing checks would be a lie."""
    for item in items:
        marked = next(item.iter_markers("finding"), None)
        assert marked is None or "health_page" in getattr(item, "fixturenames", ()), item.nodeid


@pytest.fixture
def lan(program: Callable[[str], str]) -> Iterator[Lan]:
    """The home's network; the test's thread is the station in it."""
    program("ip")
    made = Lan()
    yield made
    made.close()


@pytest.fixture
def home(station: Station, lan: Lan, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A station with emulated plugs in its network; a motor may be switched on again at once."""
    from plugins.smart_plugs import driver

    monkeypatch.setattr(driver, "REST_S", 0.2)
    made = Home(station, lan)
    yield made
    made.close()
