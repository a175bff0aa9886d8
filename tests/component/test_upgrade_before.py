"""The database before a trial, kept and brought back between two mounts of one partition, as an image has them."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.upgrade import before
from tests.root import need_root

pytestmark = pytest.mark.component


@pytest.fixture
def partition(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """``/data/upgrade``, and ``/var/lib/everpx``, which is ``/data/everpx`` mounted once more."""
    need_root()
    for name in ("data/upgrade", "data/everpx", "station"):
        (tmp_path / name).mkdir(parents=True)
    station = tmp_path / "station"
    subprocess.run(["mount", "--bind", tmp_path / "data/everpx", station], check=True, timeout=60)
    yield tmp_path / "data/upgrade", station
    subprocess.run(["umount", station], check=True, timeout=60)


def test_a_database_comes_back_from_another_mount_with_its_owner_and_its_journal(
    partition: tuple[Path, Path],
) -> None:
    folder, station = partition
    database, journal = before.files(station / "everpx.db")
    for path, content in ((database, "old"), (journal, "old journal")):
        path.write_text(content)
        path.chmod(0o600)
        os.chown(path, 800, 800)
    before.keep(database, folder)
    database.write_text("new")
    journal.write_text("new journal")
    database.with_name("everpx.db-shm").write_text("index")
    before.bring_back(database, folder)
    assert sorted(path.name for path in station.iterdir()) == ["everpx.db", "everpx.db-wal"]
    assert (database.read_text(), journal.read_text()) == ("old", "old journal")
    facts = database.stat()
    assert (facts.st_uid, facts.st_gid, facts.st_mode & 0o777) == (800, 800, 0o600)
    assert not list(folder.iterdir()), "it is brought back once"
