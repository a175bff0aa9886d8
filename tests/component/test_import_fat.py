"""Cameras' cards as cameras format them: FAT32 and FAT16, short names, local time, and cards that have gone bad."""

import hashlib
import os
import struct
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from appliance.drives.mounts import Mount
from appliance.jobs.schedule import TIME_ZONE
from appliance.library.models import Media
from plugins.importer import service
from plugins.importer.models import FileState, ImportFile, ImportRun, ImportSource
from tests.component.drive_station import Station
from tests.component.importing import Importing, report
from tests.photos import jpeg

pytestmark = pytest.mark.component
FOLDER = "DCIM/100CANON"


class Card:
    """A FAT card that a camera filled: written with mtools, so no driver of this machine has touched it."""

    def __init__(self, station: Station, bits: int, program: Callable[[str], str]) -> None:
        for name in ("mkfs.vfat", "mcopy", "fusefat"):
            program(name)
        self.station, self.loops = station, station.loops
        drive = station.erase(station.loops.make("blue"), "ext4")
        self.hot: Mount = station.mount(drive.id)
        self.at = Importing(station.db, station.places, station.root, self.hot)
        with station.db.writing() as session:
            TIME_ZONE.set(session, "Europe/Paris")
        self.image = self.loops.image("card")
        self.image.write_bytes(b"")
        os.truncate(self.image, 64 << 20 if bits == 32 else 16 << 20)
        subprocess.run(["mkfs.vfat", "-F", str(bits), str(self.image)], check=True, capture_output=True, timeout=60)
        self.tool("mmd", "::DCIM", f"::{FOLDER}")

    def tool(self, name: str, *words: str) -> None:
        """One of mtools, where the clock shows what the camera's shows."""
        env = os.environ | {"MTOOLS_SKIP_CHECK": "1", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
        subprocess.run([name, "-i", str(self.image), *words], check=True, capture_output=True, timeout=60, env=env)

    def put(self, name: str, content: bytes, at: datetime) -> None:
        """A file, with the time that the camera's clock shows."""
        file = self.station.places.data / "camera-file"
        file.write_bytes(content)
        seconds = at.replace(tzinfo=ZoneInfo("UTC")).timestamp()
        os.utime(file, (seconds, seconds))
        self.tool("mcopy", "-m", "-o", str(file), f"::{name}")

    def plug(self) -> None:
        self.loops.plug("card")
        self.station.settle()

    def again(self) -> None:
        self.loops.pull("card")
        self.plug()

    def look(self) -> ImportRun:
        """The report."""
        with self.station.db.reading() as session:
            (found,) = service.drives(session, self.station.places)
            assert service.is_camera(found)
            wanted = service.from_drive(session, self.station.places, found.device)
        return self.at.look(wanted)

    def safe(self) -> bool:
        """Whether it may be formatted."""
        with self.station.db.reading() as session:
            return session.scalars(select(ImportSource)).one().safe is not None

    def unreadable(self) -> list[str]:
        """Files of it that could not be read."""
        with self.station.db.reading() as session:
            rows = session.scalars(select(ImportFile.path).where(ImportFile.state == FileState.UNREADABLE))
            return [os.fsdecode(path) for path in rows]

    def bits(self) -> str:
        """Every bit of the card."""
        return hashlib.sha256(self.image.read_bytes()).hexdigest()


SHOT = datetime(2026, 1, 5, 14, 25, 37)  # noqa: DTZ001 - what the camera's clock shows


@pytest.fixture(params=[16, 32], ids=["FAT16", "FAT32"])
def card(station: Station, program: Callable[[str], str], request: pytest.FixtureRequest) -> Card:
    made = Card(station, request.param, program)
    for number in range(6):
        made.put(f"{FOLDER}/IMG_{number:04d}.JPG", jpeg(number, SHOT), SHOT)
    return made


def test_a_card_as_cameras_format_it_comes_in_and_may_be_formatted(card: Card) -> None:
    card.put(f"{FOLDER}/mvi_0007.thm", b"small", SHOT)
    card.put(f"{FOLDER}/Beach at noon (1).jpg", jpeg(10, SHOT), SHOT)  # a long name beside its short one
    card.put(f"{FOLDER}/IMG_E011.JPG", jpeg(11, SHOT), SHOT)
    card.put("DCIM/img_0001.jpg", jpeg(12, SHOT), SHOT)  # lower case, and a name that is also in another folder
    card.plug()
    before = card.bits()
    run = card.look()
    assert report(run) == {"new": 9, "left_out": 1}
    result = card.at.bring(run).result
    assert result["done"] == 9 and result["safe"] and card.safe() and card.bits() == before
    names = {name.rpartition("/")[2] for name in card.at.names()}
    assert {"IMG_0000.JPG", "Beach at noon (1).jpg", "IMG_E011.JPG"} <= names
    assert {photo.taken.astimezone(ZoneInfo("Europe/Paris")).hour for photo in card.at.photos()} == {14}
    card.again()
    assert report(card.look()) == {"known": 9, "left_out": 1}


def test_a_name_that_the_driver_cannot_look_up_hides_no_other(card: Card) -> None:
    card.put(f"{FOLDER}/été.jpg", jpeg(11, SHOT), SHOT)  # some drivers list it and do not find it
    card.plug()
    run = card.look()
    assert run.report["new"] + run.report["unreadable"] == 7 and run.report["new"] >= 6
    assert card.at.bring(run).result["safe"] == (run.report["unreadable"] == 0)


def test_where_only_the_card_says_when_it_is_what_the_cameras_clock_showed(card: Card) -> None:
    card.put(f"{FOLDER}/SCAN.JPG", jpeg(30), SHOT)
    card.plug()
    card.at.bring(card.look())
    with card.station.db.reading() as session:
        (taken,) = session.scalars(select(Media.taken).where(Media.taken_from == "client"))
    shown = taken.astimezone(ZoneInfo("Europe/Paris"))
    assert (shown.hour, shown.minute, shown.second) == (14, 25, 36)  # FAT counts in pairs of seconds


def test_a_new_photo_under_the_same_name_is_new(card: Card) -> None:
    card.plug()
    card.at.bring(card.look())
    card.loops.pull("card")
    card.tool("mdel", f"::{FOLDER}/IMG_0003.JPG")
    card.put(f"{FOLDER}/IMG_0003.JPG", jpeg(40, SHOT), datetime(2026, 1, 6, 9, 0, 1))  # noqa: DTZ001
    card.plug()
    run = card.look()
    assert report(run) == {"new": 1, "known": 5} and not card.safe()
    assert card.at.bring(run).result["safe"] and len(card.at.photos()) == 7


def test_a_file_whose_chain_is_broken_is_named_and_keeps_the_card_from_being_called_safe(card: Card) -> None:
    """The first cluster is said to be the last, as after a cut while the camera wrote."""
    card.put(f"{FOLDER}/IMG_0009.JPG", jpeg(50, SHOT) + bytes(100_000), SHOT)
    Fat(card.image).end_after_first(b"IMG_0009JPG")
    card.plug()
    before = card.bits()
    done = card.at.bring(card.look())
    assert done.result["done"] >= 6 and not done.result["safe"] and not card.safe()
    assert card.unreadable() == [f"{FOLDER}/IMG_0009.JPG"] and card.bits() == before
    assert "IMG_0009.JPG" not in str(card.at.names()) and card.at.left_behind() == []


def test_a_card_that_was_pulled_from_the_camera_while_it_wrote_is_read_all_the_same(card: Card) -> None:
    Fat(card.image).mark_dirty()
    card.plug()
    before = card.bits()
    assert card.at.bring(card.look()).result["safe"] and card.bits() == before


class Fat:
    """Just enough of the format (Microsoft, "FAT: General Overview of On-Disk Format") to break one."""

    def __init__(self, image: Path) -> None:
        self.image = image
        boot = image.read_bytes()[:512]
        self.sector, self.cluster, reserved, self.fats, self.roots = struct.unpack_from("<HBHBH", boot, 11)
        small, large = struct.unpack_from("<H", boot, 22)[0], struct.unpack_from("<I", boot, 36)[0]
        self.is_32 = small == 0
        self.per_fat = (large if self.is_32 else small) * self.sector
        self.first_fat = reserved * self.sector

    def end_after_first(self, short_name: bytes) -> None:
        """Let the chain of a file end where it begins."""
        disk = bytearray(self.image.read_bytes())
        at = disk.rindex(short_name)
        high, low = struct.unpack_from("<H", disk, at + 20)[0], struct.unpack_from("<H", disk, at + 26)[0]
        first = high << 16 | low if self.is_32 else low
        for number in range(self.fats):
            place = self.first_fat + number * self.per_fat + first * (4 if self.is_32 else 2)
            struct.pack_into("<I" if self.is_32 else "<H", disk, place, 0x0FFFFFFF if self.is_32 else 0xFFFF)
        self.image.write_bytes(disk)

    def mark_dirty(self) -> None:
        """The bit that says so lies in the boot sector."""
        disk = bytearray(self.image.read_bytes())
        disk[65 if self.is_32 else 37] |= 1
        self.image.write_bytes(disk)
