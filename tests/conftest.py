"""Fixtures that every floor shares: a station's places and a migrated database, both thrown away."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.db import Database, migrate
from appliance.places import Places
from tests.folder_root import FolderRoot


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """The places of a station that exists only for this test; the environment points at them, too."""
    here = Places(data=tmp_path / "data", run=tmp_path / "run", upgrade=tmp_path / "upgrade")
    for folder in (here.data, here.run, here.mounts, here.upgrade):
        folder.mkdir(parents=True)
    monkeypatch.setenv("EVERPX_DATA", str(here.data))
    monkeypatch.setenv("EVERPX_RUN", str(here.run))
    monkeypatch.setenv("EVERPX_UPGRADE", str(here.upgrade))
    return here


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database file, made once and copied per test."""
    path = tmp_path_factory.mktemp("schema") / "everpx.db"
    migrate(path)
    return path


@pytest.fixture
def db(places: Places, empty_database: Path) -> Iterator[Database]:
    """A migrated, empty database in ``places``."""
    shutil.copy(empty_database, places.database)
    database = Database(places.database)
    yield database
    database.close()


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """``program("rsync")`` is its path; a missing one skips at home and fails in CI."""

    def find(name: str) -> str:
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if path is None:
            if os.environ.get("CI"):
                pytest.fail(f"{name} is not installed")
            pytest.skip(f"{name} is not installed")
        return path

    return find


@pytest.fixture
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real argon2id at its lowest cost: for tests that are about something else."""
    from argon2 import PasswordHasher

    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr("appliance.people.passwords._hasher", lambda: quick)


@pytest.fixture
def folder_root(places: Places, monkeypatch: pytest.MonkeyPatch) -> FolderRoot:
    """Root's verbs on folder drives, whoever runs the tests."""
    monkeypatch.setattr("appliance.drives.folder_drives.allowed", lambda: True)
    return FolderRoot(places)
