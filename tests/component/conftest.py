"""Fixtures of the floor where real programs run; each skips at home and fails in CI without what it needs."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.db import Database
from appliance.places import Places
from tests.component.drive_station import Station
from tests.component.loop_drives import LoopDrives, Root


@pytest.fixture
def loops(tmp_path: Path, program: Callable[[str], str]) -> Iterator[LoopDrives]:
    """USB drives made of loop devices."""
    if os.geteuid() != 0:
        if os.environ.get("CI"):
            pytest.fail("these tests need root")
        pytest.skip("these tests need root")
    for name in ("losetup", "mkfs.ext4", "mkfs.exfat", "mkfs.btrfs", "lsblk", "blkid"):
        program(name)
    drives = LoopDrives(tmp_path / "usb")
    yield drives
    drives.close()


@pytest.fixture
def root(places: Places, loops: LoopDrives) -> Iterator[Root]:
    """A running root daemon that may touch ``loops`` and nothing else."""
    for folder in (places.run, *places.run.parents[:3]):  # pytest keeps its folders to itself; another user must pass
        folder.chmod(folder.stat().st_mode | 0o011)
    daemon = Root(places, loops)
    yield daemon
    daemon.close()


@pytest.fixture
def station(db: Database, places: Places, root: Root, loops: LoopDrives) -> Station:
    """A station that owns no drive yet."""
    return Station(db, places, root, loops)
