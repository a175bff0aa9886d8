"""Where a file may have 4 GiB and no more: a real FAT32, as a COLD drive and as a HOT one.

The station offers to erase such a drive and does not take it as it is; these are for one that became ours all the same.
"""

import http.client
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from appliance import identity
from appliance.backup import restore, run
from appliance.backup.models import ColdFile
from appliance.db import Database
from appliance.drives.layout import INCOMING
from appliance.drives.mounts import FAT_LARGEST
from appliance.jobs import service as jobs
from appliance.library.models import Upload
from appliance.people import service, tokens
from appliance.people.audit import By
from appliance.people.models import Role
from appliance.places import Places
from tests.backup_bed import Bed, check_invariants, fat_mount, files_below
from tests.component.front_door import free_port, nginx
from tests.component.test_tus import Running
from tests.hot_drive import hand_over

pytestmark = pytest.mark.component
ROOM_MB = 9000  # sparse: more than the giant needs, so that it is not the room that decides


@pytest.fixture
def fat(places: Places, tmp_path: Path, program: Callable[[str], str]) -> Iterator[Path]:
    """A mounted FAT32."""
    program("mkfs.vfat")
    program("fusefat")
    with fat_mount(tmp_path / "image", places.mounts / "HOT-1", ROOM_MB):
        yield places.mounts / "HOT-1"


def giant(path: Path) -> None:
    """The smallest file that is too large; it takes no room."""
    with path.open("wb") as file:
        file.truncate(FAT_LARGEST + 1)


def test_a_file_that_fat_cannot_hold_is_told_and_everything_else_is_copied(
    db: Database, places: Places, tmp_path: Path, fat: Path, program: Callable[[str], str]
) -> None:
    program("rsync")
    bed = Bed(db, places, tmp_path / "hot", fat, "vfat")
    for number in range(20):
        bed.write(f"Anna/{number % 3}/{number}.jpg", os.urandom(5000))
    bed.write("Anna/0/what: a name?.txt", b"that FAT cannot hold either")
    for number in range(3):  # this driver loses what is in a folder that is renamed, so none needs to be
        (fat / f"HOT-1/Anna/{number}").mkdir(parents=True)
    small = files_below(bed.hot.path)
    giant(bed.hot.path / "Anna/0/film.mp4")
    progress = bed.progress()
    result = run.run(progress, run.Target(bed.cold.drive_id, bed.cold.name), bed.hots, bed.open_cold)
    assert (result["copied"], result["skipped"], result["bytes"]) == (21, 1, 100_027)
    with db.reading() as session:
        said = [str(line.message) for line in jobs.log_of(session, progress.job_id)]
    assert said[0] == "“Anna/0/film.mp4” is larger than 4 GB, and the backup drive's format cannot hold that"
    assert all("settings could not be copied" in more for more in said[1:])  # this driver cannot shorten files
    assert sorted(files_below(bed.cold.path / "HOT-1").values()) == sorted(small.values())
    check_invariants(bed)
    bed.write("Anna/0/0.jpg", b"replaced")
    (bed.hot.path / "Anna/1/1.jpg").unlink()
    assert bed.run()["copied"] == 1
    assert sorted(bed.older()) == ["HOT-1/Anna/0/0.jpg", "HOT-1/Anna/1/1.jpg"]


def test_what_fat_cannot_hold_is_not_brought_back_to_it_and_the_rest_is(
    db: Database, places: Places, tmp_path: Path, fat: Path, program: Callable[[str], str]
) -> None:
    program("rsync")
    bed = Bed(db, places, tmp_path / "hot", tmp_path / "cold")
    bed.write("Anna/note.txt", b"a note")
    bed.write("Anna/film.mp4", b"a film")
    bed.run()
    with db.writing() as session:  # as if it had been longer; writing 4 GiB for this takes a minute
        session.execute(update(ColdFile).where(ColdFile.name == b"film.mp4").values(size=FAT_LARGEST + 1))
    hot = hand_over(db, places, fat, number=2, filesystem="vfat")
    wanted = restore.Wanted(bed.cold.drive_id, bed.hot.drive_id, "HOT-1", b"")
    done = restore.restore(bed.progress("backup.restore"), wanted, hot, bed.open_cold)
    assert (done["files"], done["failed"]) == (1, 1)
    assert (fat / "Anna/note.txt").read_bytes() == b"a note"
    assert not (fat / "Anna/film.mp4").exists()


@pytest.fixture
def station(
    db: Database,
    places: Places,
    fat: Path,
    program: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    quick_passwords: None,
) -> Iterator[Running]:
    """nginx and the console of a station whose HOT drive is a FAT32."""
    program("nginx")
    identity.create(places)
    port = free_port()
    monkeypatch.setenv("EVERPX_LISTEN", f"127.0.0.1:{port}")
    monkeypatch.setenv("EVERPX_FRONT", "nginx")
    with db.writing() as session:
        anna = service.add(session, By(), name="Anna", password="four quiet red bicycles", role=Role.ADMIN)
        token = tokens.create(session, By(), anna, "test")[1]
    running = Running(places, hand_over(db, places, fat, filesystem="vfat"), port, token)
    running.start()
    try:
        with nginx(places, port):
            yield running
    finally:
        running.kill()


def announced(station: Running, method: str, path: str, **headers: str) -> tuple[int, str]:
    """Send a request's head and none of its body: (status, error code) of what is answered all the same."""
    connection = http.client.HTTPConnection("127.0.0.1", station.port, timeout=30)
    try:
        connection.putrequest(method, path)
        for name, value in ({"Authorization": f"Bearer {station.token}"} | headers).items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, json.loads(body)["error"] if body else ""
    finally:
        connection.close()


def test_an_upload_that_fat_cannot_hold_is_refused_before_it_is_sent(station: Running, db: Database) -> None:
    too_large, fits = str(FAT_LARGEST + 1), str(FAT_LARGEST)
    refused = (413, "too_large_for_drive")
    assert announced(station, "PUT", "/api/v1/files/film.mp4", Content_Length=too_large) == refused
    tus = {"Tus_Resumable": "1.0.0", "Content_Length": "0"}
    assert announced(station, "POST", "/api/v1/uploads", Upload_Length=too_large, **tus) == refused
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Upload)) == 0
    assert list((station.hot.path / INCOMING).iterdir()) == []
    assert announced(station, "POST", "/api/v1/uploads", Upload_Length=fits, **tus) == (201, "")
