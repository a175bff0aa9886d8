"""Health with real causes: each finding is there when its cause is, and goes with it (faults F2, F3, F8).

Drives are loop devices with real filesystems; errors of ext4 are real (``trigger_fs_error``).  What no loop device can
do is said by a stand-in for smartctl, a file for the kernel's log and a small tree for /sys, read by the usual code.
"""

import errno
import os
import subprocess
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from appliance.db import now
from appliance.drives import inventory, probing, smart_history, write_probe
from appliance.drives.models import Drive, DriveRole, DriveState, SmartSample
from appliance.errors import ApplianceError, RefusedByRoot
from appliance.health import service as health
from appliance.health.guides import GUIDES
from appliance.health.models import Issue
from appliance.jobs import service as jobs
from appliance.jobs.models import JobState
from appliance.words import Message
from tests.component.drive_station import Station

pytestmark = pytest.mark.component


def look(station: Station) -> dict[str, Issue]:
    """Every open issue by code, after a look as "Look now" makes it; each has a button or steps, or says it all."""
    with station.db.writing() as session:
        job = jobs.start(session, "health.check", title=Message("Look"), lock="health")
    assert station.run(job).state is JobState.DONE
    with station.db.reading() as session:
        issues = {issue.code: issue for issue in session.scalars(select(Issue))}
        for issue in issues.values():
            assert issue.guide is None or issue.guide in GUIDES
            assert issue.fix is None or health.fix_of(issue) is not None, issue.fix
    assert "check_failed" not in issues, issues["check_failed"].subject
    return issues


def press(station: Station, issue: Issue) -> Message | None:
    with station.db.writing() as session:
        return health.apply_fix(session, station.root, station.places, issue.id)


def run_waiting(station: Station) -> list[tuple[JobState, Message | None]]:
    """Run what a button queued."""
    with station.db.reading() as session:
        waiting = list(session.scalars(select(jobs.Job).where(jobs.Job.state == JobState.WAITING)))
    ended = [station.run(job) for job in waiting]
    return [(job.state, job.error) for job in ended]


def age(station: Station, days: int) -> None:
    """As if what was noted until now had been noted some days earlier."""
    with station.db.writing() as session:
        for sample in session.scalars(select(SmartSample)):
            sample.at -= timedelta(days=days)


# F8: the filesystem turns read-only


def test_f8_an_error_of_the_filesystem_is_found_by_writing_and_repaired_by_the_button(station: Station) -> None:
    drive = station.adopt(station.make("blue", "ext4"))
    mount = station.mount(drive.id)
    (mount.path / "before.txt").write_text("acknowledged")
    subprocess.run(["sync", "-f", str(mount.path)], check=True, timeout=60)
    assert look(station) == {} or "drive_read_only" not in look(station)
    Path(f"/sys/fs/ext4/{mount.device}/trigger_fs_error").write_text("for a test")
    with pytest.raises(OSError) as refused:
        (mount.path / "after.txt").write_text("not acknowledged")
    assert refused.value.errno in (errno.EROFS, errno.EIO)
    issue = look(station)["drive_read_only"]
    assert issue.severity.value == "danger" and issue.guide == "replace"
    assert (mount.path / "before.txt").read_text() == "acknowledged"
    press(station, issue)
    assert run_waiting(station) == [(JobState.DONE, None)]
    station.settle()
    assert "drive_read_only" not in look(station)
    again = station.mount(drive.id)
    assert (again.path / "before.txt").read_text() == "acknowledged"
    (again.path / "after.txt").write_text("now it is")


def test_f8_a_drive_that_fails_every_write_is_told_by_the_probe_though_the_kernel_calls_it_writable(
    station: Station,
) -> None:
    drive = station.adopt(station.make("blue", "ext4"))
    mount = station.mount(drive.id)
    os.truncate(station.loops.image("blue"), 4096)  # the medium is gone below a filesystem that does not know it yet
    issue = look(station).get("drive_read_only")
    assert issue is not None
    assert station.drive(drive.id).state is DriveState.ACTIVE
    subprocess.run(["umount", "-l", str(mount.path)], check=True, timeout=60)


def test_the_probe_leaves_nothing_and_writes_one_name_only(station: Station) -> None:
    drive = station.adopt(station.make("blue", "ext4"))
    private = station.mount(drive.id).path / ".everpx"
    before = set(private.iterdir())
    (private / write_probe.NAME).write_text("left behind by a power cut")
    for _ in range(3):
        assert probing.write_problem(private.parent) is None
    assert set(private.iterdir()) == before


def test_a_full_drive_is_told_as_full_and_not_as_broken(station: Station) -> None:
    drive = station.adopt(station.make("blue", "ext4"))
    with (station.mount(drive.id).path / "big").open("wb", buffering=0) as file:
        for size in (2**20, 4096, 1):
            with pytest.raises(OSError, match="space"):
                while True:
                    file.write(b"x" * size)
    found = look(station)
    assert found["drive_full"].guide == "room" and "drive_read_only" not in found
    (station.mount(drive.id).path / "big").unlink()
    assert "drive_full" not in look(station)


# F2: HOT is pulled while somebody writes


def test_f2_pulled_in_mid_write_nothing_lands_in_the_empty_place_and_it_comes_back(station: Station) -> None:
    drive = station.adopt(station.make("blue", "ext4"))
    place = station.mount(drive.id).path
    kept: list[str] = []
    failed: list[OSError] = []
    begun = threading.Event()

    def write() -> None:
        for number in range(100_000):
            name = f"{number}.bin"
            try:
                with (place / name).open("wb") as file:
                    file.write(name.encode() * 1000)
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                failed.append(error)
                return
            kept.append(name)
            if len(kept) == 20:
                begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert begun.wait(60)
    sure = list(kept)  # a write that is under way while a loop device is pulled may be taken and lost
    station.loops.pull("blue")
    writer.join(60)
    assert failed and not writer.is_alive()
    station.settle()
    issue = look(station)["drive_missing"]
    assert issue.severity.value == "danger"
    child = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", "touch", str(place / "stray")], capture_output=True, check=False
    )
    assert child.returncode != 0 and not os.path.ismount(place)
    station.loops.plug("blue")
    station.settle()
    assert "drive_missing" not in look(station)
    again = station.mount(drive.id).path
    for name in sure:
        assert (again / name).read_bytes() == name.encode() * 1000, name


# F3: brown-out, USB resets


def test_f3_when_the_power_breaks_down_there_is_one_alert_and_no_drive_is_called_broken(station: Station) -> None:
    for name in ("one", "two"):
        station.adopt(station.make(name))
    station.root.kernel_says("hwmon hwmon1: Undervoltage detected!")
    station.root.kernel_says("xhci_hcd 0000:01:00.0: HC died; cleaning up")
    for name in ("one", "two"):
        station.root.kernel_says(f"I/O error, dev {station.loops.devices[name]}, sector 8 op 0x1:(WRITE) flags 0x800")
        station.loops.pull(name)
    station.settle()
    found = look(station)
    assert set(found) - UNRELATED == {"drives_all_gone"} and found["drives_all_gone"].guide == "power"
    with station.db.reading() as session:
        assert {drive.state for drive in session.scalars(select(Drive))} == {DriveState.ACTIVE}
    for name in ("one", "two"):
        device = station.loops.plug(name)
        station.root.kernel_says(f"{device}: detected capacity change from 0 to 262144")
    station.settle()
    found = look(station)
    assert set(found) - UNRELATED == {
        "too_little_power",
        "usb_died",
    }  # what pulling made is not held against the drives
    for code in ("too_little_power", "usb_died"):
        press(station, found[code])
    assert set(look(station)) - UNRELATED == set()
    station.root.kernel_says("hwmon hwmon1: Undervoltage detected!")
    assert "too_little_power" in look(station)


UNRELATED = {"previews_unprotected", "own_disk_full", "backup_overdue", "drill_overdue", "drive_nearly_full"}


def test_f3_a_shaky_cable_is_told_after_some_resets_and_forgotten_after_a_day(station: Station) -> None:
    station.root.kernel_says("usb 1-1.2: reset high-speed USB device number 3 using xhci_hcd", ago=90_000)
    for _ in range(2):
        station.root.kernel_says("usb 1-1.2: reset high-speed USB device number 3 using xhci_hcd")
    assert "usb_resets" not in look(station)
    station.root.kernel_says("usb 1-1.2: reset SuperSpeed USB device number 3 using xhci_hcd")
    issue = look(station)["usb_resets"]
    assert issue.guide == "cable" and issue.message.fields["count"] == 3
    press(station, issue)
    assert "usb_resets" not in look(station)


def test_over_current_and_errors_of_a_drive_are_told(station: Station) -> None:
    drive = station.adopt(station.make("blue"))
    station.root.kernel_says("usb usb1-port2: over-current change #1")
    station.root.kernel_says(f"critical medium error, dev {station.loops.devices['blue']}, sector 99 op 0x0:(READ)")
    found = look(station)
    assert found["over_current"].guide == "power"
    assert found["drive_errors"].subject == f"drive:{drive.id}"
    for code in ("over_current", "drive_errors"):
        press(station, found[code])
    assert not {"over_current", "drive_errors"} & set(look(station))


def test_the_voltage_sensor_is_read(station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERPX_SYSFS", str(tmp_path))
    chip = tmp_path / "class/hwmon/hwmon0"
    chip.mkdir(parents=True)
    (chip / "name").write_text("rpi_volt\n")
    (chip / "in0_lcrit_alarm").write_text("1\n")
    issue = look(station)["too_little_power"]
    assert issue.severity.value == "danger" and issue.guide == "power" and issue.fix is None
    (chip / "in0_lcrit_alarm").write_text("0\n")
    assert "too_little_power" not in look(station)
    firmware = tmp_path / "devices/platform/soc/soc:firmware"
    firmware.mkdir(parents=True)
    (firmware / "get_throttled").write_text("50005\n")
    assert "too_little_power" in look(station)
    (firmware / "get_throttled").write_text("50000\n")
    assert "too_little_power" not in look(station)


@pytest.mark.parametrize(
    ("facts", "severity"),
    [
        ({"life_time": "0x01 0x02", "pre_eol_info": "0x01"}, None),
        ({"life_time": "0x01 0x09", "pre_eol_info": "0x01"}, "warning"),
        ({"life_time": "0x0b 0x0b", "pre_eol_info": "0x01"}, "danger"),
        ({"life_time": "0x00 0x00", "pre_eol_info": "0x02"}, "warning"),
        ({"life_time": "0x03 0x03", "pre_eol_info": "0x03"}, "danger"),
        ({"written": 600}, "notice"),
        ({"written": 20}, None),
    ],
)
def test_a_worn_card_is_told(
    station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any], severity: str | None
) -> None:
    number = station.places.data.stat().st_dev
    disk = tmp_path / "devices/mmc/block/mmcblk0"
    part = disk / "mmcblk0p2"
    for place in (part, disk / "device", tmp_path / "dev/block", tmp_path / "fs/ext4/mmcblk0p2"):
        place.mkdir(parents=True)
    (part / "partition").write_text("2\n")
    (disk / "size").write_text(f"{32_000_000_000 // 512}\n")
    (tmp_path / f"dev/block/{os.major(number)}:{os.minor(number)}").symlink_to(part)
    for name in {"life_time", "pre_eol_info"} & set(facts):
        (disk / "device" / name).write_text(f"{facts[name]}\n")
    (tmp_path / "fs/ext4/mmcblk0p2/lifetime_write_kbytes").write_text(
        f"{facts.get('written', 0) * 32_000_000_000 // 1024}\n"
    )
    monkeypatch.setenv("EVERPX_SYSFS", str(tmp_path))
    issue = look(station).get("own_disk_worn")
    assert (issue.severity.value if issue else None) == severity
    if issue:
        assert issue.guide == "card"
    station.root.kernel_says("I/O error, dev mmcblk0, sector 2048 op 0x1:(WRITE)")
    assert look(station)["own_disk_errors"].severity.value == "danger"


# What drives say of themselves


def test_what_drives_say_is_noted_once_a_day_and_at_each_power_on_and_none_is_woken(station: Station) -> None:
    device = station.make("blue")
    drive = station.adopt(device)
    station.loops.feels("blue", degrees=30, cycles=7)
    for _ in range(3):
        look(station)
    station.loops.feels("blue", degrees=41, cycles=7)
    look(station)
    assert [(s.power_on, s.temperature_c) for s in history(station, drive)] == [("cycle 7", 41)]
    station.loops.feels("blue", degrees=30, cycles=8)
    look(station)
    assert [s.power_on for s in history(station, drive)] == ["cycle 8", "cycle 7"]
    (station.loops.folder / "blue.asleep").touch()
    age(station, 3)
    look(station)
    assert len(history(station, drive)) == 2  # asleep: what it said before is no news
    assert not (station.loops.folder / "blue.woken").exists()
    assert inventory.load(station.places).found[0].power == "standby"
    (station.loops.folder / "blue.asleep").unlink()
    look(station)
    assert len(history(station, drive)) == 3


def history(station: Station, drive: Drive) -> list[SmartSample]:
    with station.db.reading() as session:
        return list(smart_history.samples(session, drive.id))


def test_the_table_is_bounded_also_for_a_drive_that_comes_and_goes(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smart_history, "MOST", 20)
    drive = station.adopt(station.make("blue"))
    station.loops.feels("blue")
    found = station.look().found[0]
    found = inventory.refresh(station.places, station.root, ask_again=True).found[0]
    with station.db.writing() as session:
        row = session.get_one(Drive, drive.id)
        for number in range(200):
            details = {**found.health_details, "power_cycles": number}
            moment = now() - timedelta(days=20 - number // 10)
            smart_history.keep(session, row, inventory.replace(found, health_details=details), moment)
    rows = history(station, drive)
    assert len(rows) == 20
    assert max(sum(r.at.date() == day for r in rows) for day in {r.at.date() for r in rows}) <= smart_history.MOST_A_DAY


def test_bad_spots_that_grow_are_told_with_a_copy_at_hand_and_cleared_after_a_quiet_month(station: Station) -> None:
    drive = station.adopt(station.make("blue"))
    cold = station.adopt(station.make("green"), DriveRole.COLD)
    station.loops.feels("blue", pending=0, reallocated=3)
    look(station)
    age(station, 14)
    station.loops.feels("blue", pending=8, reallocated=3)
    issue = look(station)["drive_worsening"]
    assert issue.message.fields == {"drive": drive.name, "before": 3, "after": 11, "days": 14}
    assert issue.severity.value == "danger"
    assert (issue.fix, issue.fix_arguments, issue.guide) == ("backup.run_now", {"cold_drive_id": cold.id}, "replace")
    press(station, issue)
    with station.db.reading() as session:
        assert [job.kind for job in session.scalars(select(jobs.Job).where(jobs.Job.state == JobState.WAITING))] == [
            "backup.run"
        ]
    age(station, 31)
    assert "drive_worsening" not in look(station)  # eleven still, but for a month


def test_cable_errors_wear_and_warmth_are_told_and_go(station: Station) -> None:
    station.adopt(station.make("blue"))
    station.loops.feels("blue", worn=40)
    look(station)
    age(station, 2)
    station.loops.feels("blue", worn=93, crc_errors=12, degrees=71)
    found = look(station)
    guides = {"drive_worn": "replace", "drive_cable_errors": "cable", "drive_warm": "cooler"}
    assert {code: found[code].guide for code in guides} == guides
    age(station, 31)
    station.loops.feels("blue", worn=12, crc_errors=12, degrees=40)
    assert not {"drive_worn", "drive_cable_errors", "drive_warm"} & set(look(station))


def test_a_drive_that_says_it_fails_is_told(station: Station) -> None:
    station.adopt(station.make("blue"))
    station.loops.feels("blue", passed=False)
    assert look(station)["drive_failing"].guide == "replace"
    station.loops.feels("blue")
    assert "drive_failing" not in look(station)


def test_root_gives_counts_and_names_of_devices_never_a_line_of_the_log(station: Station) -> None:
    station.root.kernel_says("usb 1-1: reset high-speed USB device number 2 using xhci_hcd <secret>")
    with station.root.kernel_log.open("a") as log:
        log.write("12,1,5,-;usb 1-1: reset high-speed USB device number 2, said by a program\nnonsense\n;;;\n\xff\n")
    answer = station.root("health.kernel", {"millisecond": 0})
    (fact,) = answer["facts"]
    assert set(fact) == {"kind", "where", "count", "ago_s"} and "secret" not in str(answer)
    assert (fact["kind"], fact["where"], fact["count"]) == ("usb_reset", "1-1", 1)
    with pytest.raises(ApplianceError):
        station.root("health.kernel", {"millisecond": -1})


def test_without_a_kernel_log_it_is_said_that_nobody_could_look(station: Station) -> None:
    station.root.kernel_log.unlink()
    with pytest.raises(RefusedByRoot):
        station.root("health.kernel", {"millisecond": 0})
    health.run_all(station.db, station.root, station.places)
    with station.db.reading() as session:
        unable = {issue.subject for issue in session.scalars(select(Issue)) if issue.code == "check_failed"}
    assert "station.usb" in unable


def test_the_machines_own_log_can_be_read() -> None:
    from appliance.health import kernel

    assert isinstance(kernel.read(0, "/dev/kmsg"), list)
