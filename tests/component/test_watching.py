"""Files that come, change and go around the console: over a real Samba, and by plain file operations on real drives."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from appliance.db import now
from appliance.drives.models import DriveRole
from appliance.drives.mounts import hot_mounts
from appliance.jobs.models import Job, JobState
from appliance.library import bin as bins
from appliance.library.catalogue import joined
from appliance.library.models import BinnedFile, Folder, Media, PreviewState, StoredFile
from appliance.people.models import Role, User
from appliance.watching.marks import Marks
from tests.component.drive_station import Station
from tests.component.loop_drives import soon, until
from tests.component.samba import PASSWORD, USER, samba
from tests.photos import jpeg

pytestmark = pytest.mark.component
PROMISED_S = 10.0


class Family:
    """A station with a worker, a HOT drive and one person."""

    def __init__(self, station: Station, log: Path) -> None:
        self.station, self.log = station, log
        self.worker = self.start()
        with station.db.writing() as session:
            session.add(User(name="Anna", folder="Anna", role=Role.ADMIN, password_hash=""))

    def start(self) -> "subprocess.Popen[bytes]":
        """The worker, as it is on the box."""
        with self.log.open("ab") as out:
            words = [sys.executable, "-W", "error", "-m", "appliance.jobs.worker"]
            self.worker = subprocess.Popen(words, stdout=out, stderr=out)
        return self.worker

    def stop(self) -> None:
        """In order."""
        self.worker.terminate()
        self.worker.wait(40)

    def drive(self, filesystem: str = "ext4", name: str = "blue", megabytes: int = 512) -> Path:
        """A HOT drive in use that was looked through; its top."""
        device = self.station.loops.make(name, filesystem, megabytes)
        drive = self.station.adopt(device, DriveRole.HOT, name=name)
        until(lambda: self.walks() and not (self.station.places.news / drive.tag).exists())
        top = self.station.mount(drive.id).path
        (top / "Anna").mkdir(exist_ok=True)
        return top

    def walks(self) -> int:
        """How many walks over the drives have ended; 0 while one is under way."""
        with self.station.db.reading() as session:
            states = session.scalars(select(Job.state).where(Job.kind == "library.index")).all()
        return len(states) if set(states) <= {JobState.DONE} else 0

    def catching_up(self) -> list[int]:
        """The processes that bring rows in step."""
        found = []
        for words in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                ours = b"appliance.watching.catch_up" in words.read_bytes().split(b"\0")
                parent = int((words.parent / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if ours and parent == self.worker.pid:
                found.append(int(words.parent.name))
        return found

    def jobs(self) -> list[str]:
        """Kinds of all jobs there were."""
        with self.station.db.reading() as session:
            return list(session.scalars(select(Job.kind).order_by(Job.id)))

    def files(self) -> dict[str, int]:
        """Path -> size, as the rows say."""
        with self.station.db.reading() as session:
            rows = session.execute(select(Folder.path, StoredFile.name, StoredFile.size).join(StoredFile))
            return {os.fsdecode(joined(folder, name)): size for folder, name, size in rows}

    def binned(self) -> dict[str, str]:
        """What lies in the bin: path -> whose it is."""
        with self.station.db.reading() as session:
            rows = session.execute(select(BinnedFile.path, User.name).join(User, User.id == BinnedFile.user_id))
            return {os.fsdecode(path): name for path, name in rows}

    def hashed(self) -> int:
        """How many files were read."""
        with self.station.db.reading() as session:
            return len(session.scalars(select(StoredFile.id).where(StoredFile.digest.is_not(None))).all())

    def photos(self) -> dict[str, PreviewState]:
        """What the timeline shows."""
        with self.station.db.reading() as session:
            rows = session.execute(select(StoredFile.name, Media.preview).join(Media, Media.file_id == StoredFile.id))
            return {name.decode(): state for name, state in rows}


@pytest.fixture
def family(station: Station, tmp_path: Path) -> Iterator[Family]:
    made = Family(station, tmp_path / "worker.log")
    until(station.places.inventory.exists)
    yield made
    made.stop()


def within(what: Callable[[], object]) -> None:
    """Ten seconds on an idle machine."""
    begun = time.monotonic()
    until(what, 120)
    assert time.monotonic() - begun <= max(PROMISED_S, soon(PROMISED_S))


def on_disk(top: Path) -> dict[str, int]:
    """What lies below Anna's folder."""
    found = [path for path in (top / "Anna").rglob("*") if path.is_file()]
    return {str(path.relative_to(top)): path.stat().st_size for path in found}


class Client:
    """smbclient at the share."""

    def __init__(self, port: int) -> None:
        self.words = ["smbclient", "//127.0.0.1/photos", "-p", str(port), "-U", f"{USER}%{PASSWORD}", "-c"]

    def __call__(self, *commands: str, where: Path = Path("/")) -> None:
        """Do these."""
        done = subprocess.run(
            [*self.words, "; ".join(commands)], cwd=where, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_photo_that_comes_over_smb_is_in_the_timeline_and_has_its_preview(family: Family, tmp_path: Path) -> None:
    top = family.drive()
    (tmp_path / "new").mkdir()
    (tmp_path / "new/one.jpg").write_bytes(jpeg(1))
    with samba(tmp_path / "samba", top, writable=True) as port:
        client = Client(port)
        client("cd Anna", "put one.jpg", where=tmp_path / "new")
        within(lambda: "one.jpg" in family.photos())
        until(lambda: family.hashed() == 1)
        until(lambda: family.photos()["one.jpg"] is PreviewState.READY, 150)
        client("cd Anna", "rename one.jpg two.jpg")
        within(lambda: set(family.photos()) == {"two.jpg"})
        client("cd Anna", "mkdir trip", "rename two.jpg trip/two.jpg")
        within(lambda: set(family.files()) == {"Anna/trip/two.jpg"})
        client("cd Anna", "rename trip holiday")
        within(lambda: set(family.files()) == {"Anna/holiday/two.jpg"})
        client("cd Anna/holiday", "del two.jpg")
        within(lambda: family.files() == {})
    assert family.walks() == 1


def fill(folder: Path, count: int, size: int = 300) -> None:
    """Files of the family that are no photos."""
    folder.mkdir(parents=True, exist_ok=True)
    content = os.urandom(size)
    for number in range(count):
        (folder / f"{number}.bin").write_bytes(content + str(number).encode())


@pytest.mark.parametrize("filesystem", ["ext4", "btrfs", "exfat"])
def test_trees_that_come_move_and_go_are_followed(family: Family, filesystem: str) -> None:
    top = family.drive(filesystem)
    for year in ("2025", "2026"):
        for month in ("01", "02", "03"):
            fill(top / "Anna/new" / year / month, 5)
    within(lambda: family.files() == on_disk(top) and len(on_disk(top)) == 30)
    (top / "Anna/new/2025").rename(top / "Anna/old")
    (top / "Anna/new/2026/02").rename(top / "Anna/old/feb")
    (top / "Anna/new/2026/03/4.bin").rename(top / "Anna/4.bin")
    within(lambda: family.files() == on_disk(top))
    fill(top / "Anna/old/01", 3, 500)  # in place of others
    (top / "Anna/old/feb/0.bin").replace(top / "Anna/old/feb/1.bin")
    within(lambda: family.files() == on_disk(top))
    until(lambda: family.hashed() == 29)
    shutil.rmtree(top / "Anna/old")
    within(lambda: family.files() == on_disk(top) and len(on_disk(top)) == 10)
    assert family.walks() == 1, "everything was told, nothing had to be looked through"


def test_what_was_said_of_a_photo_stays_when_a_computer_renames_it(family: Family) -> None:
    top = family.drive()
    (top / "Anna/one.jpg").write_bytes(jpeg(1))
    until(lambda: family.hashed() == 1)
    with family.station.db.writing() as session:
        session.execute(update(Media).values(title="The lake", edited=now()))
    (top / "Anna/trip").mkdir()
    (top / "Anna/one.jpg").rename(top / "Anna/trip/lake.jpg")
    until(lambda: set(family.photos()) == {"lake.jpg"} and family.hashed() == 1)

    def title() -> str | None:
        with family.station.db.reading() as session:
            return session.scalar(select(Media.title))

    until(lambda: title() == "The lake")


@pytest.mark.parametrize("filesystem", ["ext4", "exfat"])
def test_what_a_client_deletes_is_in_the_bin_within_seconds_and_comes_back(family: Family, filesystem: str) -> None:
    """As Samba's recycle module does it: into a folder of the share that is made at that moment."""
    top = family.drive(filesystem)
    fill(top / "Anna/Holiday", 3)
    within(lambda: len(family.files()) == 3)
    for name in ("0", "1"):
        (top / "Anna/.everpx-deleted/Holiday").mkdir(parents=True, exist_ok=True)
        (top / f"Anna/Holiday/{name}.bin").rename(top / f"Anna/.everpx-deleted/Holiday/{name}.bin")
        within(lambda n=name: f"Anna/Holiday/{n}.bin" in family.binned())
    assert family.binned() == {"Anna/Holiday/0.bin": "Anna", "Anna/Holiday/1.bin": "Anna"}
    within(lambda: set(family.files()) == {"Anna/Holiday/2.bin"})
    assert not (top / "Anna/.everpx-deleted").exists()
    with family.station.db.reading() as session:
        row = session.scalars(select(BinnedFile).where(BinnedFile.path == b"Anna/Holiday/0.bin")).one()
        mount = hot_mounts(session, family.station.places)[0]
    bins.bring_back(family.station.db, mount, row)
    within(lambda: len(family.files()) == 2 and len(family.binned()) == 1)
    assert len(on_disk(top)) == 2
    assert "smb.deleted" not in family.jobs()


def test_a_file_is_taken_when_it_was_closed_and_not_before(family: Family, tmp_path: Path) -> None:
    top = family.drive()
    with (top / "Anna/film.mp4").open("wb") as film:
        film.write(b"a" * 1000)
        film.flush()
        fill(top / "Anna", 3)
        within(lambda: len(family.files()) == 3)
        film.write(b"b" * 1000)
        film.flush()
        (top / "Anna/last.bin").write_bytes(b"x")
        within(lambda: "Anna/last.bin" in family.files())
        assert "Anna/film.mp4" not in family.files()
    within(lambda: family.files().get("Anna/film.mp4") == 2000)
    with (top / "Anna/film.mp4").open("ab") as film:
        film.write(b"c")
    within(lambda: family.files().get("Anna/film.mp4") == 2001)


def test_a_burst_of_ten_thousand_files_is_one_process_and_no_job_each(family: Family) -> None:
    top = family.drive()
    seen: set[int] = set()
    fill(top / "Anna/burst", 6000)
    for number in range(40):
        fill(top / f"Anna/many/{number}", 100)

    def done() -> bool:
        running = family.catching_up()
        assert len(running) <= 1
        seen.update(running)
        return len(family.files()) == 10_000

    until(done, 120)
    assert len(seen) <= 2
    until(lambda: family.hashed() == 10_000, 120)
    assert family.files() == on_disk(top)
    assert set(family.jobs()) <= {"drives.adopt", "library.index", "album_page.hot", "backup.scrub_hot"}
    assert family.walks() == 1


def test_the_process_that_catches_up_may_die_at_any_time(family: Family) -> None:
    top = family.drive()
    killed = 0
    for number in range(4):
        fill(top / f"Anna/{number}", 500)
        end = time.monotonic() + 30
        while killed <= number and time.monotonic() < end:
            for pid in family.catching_up():
                os.kill(pid, signal.SIGKILL)
                killed += 1
            time.sleep(0.3)
    assert killed == 4
    until(lambda: family.files() == on_disk(top) and len(on_disk(top)) == 2000, 120)
    assert family.walks() == 1


def test_what_was_lost_on_the_way_is_found_by_looking_through_the_drive(family: Family) -> None:
    top = family.drive()
    root = family.station.root.process
    root.send_signal(signal.SIGSTOP)
    try:
        fill(top / "Anna/burst", 1)
        place = top / "Anna/burst"
        for number in range(17_000):  # more than the kernel keeps (fs.fanotify.max_queued_events)
            (place / str(number)).touch()
            (place / str(number)).unlink()
        fill(place, 20)
    finally:
        root.send_signal(signal.SIGCONT)
    until(lambda: family.files() == on_disk(top) and len(on_disk(top)) == 20, 120)
    until(lambda: family.walks() == 2)
    (top / "Anna/after.bin").write_bytes(b"x")
    within(lambda: "Anna/after.bin" in family.files())


def test_a_root_daemon_that_died_has_everything_looked_through(family: Family) -> None:
    top = family.drive()
    fill(top / "Anna", 3)
    until(lambda: len(family.files()) == 3)
    family.station.root.kill()
    fill(top / "Anna/meanwhile", 3)
    (top / "Anna/1.bin").unlink()
    family.station.root.start()
    until(lambda: family.files() == on_disk(top) and len(on_disk(top)) == 5)
    until(lambda: family.walks() == 2)


def test_a_station_that_was_off_finds_what_changed(family: Family) -> None:
    top = family.drive()
    fill(top / "Anna", 3)
    until(lambda: len(family.files()) == 3)
    family.worker.kill()  # a power cut: with it goes whatever was just catching up
    family.worker.wait()
    fill(top / "Anna/meanwhile", 3)
    family.station.root.kill()
    (top / "Anna/1.bin").unlink()
    shutil.rmtree(family.station.places.news)
    family.station.root.start()
    family.start()
    until(lambda: family.files() == on_disk(top) and len(on_disk(top)) == 5)


def test_a_power_cut_between_a_file_and_its_row_loses_no_file(family: Family) -> None:
    top = family.drive()
    for number in range(5):
        fill(top / f"Anna/{number}", 200)
        time.sleep(0.4 * number)  # somewhere between the file, the news of it, and its row
        family.worker.kill()
        family.worker.wait()
        family.start()
    until(lambda: family.files() == on_disk(top) and len(on_disk(top)) == 1000, 120)


def test_a_drive_pulled_in_mid_burst_is_not_an_empty_one(family: Family) -> None:
    top = family.drive()
    fill(top / "Anna/kept", 50)
    until(lambda: len(family.files()) == 50)
    fill(top / "Anna/burst", 3000)
    os.sync()
    family.station.loops.pull("blue")
    until(lambda: not top.is_mount(), 120)
    before = family.files()
    assert len(before) >= 50 and set(before) >= {f"Anna/kept/{number}.bin" for number in range(50)}
    family.station.loops.plug("blue")
    until(top.is_mount)
    until(lambda: family.files() == on_disk(top) and len(on_disk(top)) == 3050, 120)


def test_two_drives_and_one_that_waits_does_not_hold_up_the_other(family: Family) -> None:
    blue, green = family.drive(), family.drive(name="green")
    fill(blue / "Anna", 5)
    fill(green / "Bea", 5)
    within(lambda: len(family.files()) == 10)


def test_what_the_console_itself_stored_is_no_news(station: Station) -> None:
    drive = station.adopt(station.loops.make("blue"), DriveRole.HOT)
    mount = station.mount(drive.id)
    marks = Marks(mount.path, mount.device_number)
    try:
        for name, word in (("mine.jpg", "console.serve"), ("theirs.jpg", "somebody")):
            write = f"open({str(mount.path / name)!r}, 'wb').write(b'x'); print('', flush=True); input()"
            words = [sys.executable, "-c", write, word]
            with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
                assert writer.stdout is not None
                writer.stdout.readline()
                told = [one.name for one in marks.heard()]
                writer.communicate(b"\n")
            assert told == ([] if word == "console.serve" else [b"theirs.jpg"])
    finally:
        marks.close()
