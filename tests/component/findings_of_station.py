"""Causes of findings about the station itself: its database, its processes, its power, its clock."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psutil

from appliance import clock, plugin, recovery, settings
from appliance.health import database, hardware
from appliance.health import service as health
from appliance.jobs import schedule, tick
from appliance.jobs import service as jobs
from appliance.jobs.models import Job, JobState
from appliance.library import health as library
from appliance.places import Places
from appliance.web import certificate
from appliance.web import health as door
from appliance.words import Message
from plugins.station_report import service as report
from tests.component.finding_bed import FindingBed, finding
from tests.component.loop_drives import until


@finding("database_damaged")
def a_page_of_the_database_rots(bed: FindingBed) -> Iterator[None]:
    path = bed.places.database
    with closing(sqlite3.connect(path)) as rows:
        rows.execute("create table scratch (text)")
        rows.executemany("insert into scratch values (?)", [("x" * 500,)] * 50)
        rows.commit()
        rows.execute("pragma wal_checkpoint(truncate)")
        (page,) = rows.execute("select rootpage from sqlite_master where name = 'scratch'").fetchone()
        (size,) = rows.execute("pragma page_size").fetchone()
    _rot(path, page, size)
    assert database.check(bed.places)
    yield
    _rot(path, page, size)
    assert not database.check(bed.places)
    yield
    with closing(sqlite3.connect(path)) as rows:
        rows.execute("drop table scratch")
        rows.commit()
    recovery.suspect_stamp(bed.places).unlink()


def _rot(path: Path, page: int, size: int) -> None:
    """Turn every bit of a page, and back; by another process, because closing a file ends its SQLite locks."""
    script = (
        "import sys; path, page, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]); file = open(path, 'r+b');"
        "file.seek((page - 1) * size); old = file.read(size); file.seek((page - 1) * size);"
        "file.write(bytes(byte ^ 255 for byte in old)); file.close()"
    )
    subprocess.run([sys.executable, "-c", script, str(path), str(page), str(size)], check=True, timeout=60)


@finding("database_restored")
def a_copy_took_its_place(bed: FindingBed) -> Iterator[None]:
    other = Places(data=bed.places.data / "other", run=bed.places.run / "other")
    for folder in (other.data, other.run):
        folder.mkdir()
    with closing(sqlite3.connect(bed.places.database)) as here, closing(sqlite3.connect(other.database)) as there:
        here.backup(there)
    recovery.prepare(other)
    assert not database.check(other)
    other.database.write_bytes(b"nothing that is a database")
    recovery.prepare(other)
    shutil.copy(recovery.report_path(other), recovery.report_path(bed.places))
    yield
    bed.press("database_restored")
    yield
    shutil.rmtree(other.data)
    shutil.rmtree(other.run)


@finding("own_disk_full")
def its_own_disk_fills_up(bed: FindingBed) -> Iterator[None]:
    """What a small card is to the station: a real filesystem of its own, filled."""
    image, place = bed.loops.folder.parent / "card.img", bed.places.data / "card"
    with image.open("wb") as file:
        file.truncate(600 * 2**20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, timeout=60)
    place.mkdir()
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True, timeout=60)
    try:
        with bed.patch.context() as patch:
            usage = shutil.disk_usage
            patch.setattr(shutil, "disk_usage", lambda path: usage(place if path == bed.places.data else path))
            subprocess.run(["fallocate", "-l", "420M", str(place / "journal")], check=True, timeout=60)
            yield
            (place / "journal").unlink()
            yield
    finally:
        subprocess.run(["umount", str(place)], check=True, timeout=60)
        image.unlink()


@finding("clock_wrong")
def older_than_this_version(bed: FindingBed) -> Iterator[None]:
    with bed.patch.context() as patch:
        patch.setattr(clock, "BUILT", "2999-01-01")
        yield
    yield


@finding("clock_not_set")
def nobody_told_it_the_time(bed: FindingBed) -> Iterator[None]:
    time_server = bed.places.data / "timesync"
    time_server.mkdir()
    with bed.patch.context() as patch:
        patch.setattr(clock, "SYSTEMD", bed.places.data)
        patch.setattr(clock, "TIMESYNC", time_server)
        patch.setattr(hardware, "CLOCK_PATIENCE_S", 0)
        yield
        (time_server / "synchronized").touch()
        yield
    time_server.joinpath("synchronized").unlink()
    time_server.rmdir()


@finding("certificate_not_renewed")
def the_authority_cannot_be_read(bed: FindingBed) -> Iterator[None]:
    """Root's real verb fails on a real file; when that is whole again, the button's job makes the certificate."""
    with bed.patch.context() as patch:
        patch.setenv("EVERPX_LISTEN", "127.0.0.1:8080 127.0.0.1:8443/tls")
        broken = bed.places.data / "identity" / "authority.crt"
        broken.parent.mkdir(mode=0o700)
        broken.write_text("scratched")
        door.renew(bed.db, bed.root, bed.places)
        yield
        broken.unlink()
        bed.press("certificate_not_renewed")
        door.renew(bed.db, bed.root, bed.places)
        yield
    broken.parent.joinpath("authority.key").unlink()
    broken.unlink()
    broken.parent.rmdir()
    certificate.place(bed.places).unlink()


@finding("setting_unreadable")
def a_setting_of_the_wrong_kind(bed: FindingBed) -> Iterator[None]:
    with bed.db.writing() as session:
        session.add(settings.SettingRow(key="station.time_zone", value=7))
    yield
    with bed.db.writing() as session:
        schedule.TIME_ZONE.set(session, "")
    yield


@finding("plugin_failed")
def a_plugin_that_breaks(bed: FindingBed) -> Iterator[None]:
    with bed.patch.context() as patch, bed.db.reading() as session:
        patch.setattr(report, "cards", lambda session: 1 // 0)
        plugin.call("home_cards", session=session)
    until(lambda: _last_error(bed))
    yield
    bed.press("plugin_failed")
    yield
    with bed.db.writing() as session:
        plugin.switch(session, "station_report", on=True)
    plugin.load(bed.db)


def _last_error(bed: FindingBed) -> str:
    with bed.db.reading() as session:
        row = session.get(plugin.PluginRow, "station_report")
        return row.last_error if row else ""


@finding("root_silent")
def root_is_killed(bed: FindingBed) -> Iterator[None]:
    bed.root.kill()
    yield
    bed.root.start()
    yield


@finding("jobs_not_started")
def the_worker_is_dead(bed: FindingBed) -> Iterator[None]:
    looks = bed.page.looks
    bed.page.looks = lambda: health.run_all(bed.db, bed.root, bed.places)  # no job could be started, either
    with bed.db.writing() as session:
        job = jobs.start(session, "health.check", title=Message("Look"), lock="health")
        job.created -= timedelta(hours=1)
    yield
    worker = subprocess.Popen([sys.executable, "-m", "appliance.jobs.worker"])
    try:
        until(lambda: bed.station.job(job.id).state is JobState.DONE)
    finally:
        worker.terminate()
        worker.wait(60)
    yield
    bed.page.looks = looks
    with bed.db.reading() as session:
        assert session.get(Job, job.id)


@finding("check_failed")
def nothing_to_read(bed: FindingBed) -> Iterator[None]:
    bed.root.kernel_log.unlink()
    yield
    bed.root.kernel_log.touch()
    yield


@finding("chore_failed")
def a_chore_that_cannot_be_done(bed: FindingBed) -> Iterator[None]:
    chores, which = tick.Chores(bed.db, bed.root, bed.places), (tick.Chores.mount_hot,)
    bed.places.inventory.write_text("{")
    tick.do(chores, which)
    yield
    bed.station.look()
    tick.do(chores, which)
    yield


@finding("too_little_power", "usb_died", "over_current", "usb_resets")
def weak_power(bed: FindingBed) -> Iterator[None]:
    bed.root.kernel_says("hwmon hwmon1: Undervoltage detected!")
    bed.root.kernel_says("xhci_hcd 0000:01:00.0: HC died; cleaning up")
    bed.root.kernel_says("usb usb1-port2: over-current change #1")
    for _ in range(3):
        bed.root.kernel_says("usb 1-1.2: reset high-speed USB device number 3 using xhci_hcd")
    yield
    for code in ("too_little_power", "usb_died", "over_current", "usb_resets"):
        bed.press(code)
    yield


@finding("station_warm", "station_memory")
def hot_and_short(bed: FindingBed) -> Iterator[None]:
    """Nothing here has a sensor, or uses up all memory; what the kernel would then say is read by the usual code."""
    warm, memory = type("Sensor", (), {"current": 91.0}), psutil.virtual_memory()
    with bed.patch.context() as patch:
        patch.setattr(psutil, "sensors_temperatures", lambda: {"cpu_thermal": [warm]}, raising=False)
        patch.setattr(psutil, "virtual_memory", lambda: memory._replace(available=memory.total // 50))
        yield
    yield


@finding("previews_unprotected")
def no_sandbox(bed: FindingBed) -> Iterator[None]:
    library.bubblewrap.cache_clear()
    with bed.patch.context() as patch:
        patch.setenv("PATH", str(bed.places.data))
        yield
    library.bubblewrap.cache_clear()
    yield
