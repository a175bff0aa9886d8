"""A drive's life on a real station: handed over, used, pulled, cloned, repaired, let go, switched on and off."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from appliance.drives import marker, power, records, service, space
from appliance.drives.layout import MARKER
from appliance.drives.models import Drive, DriveRole, DriveState, PowerMove, PowerState, SpaceSample
from appliance.drives.mounts import DriveGone, DriveMissing
from appliance.errors import Conflict, Invalid, RefusedByRoot
from appliance.jobs import service as jobs
from appliance.jobs.models import Job, JobState, Wish
from appliance.jobs.progress import Cancelled, Progress
from appliance.words import Message
from tests.component.drive_station import Station
from tests.component.health_page import HealthPage
from tests.component.loop_drives import until

pytestmark = pytest.mark.component
HOT, COLD = DriveRole.HOT, DriveRole.COLD


def start(station: Station, lock: str = "cold:1") -> Progress:
    """A job in progress, for what needs one."""
    with station.db.writing() as session:
        job = jobs.start(session, "trial", title=Message("A trial"), lock=lock)
    return station.progress(job.id)


@pytest.mark.parametrize("filesystem", ["ext4", "exfat", "btrfs"])
def test_a_drive_is_adopted_with_everything_on_it(station: Station, filesystem: str) -> None:
    drive = station.adopt(station.make("blue", filesystem, holiday="sea"))
    mount = station.mount(drive.id)
    assert (drive.tag, drive.name, mount.tag, mount.filesystem) == ("HOT-1", "The blue drive", "HOT-1", filesystem)
    assert (mount.path / "holiday").read_text() == "sea"
    assert (mount.path / ".everpx/incoming").is_dir() and not mount.read_only
    mount.check()
    assert station.happened() == ["drive.handed_over"]
    assert station.verdicts() == {"blue": "ours"} and station.issues() == set()


@pytest.mark.parametrize("filesystem", ["ext4", "exfat", "btrfs"])
def test_a_drive_is_erased_behind_a_typed_confirmation(station: Station, filesystem: str) -> None:
    device = station.make("blue", "ext4", precious="x")
    found = station.look().by_device(device)
    assert found is not None
    asked = service.confirmation(found)
    assert asked.names == ("precious",) and asked.phrase == "erase blue"
    with station.db.writing() as session, pytest.raises(Invalid) as wrong:
        service.erase(session, station.places, device=device, role=COLD, filesystem=filesystem, typed="erase")
    assert set(wrong.value.problems) == {"typed"}
    drive = station.erase(device, filesystem, COLD)
    assert (drive.tag, drive.filesystem, drive.power_state) == ("COLD-1", filesystem, PowerState.OFF)
    with power.cold_drive(start(station), drive.id) as mount:
        assert sorted(p.name for p in mount.path.iterdir() if p.name != "lost+found") == [".everpx", MARKER]
    with pytest.raises(DriveMissing):
        station.mount(drive.id)


def test_nothing_is_erased_when_the_drive_was_swapped_after_the_confirmation(station: Station) -> None:
    job = station.start_erasing(station.make("blue"), "ext4")
    station.loops.pull("blue")
    device = station.make("green", "ext4", precious="x")
    with station.db.writing() as session:  # it may have got another kernel name here; on a real station, the same
        row = session.get_one(Job, job.id)
        row.arguments = row.arguments | {"device": device}
    assert station.run(job).error_code == "drive_changed"
    assert station.root("drives.look", {"device": device})["names"] == ["precious"]


def test_nothing_is_erased_when_its_content_changed_after_the_confirmation(station: Station) -> None:
    device = station.make("blue")
    job = station.start_erasing(device, "ext4")
    subprocess.run(["mkfs.ext4", "-q", "-F", f"/dev/{device}"], check=True)
    assert station.run(job).error_code == "drive_changed"


def test_a_drive_that_vanished_meanwhile_fails_with_words(station: Station) -> None:
    job = station.start_erasing(station.make("blue"), "ext4")
    station.loops.pull("blue")
    assert station.run(job).error_code == "drive_not_plugged_in"


def test_numbers_and_colours_are_never_used_twice(station: Station) -> None:
    one, two = station.adopt(station.make("one")), station.adopt(station.make("two"))
    assert (one.tag, one.colour, two.tag, two.colour) == ("HOT-1", "blue", "HOT-2", "green")
    with station.db.writing() as session:
        job = service.eject(session, two.id)
    station.run(job)
    with station.db.writing() as session:
        service.retire(session, two.id)
    assert station.verdicts()["two"] == "retired"
    three = station.erase(station.loops.devices["two"], "ext4")
    assert (three.tag, three.colour) == ("HOT-3", "green")


@pytest.mark.parametrize("moment", range(6))
def test_a_hand_over_that_is_killed_is_finished_by_the_same_job(station: Station, moment: int) -> None:
    job = station.start_erasing(station.make("blue", "ext4", old="x"), "ext4")
    process = station.run_apart(job)
    until(lambda: station.job(job.id).state is not JobState.WAITING)  # a quick job may be done at the next look
    time.sleep(0.06 * moment)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with station.db.writing() as session:
        jobs.recover(session)
    power.resume_power(station.db, station.root, station.places)
    if station.job(job.id).state is JobState.INTERRUPTED:
        assert station.run(job).state is JobState.DONE
    station.settle()
    with station.db.reading() as session:
        (drive,) = session.scalars(select(Drive)).all()
    assert drive.tag == "HOT-1" and station.verdicts() == {"blue": "ours"}
    assert not (station.mount(drive.id).path / "old").exists()


@pytest.mark.parametrize("filesystem", ["ext4", "btrfs"])
def test_a_hot_drive_that_is_pulled_and_plugged_in_again_comes_back(station: Station, filesystem: str) -> None:
    drive = station.adopt(station.make("blue", filesystem))
    mount = station.mount(drive.id)
    station.loops.pull("blue")
    with pytest.raises(DriveGone):
        mount.check()
    station.settle()
    with pytest.raises(DriveMissing, match="The blue drive is not connected"):
        station.mount(drive.id)
    assert list((station.places.mounts / "HOT-1").iterdir()) == []
    assert station.issues() == {"drive_missing"}
    station.loops.plug("blue")
    station.settle()
    assert station.mount(drive.id).sequence != mount.sequence
    assert station.issues() == set()
    assert station.happened()[-2:] == ["drive.here", "health.solved"]
    with pytest.raises(DriveGone):
        mount.check()  # the old one is not the new one


@pytest.mark.parametrize("filesystem", ["ext4", "btrfs"])
def test_a_marker_that_is_only_in_the_journal_is_found_after_mounting(station: Station, filesystem: str) -> None:
    drive = station.adopt(station.make("blue", filesystem))
    root = station.mount(drive.id).path
    mark = marker.read(root)
    assert mark is not None
    (root / MARKER).unlink()
    os.sync()
    subprocess.run(["umount", str(root)], check=True)
    subprocess.run(["mount", f"/dev/{station.loops.devices['blue']}", str(root)], check=True)
    mark.write(root)
    station.loops.pull("blue")
    station.settle()
    station.loops.plug("blue")
    now = station.look().found[0]
    assert now.unfinished and (filesystem == "ext4" or now.mark is None) and station.verdicts() == {"blue": "ours"}
    station.settle()
    assert marker.read(station.mount(drive.id).path) == mark
    (root / MARKER).unlink()
    os.sync()
    station.loops.pull("blue")
    station.settle()
    station.loops.plug("blue")
    station.settle()
    with pytest.raises(DriveMissing):
        station.mount(drive.id)


def test_a_pulled_exfat_can_be_read_at_once_and_written_after_its_repair(station: Station) -> None:
    drive = station.adopt(station.make("blue", "exfat", holiday="sea"))
    station.loops.pull("blue")
    station.settle()
    station.loops.plug("blue")
    station.settle()
    assert station.verdicts() == {"blue": "dirty"}
    mount = station.mount(drive.id)
    assert mount.read_only and (mount.path / "holiday").read_text() == "sea"
    assert station.issues() == {"drive_dirty"}
    with station.db.writing() as session:
        job = service.repair(session, station.places, station.loops.devices["blue"])
    assert station.run(job).result["clean"] is True
    assert not station.mount(drive.id).read_only and station.issues() == set()


def test_a_clone_is_refused_and_the_original_goes_on(station: Station) -> None:
    drive = station.adopt(station.make("blue"))
    os.sync()
    twin = station.loops.copy("blue", "twin")
    station.settle()
    assert station.verdicts() == {"blue": "ours", "twin": "cloned"}
    assert station.mount(drive.id).device == station.loops.devices["blue"]
    with station.db.writing() as session, pytest.raises(service.DriveRefused):
        service.adopt(session, station.places, device=twin, role=COLD)
    assert station.issues() == {"drive_cloned"}


def test_a_clone_alone_is_not_taken_for_the_original(station: Station) -> None:
    """It has another serial number."""
    drive = station.adopt(station.make("blue"))
    with station.db.writing() as session:
        job = service.eject(session, drive.id)
    station.run(job)
    shutil.copy(station.loops.image("blue"), station.loops.image("twin"))
    station.loops.pull("blue")
    station.loops.plug("twin")
    station.settle()
    assert station.verdicts() == {"twin": "wrong"}
    with pytest.raises(DriveMissing):
        station.mount(drive.id)
    with station.db.writing() as session:
        job = service.confirm_same(session, station.places, station.loops.devices["twin"])
    assert station.run(job).state is JobState.DONE
    assert station.mount(drive.id) and station.verdicts() == {"twin": "ours"}


def test_a_drive_of_another_station_is_refused(station: Station) -> None:
    station.adopt(station.make("blue"))
    path = station.mount(1).path / MARKER
    path.write_text(path.read_text().replace(station_id_of(station), "somebody-else"))
    station.root("drives.unmount", {"tag": "HOT-1"})
    station.settle()
    assert station.verdicts() == {"blue": "foreign"}
    with pytest.raises(DriveMissing):
        station.mount(1)
    assert "drive_foreign" in station.issues()


def station_id_of(station: Station) -> str:
    """This station's id."""
    from appliance.drives.identity import station_id

    return station_id(station.places)


def test_a_drive_whose_marker_was_deleted_is_confirmed_by_a_person(station: Station) -> None:
    drive = station.adopt(station.make("blue"))
    (station.mount(drive.id).path / MARKER).unlink()
    station.settle()
    assert station.verdicts() == {"blue": "wrong"} and "drive_wrong" in station.issues()
    with station.db.writing() as session:
        job = service.confirm_same(session, station.places, station.loops.devices["blue"])
    assert station.run(job).state is JobState.DONE
    assert station.mount(drive.id) and station.issues() == set()


def test_an_ejected_drive_stays_away_until_it_is_plugged_in_again(station: Station) -> None:
    drive = station.adopt(station.make("blue"))
    with station.db.writing() as session:
        job = service.eject(session, drive.id)
    assert station.run(job).result["may_unplug"] is True
    station.settle()
    assert station.drive(drive.id).power_state is PowerState.UNMOUNTED
    with pytest.raises(DriveMissing):
        station.mount(drive.id)
    assert station.issues() == {"drive_ejected"}
    station.loops.pull("blue")
    station.settle()
    station.loops.plug("blue")
    station.settle()
    assert station.mount(drive.id)
    with station.db.writing() as session:
        station_job = service.eject(session, drive.id)
    station.run(station_job)
    with station.db.writing() as session:
        job = service.use_again(session, drive.id)
    assert station.run(job).state is JobState.DONE and station.mount(drive.id)


def test_a_drive_with_an_open_file_is_not_ejected(station: Station) -> None:
    drive = station.adopt(station.make("blue"))
    with (station.mount(drive.id).path / "upload").open("w"):
        with station.db.writing() as session:
            job = service.eject(session, drive.id)
        ended = station.run(job)
    me = Path("/proc/self/comm").read_text().strip()
    assert ended.error_code == "drive_busy" and me in str(ended.error)
    assert station.mount(drive.id)


def test_a_cold_drive_is_on_only_while_it_is_needed(station: Station) -> None:
    drive = station.erase(station.make("cold"), "exfat", COLD)
    progress = start(station)
    with power.cold_drive(progress, drive.id) as mount:
        (mount.path / "photo").write_text("x")
        assert station.drive(drive.id).power_state is PowerState.MOUNTED
    assert station.drive(drive.id).power_state is PowerState.OFF
    assert not (station.places.mounts / "COLD-1").is_mount()
    with station.db.reading() as session:
        moves = [m.state.value for m in session.scalars(select(PowerMove).order_by(PowerMove.id))]
    assert moves == ["spinning_up", "mounted", "flushing", "unmounted", "off"]
    assert station.drive(drive.id).free is not None
    assert "drive_may_go" in station.issues()


@pytest.mark.finding("switch_on")
def test_a_cold_drive_that_is_off_is_asked_for_and_waited_for(station: Station, health_page: HealthPage) -> None:
    drive = station.erase(station.make("cold"), "ext4", COLD)
    station.loops.pull("cold")
    station.look()
    progress = start(station)

    def person() -> None:
        try:
            until(lambda: "switch_on" in health_page.look())
            until(lambda: str(station.job(progress.job_id).stage) == "Switch on The blue drive")  # said right after
        except AssertionError:
            jobs_cancel(station, progress.job_id)  # else this test waits as long as a station does
            raise
        station.loops.plug("cold")
        station.look()

    helpful = threading.Thread(target=person)
    helpful.start()
    with power.cold_drive(progress, drive.id) as mount:
        assert mount.tag == "COLD-1"
    helpful.join()
    health_page.no_longer("switch_on")


def test_waiting_for_a_person_can_be_cancelled(station: Station) -> None:
    drive = station.erase(station.make("cold"), "ext4", COLD)
    station.loops.pull("cold")
    station.look()
    progress = start(station)
    with station.db.writing() as session:
        jobs.wish(session, progress.job_id, Wish.CANCEL)
    with pytest.raises(Cancelled), power.cold_drive(progress, drive.id):
        pytest.fail("never here")
    assert station.drive(drive.id).power_state is PowerState.OFF and "switch_on" not in station.issues()


def test_the_wrong_drive_is_not_taken_while_waiting(station: Station) -> None:
    drive = station.erase(station.make("cold"), "ext4", COLD)
    shutil.copy(station.loops.image("cold"), station.loops.image("other"))
    station.loops.pull("cold")
    station.loops.plug("other")
    station.look()
    progress = start(station)
    threading.Timer(2, jobs_cancel, (station, progress.job_id)).start()
    with pytest.raises(Cancelled), power.cold_drive(progress, drive.id):
        pytest.fail("never here")
    assert "another one" in str(station.job(progress.job_id).stage)


def jobs_cancel(station: Station, job_id: int) -> None:
    """As a person would."""
    with station.db.writing() as session:
        jobs.wish(session, job_id, Wish.CANCEL)


def test_a_cold_drive_pulled_in_use_is_brought_to_rest_and_found_again(station: Station) -> None:
    drive = station.erase(station.make("cold"), "ext4", COLD)
    with pytest.raises(DriveGone), power.cold_drive(start(station), drive.id) as mount:
        station.loops.pull("cold")
        mount.check()
    assert station.drive(drive.id).power_state is PowerState.OFF
    assert not (station.places.mounts / "COLD-1").is_mount()
    station.loops.plug("cold")
    station.look()
    with power.cold_drive(start(station, "cold:9"), drive.id) as mount:
        mount.check()


@pytest.mark.finding("drive_stuck")
def test_power_is_not_cut_after_an_unmount_that_failed(station: Station, health_page: HealthPage) -> None:
    drive = station.erase(station.make("cold"), "ext4", COLD)
    with pytest.raises(RefusedByRoot, match="still using"), power.cold_drive(start(station), drive.id) as mount:
        held = (mount.path / "held").open("w")
    assert station.drive(drive.id).power_state is PowerState.FLUSHING
    assert health_page.sees("drive_stuck") and (station.places.mounts / "COLD-1").is_mount()
    held.close()
    power.resume_power(station.db, station.root, station.places)
    assert station.drive(drive.id).power_state is PowerState.OFF
    health_page.no_longer("drive_stuck")


def test_after_a_crash_with_the_drive_mounted_everything_comes_to_rest(station: Station) -> None:
    drive = station.erase(station.make("cold"), "exfat", COLD)
    request = {"device": station.loops.devices["cold"], "tag": "COLD-1", "filesystem_uuid": drive.filesystem_uuid}
    station.root("drives.mount", request)
    with station.db.writing() as session:
        session.execute(update(Drive).values(power_state=PowerState.MOUNTED))
    power.resume_power(station.db, station.root, station.places)
    assert station.drive(drive.id).power_state is PowerState.OFF
    assert not (station.places.mounts / "COLD-1").is_mount()
    assert station.verdicts() == {"cold": "ours"}


HOLD = """
import sys
from appliance.broker.client import SocketBroker
from appliance.db import Database
from appliance.drives.power import cold_drive
from appliance.jobs import runner
from appliance.jobs.progress import Progress
from appliance.places import places
here = places()
db = Database(here.database)
job = runner.claim(db, int(sys.argv[1]))
with cold_drive(Progress(db, SocketBroker(here.broker_socket), here, job), int(sys.argv[2])) as mount:
    (mount.path / "half").write_text("x")
    print("holding", flush=True)
    sys.stdin.read()
"""


def test_a_job_killed_while_it_holds_the_drive_is_followed_by_the_next(station: Station) -> None:
    drive = station.erase(station.make("cold"), "exfat", COLD)
    with station.db.writing() as session:
        job = jobs.start(session, "trial", title=Message("A trial"), lock="cold:1")
    command = [sys.executable, "-c", HOLD, str(job.id), str(drive.id)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert holder.stdout is not None and holder.stdin is not None
    assert holder.stdout.readline() == b"holding\n"
    holder.kill()
    holder.communicate()
    with station.db.writing() as session:
        jobs.recover(session)
    with power.cold_drive(station.progress(job.id), drive.id) as mount:
        assert (mount.path / "half").exists() and not mount.read_only
    assert station.drive(drive.id).power_state is PowerState.OFF
    assert station.verdicts() == {"cold": "ours"}


def test_a_drive_being_let_go_is_not_taken_back_by_the_chores(station: Station) -> None:
    drive = station.adopt(station.make("blue"))
    with station.db.writing() as session:
        job = service.eject(session, drive.id)
    over = threading.Event()

    def chores() -> None:
        while not over.is_set():
            station.settle()

    worker = threading.Thread(target=chores)
    worker.start()
    try:
        assert station.run(job).state is JobState.DONE
        time.sleep(0.5)
    finally:
        over.set()
        worker.join()
    assert not (station.places.mounts / "HOT-1").is_mount()
    assert station.drive(drive.id).power_state is PowerState.UNMOUNTED


def test_a_drive_that_a_job_holds_is_left_alone_by_the_start(station: Station) -> None:
    drive = station.erase(station.make("cold"), "ext4", COLD)
    with power.cold_drive(start(station), drive.id) as mount:
        power.resume_power(station.db, station.root, station.places)
        mount.check()
        with station.db.writing() as session, pytest.raises(Conflict):
            service.retire(session, drive.id)


def test_two_jobs_take_turns_with_a_cold_drive(station: Station) -> None:
    drive = station.erase(station.make("cold"), "ext4", COLD)
    order: list[str] = []

    def work(name: str, lock: str) -> None:
        with power.cold_drive(start(station, lock), drive.id):
            order.append(f"{name} begins")
            time.sleep(0.3)
            order.append(f"{name} ends")

    workers = [threading.Thread(target=work, args=(name, f"trial:{name}")) for name in ("one", "two")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert order[0].split()[0] == order[1].split()[0] and order[2].split()[0] == order[3].split()[0]


def test_a_drive_that_turns_read_only_is_found_by_writing(station: Station) -> None:
    drive = station.adopt(station.make("blue"))
    mount = station.mount(drive.id)
    subprocess.run(["mount", "-o", "remount,ro", str(mount.path)], check=True)
    assert station.issues() == {"drive_read_only"}


def test_a_nearly_full_drive_rings_its_own_alarm(station: Station) -> None:
    drive = station.adopt(station.make("blue"))
    with (station.mount(drive.id).path / "big").open("wb") as file, suppress(OSError):
        os.posix_fallocate(file.fileno(), 0, 105 * 2**20)
    with station.db.writing() as session:
        space.sample_space(session, station.places)
        space.sample_space(session, station.places)
        service.change(session, drive.id, full_below_percent=30)
    assert station.issues() == {"drive_nearly_full"}
    with station.db.reading() as session:
        (sample,) = session.scalars(select(SpaceSample)).all()
    assert sample.used > 100 * 2**20


def test_a_full_drive_is_not_handed_over_half(station: Station) -> None:
    device = station.make("blue")
    uuid = station.root("drives.look", {"device": device})["filesystem_uuid"]
    place = Path(station.root("drives.mount", {"device": device, "tag": "HOT-9", "filesystem_uuid": uuid})["path"])
    with (place / "big").open("wb") as file, suppress(OSError):
        while True:
            file.write(b"x" * 2**20)
    with (place / "rest").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 1024)
    station.root("drives.unmount", {"tag": "HOT-9"})
    station.look()
    with station.db.writing() as session:
        job = service.adopt(session, station.places, device=device, role=HOT)
    ended = station.run(job)
    assert ended.error_code in ("drive_not_writable", "system", "refused")
    assert records.all_records(station.places.mounts) == []
    with station.db.reading() as session:
        assert session.scalars(select(Drive)).all() == []


def test_when_everything_disappears_at_once_it_is_the_power(station: Station) -> None:
    station.adopt(station.make("one"))
    station.adopt(station.make("two"))
    station.loops.pull("one")
    station.loops.pull("two")
    station.settle()
    assert station.issues() == {"drives_all_gone"}
    with station.db.reading() as session:
        assert {d.state for d in session.scalars(select(Drive))} == {DriveState.ACTIVE}


def test_hot_and_cold_that_disappear_during_a_copy_went_with_the_power(station: Station) -> None:
    station.adopt(station.make("hot"))
    cold = station.erase(station.make("cold"), "ext4", COLD)
    with suppress(DriveGone), power.cold_drive(start(station), cold.id) as mount:
        station.loops.pull("hot")
        station.loops.pull("cold")
        station.settle()
        assert station.issues() == {"drive_missing"}
        mount.check()
    assert station.happened().count("drive.gone") == 2
    station.settle()
    assert station.issues() == {"drives_all_gone"}
    with station.db.writing() as session:  # it was here again, and went in another way
        hot = session.scalars(select(Drive).where(Drive.role == DriveRole.HOT)).one()
        assert hot.last_here is not None
        hot.last_here += timedelta(hours=1)
    assert station.issues() == {"drive_missing"}


def test_a_cold_drive_that_was_away_for_long_is_remembered(station: Station) -> None:
    drive = station.erase(station.make("cold"), "ext4", COLD)
    station.loops.pull("cold")
    station.look()

    from appliance.db import now

    with station.db.writing() as session:
        session.get_one(Drive, drive.id).last_here = now() - timedelta(days=47)
    assert station.issues() == {"cold_away"}
