"""Causes of findings about drives: pulled, full, broken, worn, strange."""

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from appliance.drives import service
from appliance.drives.identity import station_id
from appliance.drives.marker import MARKER
from appliance.drives.models import Drive, SmartSample
from tests.component.finding_bed import FindingBed, finding


@finding("drive_missing")
def pulled(bed: FindingBed) -> Iterator[None]:
    bed.loops.pull("blue")
    bed.station.settle()
    yield
    bed.loops.plug("blue")
    bed.station.settle()
    yield


@finding("drives_all_gone")
def all_pulled(bed: FindingBed) -> Iterator[None]:
    for name in ("blue", "red", "green"):
        bed.loops.pull(name)
    bed.station.settle()
    yield
    for name in ("blue", "red", "green"):
        bed.loops.plug(name)
    bed.station.settle()
    yield


@finding("drive_ejected")
def let_go(bed: FindingBed) -> Iterator[None]:
    with bed.db.writing() as session:
        service.eject(session, bed.blue.id)
    bed.work()
    yield
    bed.press("drive_ejected")
    yield


@finding("drive_full", "drive_nearly_full")
def filled(bed: FindingBed) -> Iterator[None]:
    big = bed.top / "big"
    with big.open("wb", buffering=0) as file:
        for size in (2**20, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    yield
    big.unlink()
    yield


@finding("drive_read_only")
def turned_read_only(bed: FindingBed) -> Iterator[None]:
    device = bed.station.mount(bed.blue.id).device
    Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("for a test")
    yield
    bed.press("drive_read_only")
    yield
    assert not bed.station.mount(bed.blue.id).read_only


@finding("drive_failing")
def says_that_it_fails(bed: FindingBed) -> Iterator[None]:
    bed.loops.feels("blue", passed=False)
    yield
    bed.loops.feels("blue")
    yield


@finding("drive_worsening", "drive_cable_errors", "drive_worn", "drive_warm")
def gets_worse(bed: FindingBed) -> Iterator[None]:
    bed.loops.feels("red", worn=40)
    bed.look()
    _days_later(bed, 3)
    bed.loops.feels("red", worn=93, reallocated=9, crc_errors=12, degrees=71)
    yield
    _days_later(bed, 31)
    bed.loops.feels("red", worn=12, reallocated=9, crc_errors=12, degrees=40)  # another drive in its case would say so
    yield
    with bed.db.writing() as session:
        for sample in session.scalars(select(SmartSample)):
            session.delete(sample)


def _days_later(bed: FindingBed, days: int) -> None:
    with bed.db.writing() as session:
        for sample in session.scalars(select(SmartSample)):
            sample.at -= timedelta(days=days)


@finding("drive_foreign")
def of_another_station(bed: FindingBed) -> Iterator[None]:
    marker = bed.top / MARKER
    ours = marker.read_text()
    marker.write_text(ours.replace(station_id(bed.places), "somebody-else"))
    bed.root("drives.unmount", {"tag": bed.blue.tag})
    bed.station.settle()
    yield
    _write_marker(bed, ours)
    bed.station.settle()
    yield


def _write_marker(bed: FindingBed, text: str) -> None:
    """As its own station would."""
    device = bed.loops.devices["blue"]
    uuid = bed.station.drive(bed.blue.id).filesystem_uuid
    place = bed.root("drives.mount", {"device": device, "tag": "HOT-999", "filesystem_uuid": uuid})["path"]
    (Path(place) / MARKER).write_text(text)
    bed.root("drives.unmount", {"tag": "HOT-999"})
    bed.root("drives.look", {"device": device})


@finding("drive_cloned")
def duplicated(bed: FindingBed) -> Iterator[None]:
    os.sync()
    bed.loops.copy("blue", "twin")
    bed.station.settle()
    yield
    bed.loops.pull("twin")
    bed.station.settle()
    yield


@finding("drive_wrong")
def its_marker_deleted(bed: FindingBed) -> Iterator[None]:
    (bed.top / MARKER).unlink()
    bed.station.settle()
    yield
    bed.press("drive_wrong")
    yield


@finding("drive_dirty")
def pulled_in_use(bed: FindingBed) -> Iterator[None]:
    drive = bed.station.adopt(bed.station.make("stick", "exfat"), name="Stick")
    bed.loops.pull("stick")
    bed.station.settle()
    bed.loops.plug("stick")
    bed.station.settle()
    yield
    bed.press("drive_dirty")
    yield
    with bed.db.writing() as session:
        service.eject(session, drive.id)
    bed.work()
    with bed.db.writing() as session:
        service.retire(session, drive.id)
    bed.loops.pull("stick")
    bed.station.settle()


@finding("drive_unreadable")
def broken_before_it_came(bed: FindingBed) -> Iterator[None]:
    bed.loops.make("broken", "exfat")
    bed.loops.pull("broken")
    with bed.loops.image("broken").open("r+b") as image:
        image.seek(2**20)
        image.write(b"\xff" * 2**24)  # all but the first sectors: what it is can be seen, and nothing else
    bed.loops.plug("broken")
    bed.station.settle()
    yield
    bed.loops.pull("broken")
    bed.station.settle()
    yield


@finding("cold_away")
def not_here_for_long(bed: FindingBed) -> Iterator[None]:
    bed.loops.pull("green")
    bed.station.settle()
    with bed.db.writing() as session:
        session.get_one(Drive, bed.green.id).last_here -= timedelta(days=60)
    yield
    bed.loops.plug("green")
    bed.station.settle()
    yield


@finding("drive_may_go")
def done_and_still_here(bed: FindingBed) -> Iterator[None]:
    bed.station.settle()
    yield
    bed.loops.pull("green")
    bed.station.settle()
    yield
    bed.loops.plug("green")
    bed.station.settle()


@finding("drive_errors", "own_disk_errors")
def read_errors(bed: FindingBed) -> Iterator[None]:
    card = bed.loops.folder.parent / "sys"
    _card(bed, card)
    with bed.patch.context() as patch:
        patch.setenv("EVERPX_SYSFS", str(card))
        bed.root.kernel_says(f"critical medium error, dev {bed.loops.devices['blue']}, sector 99 op 0x0:(READ)")
        bed.root.kernel_says("I/O error, dev mmcblk0, sector 2048 op 0x1:(WRITE)")
        yield
        bed.press("drive_errors")
        bed.root.kernel_log.write_text("")  # a day later
        yield
    shutil.rmtree(card)


@finding("own_disk_worn")
def worn_card(bed: FindingBed) -> Iterator[None]:
    card = bed.loops.folder.parent / "sys"
    life = _card(bed, card) / "device/life_time"
    with bed.patch.context() as patch:
        patch.setenv("EVERPX_SYSFS", str(card))
        life.write_text("0x0b 0x0b\n")
        yield
        life.write_text("0x01 0x01\n")  # moved in on a new one
        yield
    shutil.rmtree(card)


def _card(bed: FindingBed, tree: Path) -> Path:
    """A station that runs from a card, as /sys tells it."""
    number = bed.places.data.stat().st_dev
    disk = tree / "devices/mmc/block/mmcblk0"
    part = disk / "mmcblk0p2"
    for place in (part, disk / "device", tree / "dev/block"):
        place.mkdir(parents=True)
    (part / "partition").write_text("2\n")
    (tree / f"dev/block/{os.major(number)}:{os.minor(number)}").symlink_to(part)
    return disk
