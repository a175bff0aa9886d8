"""Cameras' cards: real filesystems on loop devices, read through the real root daemon and never written to."""

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.drives.inventory import Found
from appliance.drives.mounts import Mount
from appliance.errors import ApplianceError
from appliance.hookspecs import HomeCard
from appliance.jobs import service as jobs
from appliance.jobs.models import Job, JobState
from plugins.importer import cards, service
from plugins.importer.models import ImportRun, ImportSource, RunState
from tests.component.drive_station import Station
from tests.component.importing import Importing, report
from tests.photos import jpeg

pytestmark = pytest.mark.component


class Camera:
    """A station with a HOT drive, and a card."""

    def __init__(self, station: Station, filesystem: str) -> None:
        self.station, self.filesystem = station, filesystem
        drive = station.erase(station.loops.make("blue"), "ext4")
        self.hot: Mount = station.mount(drive.id)
        self.at = Importing(station.db, station.places, station.root, self.hot)
        self.device = station.loops.make("card", filesystem)
        self.shoot(range(12))

    def shoot(self, numbers: range, name: str = "IMG_{:04d}.JPG") -> None:
        """Put photos on the card, in the camera."""
        if "card" in self.station.loops.devices:
            self.station.loops.pull("card")
        self.device = self.station.loops.plug("card")
        place = self.station.places.data / "camera"
        place.mkdir(exist_ok=True)
        fuse = self.filesystem == "exfat" and "exfat" not in Path("/proc/filesystems").read_text()
        command = ["mount.exfat-fuse"] if fuse else ["mount", "-t", self.filesystem]
        subprocess.run([*command, f"/dev/{self.device}", str(place)], check=True, capture_output=True, timeout=60)
        folder = place / "DCIM" / "100CANON"
        folder.mkdir(parents=True, exist_ok=True)
        for number in numbers:
            (folder / name.format(number)).write_bytes(jpeg(number, datetime(2026, 5, 1 + number % 28, 9, tzinfo=UTC)))
        (place / "DCIM" / "CANONMSC").mkdir(exist_ok=True)
        (place / "DCIM" / "CANONMSC" / "M0100.CTG").write_bytes(b"index")
        subprocess.run(["umount", str(place)], check=True, timeout=60)
        self.station.loops.pull("card")
        self.device = self.station.loops.plug("card")
        self.station.settle()

    def found(self) -> Found:
        """As it is plugged in."""
        with self.station.db.reading() as session:
            (found,) = service.drives(session, self.station.places)
        return found

    def look(self) -> ImportRun:
        """The report."""
        with self.station.db.reading() as session:
            wanted = service.from_drive(session, self.station.places, self.found().device)
        return self.at.look(wanted)

    def source(self) -> ImportSource:
        """What is remembered of the card."""
        with self.station.db.reading() as session:
            return session.query(ImportSource).one()

    def on_home(self) -> list[HomeCard]:
        """What Home says of it."""
        with self.station.db.reading() as session:
            return list(cards.on_home(session))

    def bits(self) -> str:
        """Every bit of the card."""
        return hashlib.sha256(self.station.loops.image("card").read_bytes()).hexdigest()

    def guests(self) -> list[str]:
        """Drives of others that are being read."""
        return [path.name for path in self.station.places.mounts.glob("GUEST-*.json")]


@pytest.fixture(params=["exfat", "ext4"])
def camera(station: Station, request: pytest.FixtureRequest) -> Camera:
    return Camera(station, request.param)


@pytest.fixture
def card(station: Station) -> Camera:
    """The usual one."""
    return Camera(station, "exfat")


def test_a_card_comes_in_and_may_be_formatted_when_each_file_was_read_back(camera: Camera) -> None:
    before = camera.bits()
    assert service.is_camera(camera.found())
    run = camera.look()
    assert report(run) == {"new": 12, "left_out": 1} and camera.source().camera
    assert camera.at.files() == 0 and camera.guests() == []
    done = camera.at.bring(run)
    assert done.result["done"] == 12 and done.result["safe"] and camera.source().safe is not None
    assert len(camera.at.photos()) == 12 and camera.at.left_behind() == []
    assert camera.guests() == [] and camera.bits() == before
    again = camera.look()
    assert report(again) == {"known": 12, "left_out": 1}
    result = camera.at.bring(again).result
    assert result["done"] == 0 and result["safe"]
    assert len(camera.at.photos()) == 12


def test_home_tells_whose_card_it_is_and_what_is_new(card: Camera) -> None:
    (stranger,) = card.on_home()
    assert "Say whose" in str(stranger.sentence) and stranger.address == "/plugins/importer/"
    card.at.bring(card.look())
    (safe,) = card.on_home()
    assert str(safe.title).startswith("Anna’s camera card") and "may be formatted" in str(safe.sentence)
    card.shoot(range(12, 17))
    with card.station.db.writing() as session:
        cards.look_at_new(session)
        cards.look_at_new(session)  # once for each time it is plugged in
    with card.station.db.reading() as session:
        (job,) = [job for job in jobs.active(session) if job.kind == "importer.look"]
    assert card.station.run(job).state is JobState.DONE
    (told,) = card.on_home()
    assert str(told.sentence) == "5 new photos and videos." and str(told.button) == "Import"
    assert card.source().safe is None


def test_a_file_that_is_no_photo_keeps_a_card_from_being_called_safe(card: Camera) -> None:
    card.shoot(range(0), "")
    place = card.station.places.data / "camera"
    subprocess.run(["mount.exfat-fuse", f"/dev/{card.device}", str(place)], check=True, capture_output=True, timeout=60)
    (place / "thesis.doc").write_bytes(b"the only copy")
    subprocess.run(["umount", str(place)], check=True, timeout=60)
    card.station.loops.pull("card")
    card.station.loops.plug("card")
    card.station.settle()
    done = card.at.bring(card.look())
    assert not done.result["safe"] and done.result["unsafe"] == ["thesis.doc"] and card.source().safe is None


def test_what_rotted_on_hot_keeps_a_card_from_being_called_safe(card: Camera) -> None:
    card.at.bring(card.look())
    victim = next(iter(sorted((card.hot.path / "Anna").rglob("*.JPG"))))
    facts, content = victim.stat(), bytearray(victim.read_bytes())
    content[-20] ^= 1
    victim.write_bytes(content)
    os.utime(victim, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    done = card.at.bring(card.look())
    assert not done.result["safe"] and len(done.result["unsafe"]) == 1 and card.source().safe is None


def test_pulled_in_the_middle_it_is_told_and_goes_on_when_it_is_back(card: Camera) -> None:
    card.shoot(range(12, 260))
    run = card.at.start(card.look())
    process = card.at.work_apart(run)
    end = time.monotonic() + 60
    while card.at.files() < 12 and time.monotonic() < end:
        time.sleep(0.01)
    card.station.loops.pull("card")
    process.wait(120)
    came = card.at.files()
    with card.station.db.reading() as session:
        job = session.get_one(Job, run.job_id or 0)
    assert 12 <= came < 260 and job.state is JobState.FAILED, (came, job.state)
    assert card.at.run(run.id).state is RunState.STOPPED and card.at.left_behind() == []
    card.station.loops.plug("card")
    card.station.settle()
    done = card.at.bring(card.at.run(run.id))
    assert done.result["safe"] and len(card.at.photos()) == 260


def test_root_reads_a_drive_only_and_only_the_one_that_was_meant(card: Camera) -> None:
    found, root = card.found(), card.station.root
    with pytest.raises(ApplianceError):
        root("drives.visit", {"device": found.device, "filesystem_uuid": "0000-0000"})
    with pytest.raises(ApplianceError):
        root("drives.visit", {"device": "../etc", "filesystem_uuid": found.filesystem_uuid})
    record = root("drives.visit", {"device": found.device, "filesystem_uuid": found.filesystem_uuid})
    assert record == root("drives.visit", {"device": found.device, "filesystem_uuid": found.filesystem_uuid})
    assert record["read_only"] and json.loads((card.station.places.mounts / f"{record['tag']}.json").read_text())
    with pytest.raises(OSError, match="ead-only"):
        (Path(record["path"]) / "new").write_bytes(b"")
    root("drives.unmount", {"tag": record["tag"]})
    assert card.guests() == []


def test_one_of_our_own_drives_is_not_offered(card: Camera, program: Callable[[str], str]) -> None:
    assert card.found().label != card.hot.name
    with card.station.db.reading() as session, pytest.raises(ApplianceError):
        service.from_drive(session, card.station.places, card.hot.device)
