"""Two drives and a station, for tests of the backup: folders, or real filesystems on loop devices where it matters."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from blake3 import blake3
from sqlalchemy import select

from appliance.backup import manifest, run, work
from appliance.backup.models import BackupRun, ColdFile
from appliance.db import Database
from appliance.drives import layout
from appliance.drives.marker import Marker
from appliance.drives.models import Drive, DriveRole
from appliance.drives.mounts import Mount
from appliance.durable import flush_filesystem
from appliance.jobs.models import Job, JobState
from appliance.jobs.progress import Progress
from appliance.places import Places
from appliance.words import Message


class Bed:
    """One HOT and one COLD drive, ready to run."""

    def __init__(self, db: Database, places: Places, hot: Path, cold: Path, filesystem: str = "ext4") -> None:
        self.db, self.places = db, places
        self.hot = self.drive(hot, DriveRole.HOT, 1, "ext4")
        self.cold = self.drive(cold, DriveRole.COLD, 1, filesystem)
        self.hots = [self.hot]
        self.times_on = 0

    def drive(self, path: Path, role: DriveRole, number: int, filesystem: str) -> Mount:
        """Hand a folder over as a drive."""
        path.mkdir(exist_ok=True)
        marker_id = f"{role.value}-{number}"
        with self.db.writing() as session:
            row = Drive(
                marker_id=marker_id,
                role=role,
                number=number,
                name=f"{role.value.upper()}-{number}",
                colour="blue",
                filesystem=filesystem,
                filesystem_uuid=marker_id,
                size=1,
            )
            session.add(row)
        Marker(marker_id, "station", role.value, number, marker_id, row.name, "2026-11-22T00:00:00+00:00").write(path)
        device = path.stat().st_dev
        return Mount(row.id, row.tag, row.name, "blue", path, device, filesystem, marker_id, marker_id, False)

    def broker(self, verb: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Root's side, as far as a run needs it."""
        assert verb == "drives.flush"
        flush_filesystem(self.cold.path)
        return {}

    @contextmanager
    def open_cold(self) -> Iterator[Mount]:
        """Switch the COLD drive on."""
        self.times_on += 1
        yield self.cold

    def progress(self, kind: str = "backup.run") -> Progress:
        """A running job."""
        with self.db.writing() as session:
            job = Job(kind=kind, title=Message("test"), lock=f"test:{random.random()}", state=JobState.RUNNING)
            session.add(job)
        return Progress(self.db, self.broker, self.places, job)

    def run(self) -> dict[str, Any]:
        """One run, to its end."""
        target = run.Target(self.cold.drive_id, self.cold.name)
        return run.run(self.progress(), target, self.hots, self.open_cold)

    def last_run(self) -> BackupRun:
        """The newest run's row."""
        with self.db.reading() as session:
            found = session.scalars(select(BackupRun).order_by(BackupRun.id.desc()).limit(1)).one()
        return found

    def write(self, name: str | bytes, content: bytes) -> Path:
        """A file on HOT."""
        path = Path(os.fsdecode(os.fsencode(self.hot.path) + b"/" + os.fsencode(name)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def older(self) -> dict[str, bytes]:
        """Every older version on COLD: path below its day -> content."""
        top = self.cold.path / layout.OLDER
        return {
            str(path.relative_to(top)).partition("/")[2]: path.read_bytes() for path in top.rglob("*") if path.is_file()
        }


def flip(path: Path) -> None:
    """Rot: another byte, the same size and time."""
    facts = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes(content)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def files_below(top: Path, skip: frozenset[str] = layout.NOT_FILES) -> dict[bytes, bytes]:
    """Every regular file: path -> content."""
    found = {}
    for folder, folders, names in os.walk(os.fsencode(top)):
        if folder == os.fsencode(top):
            folders[:] = [name for name in folders if os.fsdecode(name) not in skip]
            names = [name for name in names if os.fsdecode(name) not in skip]
        for name in names:
            path = folder + b"/" + name
            file = Path(os.fsdecode(path))
            if file.is_file() and not file.is_symlink():
                found[os.path.relpath(path, os.fsencode(top))] = file.read_bytes()
    return found


def check_invariants(bed: Bed) -> None:
    """I2, I3 and I7 of the fault list: what COLD claims is true, nothing is half-done, the rows are sound."""
    written = bed.cold.path / layout.MANIFEST
    if written.exists():
        for line in written.read_bytes().split(b"\n")[:-1]:
            assert not line.startswith(b"\\"), "these tests have no such names"
            digest, _, path = line.partition(b"  ")
            content = Path(os.fsdecode(os.fsencode(bed.cold.path) + b"/" + path)).read_bytes()
            assert blake3(content).hexdigest().encode() == digest, path
    with bed.db.reading() as session:
        assert session.connection().exec_driver_sql("pragma quick_check").scalar() == "ok"


def check_complete(bed: Bed) -> None:
    """I6: the copy is whole and proven."""
    originals = files_below(bed.hot.path)
    names = manifest.read_names(bed.cold.path)
    there = files_below(bed.cold.path / bed.hot.tag)
    copies = {manifest.original_of(names, path): content for path, content in there.items()}
    assert sorted(copies) == sorted(originals)
    assert copies == originals
    with bed.db.reading() as session:
        rows = session.scalars(select(ColdFile).where(ColdFile.cold_drive_id == bed.cold.drive_id)).all()
    assert sorted(blake3(content).digest() for content in originals.values()) == sorted(row.digest for row in rows)


def loop_mount(image: Path, where: Path, megabytes: int, make: list[str], mount: list[str]) -> None:
    """A filesystem in a file, mounted."""
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run([*make, str(image)], check=True, capture_output=True, timeout=60)
    where.mkdir(exist_ok=True)
    words = ["losetup", "--find", "--show", str(image)]
    device = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout.strip()
    try:
        subprocess.run([*mount, device, str(where)], check=True, capture_output=True, timeout=60)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True, timeout=60)  # freed when it is unmounted


@contextmanager
def fat_mount(image: Path, where: Path, megabytes: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A FAT32 in a sparse file, mounted by a driver that is an ordinary program; the driver's process."""
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mkfs.vfat", "-F", "32", str(image)], check=True, capture_output=True, timeout=60)
    where.mkdir(parents=True)
    words = ["fusefat", "-f", "-o", "rw+,allow_other", str(image), str(where)]
    driver = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 20
    while not where.is_mount():
        assert driver.poll() is None and time.monotonic() < end
        time.sleep(0.02)
    try:
        yield driver
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True, capture_output=True, timeout=60)
        driver.wait(60)


def unmount(where: Path) -> None:
    """Let go of it, also where the driver is a program."""
    subprocess.run(["umount", str(where)], check=True, capture_output=True, timeout=60)


def killed_run(bed: Bed, at: str, job: Job | None = None, batch: int = work.BATCH_FILES) -> int:
    """A run in a process of its own that is killed at a crash point; its exit status (-9, or 0 when it got through).

    ``job``: one that was claimed, whose attempt this is; ``batch``: files that become true together.
    """
    words = [sys.executable, str(Path(__file__)), str(bed.places.data), str(bed.hot.path), str(bed.cold.path)]
    words += [str(job.id if job else 0), str(batch)]
    environment = os.environ | {"EVERPX_CRASH_AT": at, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(words, env=environment, timeout=120, capture_output=True, text=True)
    assert done.returncode in (0, -9), done.stderr
    return done.returncode


class Reopened(Bed):
    """The bed again, in another process."""

    def __init__(self, data: Path, hot: Path, cold: Path, job_id: int) -> None:
        self.job_id = job_id
        self.places = Places(data=data, run=data.parent / "run")
        self.db = Database(self.places.database)
        self.times_on = 0
        with self.db.reading() as session:
            drives = {drive.role: drive for drive in session.scalars(select(Drive)).all()}
        self.hot, self.cold = (
            Mount(d.id, d.tag, d.name, "blue", path, path.stat().st_dev, d.filesystem, d.marker_id, d.marker_id, False)
            for d, path in ((drives[DriveRole.HOT], hot), (drives[DriveRole.COLD], cold))
        )
        self.hots = [self.hot]

    def progress(self, kind: str = "backup.run") -> Progress:
        """Of the job that was claimed; else a new one."""
        if not self.job_id:
            return super().progress(kind)
        with self.db.reading() as session:
            return Progress(self.db, self.broker, self.places, session.get_one(Job, self.job_id))


if __name__ == "__main__":
    work.BATCH_FILES = int(sys.argv[5])
    Reopened(*map(Path, sys.argv[1:4]), int(sys.argv[4])).run()
