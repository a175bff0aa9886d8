"""Importing photos, with previews, EXIF and library rows, against Pillow alone, on the same loop-mounted ext4.

  sudo PYTHONPATH=. .venv/bin/python bench/import.py [--photos 120] [--work DIR]

The peer is one Pillow process that decodes each photo once (at the fraction of its size that JPEG allows), makes the
same two WebP pictures of it and writes them: no copy of the original, no hash, no row, no flush, no sandbox.  The
station is its own job processes, import and previews side by side as the worker runs them, from the start of the import
until the last preview is there.
"""

import argparse
import contextlib
import io
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
from common import note, result
from PIL import Image, ImageFilter
from sqlalchemy import func, select

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
RATIO, PER_CPU_SECOND = 0.85, 6
SIZE = (4032, 3024)

PEER = """if True:
    import os, sys
    from PIL import Image, ImageOps
    for name in sorted(os.listdir(sys.argv[1])):
        image = Image.open(os.path.join(sys.argv[1], name))
        image.getexif()
        part = 1600 / max(image.size)
        image.draft("RGB", (int(image.width * part), int(image.height * part)))
        image.thumbnail((1600, 1600), Image.Resampling.BICUBIC, reducing_gap=1.5)
        image = ImageOps.exif_transpose(image)
        small = image.copy()
        small.thumbnail((1280, 320), Image.Resampling.LANCZOS, reducing_gap=1.5)
        for pixels, picture, method in ((320, small, 2), (1600, image, 0)):
            picture.save(os.path.join(sys.argv[2], f"{name}-{pixels}.webp"), "WEBP", quality=80, method=method)
"""


def photos(folder: Path, count: int) -> None:
    """JPEGs of 12 megapixels and some MB, as cameras make them: soft areas with grain, each with its own bytes."""
    folder.mkdir(parents=True)
    bases = []
    for number in range(4):
        grain = Image.effect_noise((SIZE[0] // 2, SIZE[1] // 2), 40 + 10 * number).resize(SIZE)
        soft = Image.radial_gradient("L").resize(SIZE).filter(ImageFilter.GaussianBlur(number))
        bases.append(Image.merge("RGB", (Image.blend(soft, grain, 0.25), Image.blend(grain, soft, 0.8), soft)))
    for number in range(count):
        exif = Image.Exif()
        exif[0x0110] = "Bench 12"
        exif.get_ifd(0x8769)[0x9003] = f"2026:05:{1 + number % 28:02d} 10:00:00"
        out = io.BytesIO()
        bases[number % 4].save(out, "JPEG", quality=90, exif=exif, comment=f"{number} {time.time_ns()}".encode())
        (folder / f"IMG_{number:04d}.jpg").write_bytes(out.getvalue())


class Bed:
    """A station's database and a HOT drive."""

    def __init__(self, work: Path, drive: Path) -> None:
        os.environ |= {"EVERPX_DATA": str(work / "data"), "EVERPX_RUN": str(work / "run")}
        from appliance import identity
        from appliance.db import Database, migrate
        from appliance.people.models import Role
        from appliance.places import places
        from tests.hot_drive import hand_over, person

        self.places = places()
        for folder in (self.places.data, self.places.run, self.places.mounts):
            folder.mkdir(parents=True, exist_ok=True)
        identity.create(self.places)
        migrate(self.places.database)
        self.db = Database(self.places.database)
        self.hot = hand_over(self.db, self.places, drive)
        self.anna = person(self.db, "Anna", Role.ADMIN)

    def job(self, job_id: int) -> "subprocess.Popen[bytes]":
        """As the worker starts it."""
        words = [sys.executable, "-m", "appliance.jobs.runner", str(job_id)]
        return subprocess.Popen(words, stderr=subprocess.DEVNULL, cwd=ROOT)

    def look(self) -> int:
        """The report; the run's number."""
        from plugins.importer import service

        with self.db.writing() as session:
            wanted = service.from_folder(session, self.hot.drive_id, "Camera")
            run = service.start_look(session, wanted, self.anna.id, asked_by=None)
        self.job(run.job_id or 0).wait(600)
        return run.id

    def bring(self, run_id: int) -> None:
        """Import, and previews beside it until none is missing."""
        from appliance.jobs import service as jobs
        from appliance.library.models import Media, PreviewState
        from appliance.words import Message
        from plugins.importer import service

        def waiting() -> int:
            with self.db.reading() as session:
                wanted = select(func.count()).select_from(Media).where(Media.preview == PreviewState.WAITING)
                return session.scalar(wanted) or 0

        with self.db.writing() as session:
            run = service.start_import(session, run_id, deleted_too=False, asked_by=None)
        process = self.job(run.job_id or 0)
        while process.poll() is None or waiting():
            if waiting():
                with self.db.writing() as session:
                    job = jobs.start(session, "library.previews", title=Message("Previews"), lock="library.previews")
                self.job(job.id).wait(600)
            else:
                time.sleep(0.05)
        with self.db.reading() as session:
            ready = select(func.count()).select_from(Media).where(Media.preview == PreviewState.READY)
            self.ready = session.scalar(ready) or 0


def children_cpu() -> float:
    """Processor seconds of children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def is_fork(process: psutil.Process) -> bool:
    """Whether it runs what its parent runs."""
    parent = process.parent()
    return parent is not None and parent.cmdline() == process.cmdline()


class Cpu(threading.Thread):
    """Processor seconds of all that this process starts, read often enough to miss next to nothing."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.spent: dict[int, float] = {}
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(0.1):
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    times = process.cpu_times()
                    own = times.user + times.system
                    if is_fork(process):  # one for each picture, counted by its parent when it has ended
                        continue
                    if any("preview_worker" in word for word in process.cmdline()):
                        own += times.children_user + times.children_system
                    self.spent[process.pid] = max(own, self.spent.get(process.pid, 0.0))

    def stop(self) -> float:
        self._ended.set()
        self.join()
        return sum(self.spent.values())


def measure(work: Path, count: int) -> None:
    drive = work / "drive"
    photos(drive / "Camera", count)
    total = sum(path.stat().st_size for path in (drive / "Camera").iterdir())
    bed = Bed(work, drive)
    (drive / "peer").mkdir()
    run_id = bed.look()
    begun, before = time.monotonic(), children_cpu()
    subprocess.run([sys.executable, "-c", PEER, str(drive / "Camera"), str(drive / "peer")], check=True, timeout=900)
    peer, peer_cpu = count / (time.monotonic() - begun), children_cpu() - before
    os.sync()
    counted = Cpu()
    counted.start()
    begun = time.monotonic()
    bed.bring(run_id)
    took, spent = time.monotonic() - begun, counted.stop()
    if bed.ready != count:
        raise SystemExit(f"{bed.ready} of {count} photos have previews")
    ours = count / took
    note("import", "photos", count=count, megabytes=round(total / 1e6), cores=os.cpu_count())
    ratio = round(ours / peer, 2)
    rates = {"everpx_per_second": round(ours, 2), "pillow_per_second": round(peer, 2)}
    result(
        "import", "photos with previews against Pillow", target=f">= {RATIO}", ok=ratio >= RATIO, ratio=ratio, **rates
    )
    value = round(count / spent, 2)
    ok, pillow = value >= PER_CPU_SECOND, round(count / peer_cpu, 2)
    result(
        "import", "photos a CPU second", target=f">= {PER_CPU_SECOND}", ok=ok, value=value, unit="photos", pillow=pillow
    )


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--photos", type=int, default=120)
    options.add_argument("--work", type=Path)
    given = options.parse_args()
    work = Path(tempfile.mkdtemp(prefix="everpx-import-", dir=given.work or "/var/tmp"))
    image, drive = work / "drive.img", work / "drive"
    drive.mkdir()
    try:
        with image.open("wb") as file:
            file.truncate(4 << 30)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, timeout=60)
        words = ["losetup", "--find", "--show", "--direct-io=on", str(image)]
        device = subprocess.run(words, check=True, capture_output=True, text=True, timeout=30).stdout.strip()
        subprocess.run(["mount", device, str(drive)], check=True, timeout=30)
        subprocess.run(["losetup", "--detach", device], check=True, timeout=30)
        measure(work, given.photos)
    finally:
        subprocess.run(["umount", str(drive)], check=False, timeout=60)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
