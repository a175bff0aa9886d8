"""Hot to cold against rsync, in the same run, on two loop-mounted ext4 drives with direct I/O.

  sudo .venv/bin/python bench/backup.py [--small 100000] [--large 4] [--rows 1000000] [--work DIR]

One line a ratio for people, one JSON line for machines.  Both drives are unmounted and mounted again before every
pass, so that nothing of them is in the page cache; programs are, for both sides.  A pass ends when everything is on
the medium.  The station's passes are whole job processes: interpreter, imports, plan, copy, reread, manifest, rows.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
MB = 1_000_000
LIMITS = {"first": 1.75, "large": 1.5, "nochange": 0.35, "change1pct": 0.7}


class Drives:
    """A source and a target, each an ext4 in a file."""

    def __init__(self, work: Path, gigabytes: int, inodes: int) -> None:
        self.hot, self.cold = work / "hot", work / "cold"
        self._images = {self.hot: work / "hot.img", self.cold: work / "cold.img"}
        for point, image in self._images.items():
            point.mkdir(parents=True, exist_ok=True)
            with image.open("wb") as file:
                file.truncate(gigabytes << 30)
            make = ["mkfs.ext4", "-q", "-m", "0", "-N", str(inodes), "-E", "lazy_itable_init=0", str(image)]
            subprocess.run(make, check=True, timeout=300)

    def mount(self) -> None:
        for point, image in self._images.items():
            words = ["losetup", "--find", "--show", "--direct-io=on", str(image)]
            device = subprocess.run(words, check=True, capture_output=True, text=True, timeout=30).stdout.strip()
            subprocess.run(["mount", "-o", "noatime", device, str(point)], check=True, timeout=60)
            subprocess.run(["losetup", "--detach", device], check=True, timeout=30)  # freed at unmount

    def unmount(self) -> None:
        for point in self._images:
            if point.is_mount():
                subprocess.run(["umount", str(point)], check=True, timeout=300)

    def forget(self) -> None:
        """Drop everything the kernel remembers of both drives, and of nothing else."""
        os.sync()
        self.unmount()
        self.mount()


def make_small(root: Path, count: int) -> None:
    """Files of 4 to 64 KB in folders of 100."""
    chance, pool = random.Random(7), os.urandom(16 * MB)
    for number in range(count):
        folder = root / f"{2000 + number // 5000}" / f"{number // 100 % 50:02d}"
        if number % 100 == 0:
            folder.mkdir(parents=True, exist_ok=True)
        size, at = chance.randint(4096, 65536), chance.randrange(15 * MB)
        (folder / f"{number:06d}.jpg").write_bytes(b"\xff\xd8\xff" + number.to_bytes(8, "big") + pool[at : at + size])


def make_large(root: Path, count: int) -> None:
    """Files of 500 MB, no two blocks alike."""
    root.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        with (root / f"{number:03d}.mp4").open("wb") as file:
            for _ in range(50):
                file.write(os.urandom(10 * MB))


def make_empty(root: Path, count: int) -> None:
    """Empty files in folders of 500: as many rows as a million photos make, without their bytes."""
    for number in range(count):
        folder = root / f"{number // 50_000:03d}" / f"{number // 500 % 100:02d}"
        if number % 500 == 0:
            folder.mkdir(parents=True, exist_ok=True)
        os.close(os.open(folder / f"{number:07d}.jpg", os.O_CREAT | os.O_WRONLY))


def change(root: Path, share: float) -> None:
    """Rewrite a share of the files."""
    files = sorted(path for path in root.rglob("*.jpg"))
    for path in random.Random(time.time_ns()).sample(files, max(1, int(len(files) * share))):
        path.write_bytes(b"\xff\xd8\xff" + os.urandom(min(path.stat().st_size, 64 * 1024)))


class Peak(threading.Thread):
    """The largest sum of PSS (MB) of a process and its children."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.megabytes, self._ended = pid, 0.0, threading.Event()

    def run(self) -> None:
        while not self._ended.wait(0.2):
            self.megabytes = max(self.megabytes, sum(map(_pss, _family(self.pid))) / 1000)

    def stop(self) -> float:
        self._ended.set()
        self.join()
        return round(self.megabytes, 1)


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                if Path(f"/proc/{child}/cmdline").read_bytes() != Path(f"/proc/{pid}/cmdline").read_bytes():
                    yield from _family(int(child))  # else it is about to start a program, in its parent's memory
    except OSError:
        return


def _pss(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def timed(words: list[str], drives: Drives) -> tuple[float, float]:
    """(seconds, peak MB) of a command whose writes are on the medium when it counts as done."""
    drives.forget()
    started = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    peak = Peak(process.pid)
    peak.start()
    status = process.wait(3600)
    subprocess.run(["sync", "--file-system", str(drives.cold)], check=True, timeout=600)
    seconds = time.monotonic() - started
    if status:
        raise SystemExit(f"{words[0]} ended with {status}")
    return seconds, peak.stop()


class Station:
    """A station's database between two drives, and its job process."""

    def __init__(self, work: Path, drives: Drives) -> None:
        from appliance.db import Database, migrate
        from appliance.places import Places
        from tests.backup_bed import Bed

        self.drives, data = drives, work / "data"
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir()
        (work / "run").mkdir(exist_ok=True)
        here = Places(data=data, run=work / "run")
        migrate(here.database)
        self.db = Database(here.database)
        Bed(self.db, here, drives.hot, drives.cold)
        self.words = [sys.executable, __file__, "--job", str(data), str(drives.hot), str(drives.cold)]

    def run(self) -> tuple[float, float]:
        return timed(self.words, self.drives)


def job(data: str, hot: str, cold: str) -> None:
    """What the worker starts: one whole run."""
    from appliance.backup import head_start
    from appliance.library import scan

    scan.begin(Path(hot))
    with head_start.importing():
        from appliance.backup.lean import stay_small
        from tests.backup_bed import Reopened

    bed = Reopened(Path(data), Path(hot), Path(cold), job_id=0)
    stay_small(bed.db)
    bed.run()


#: The least that any program does to find out that nothing changed: it looks at every file of the source once.
BARE = """if True:
    import os, sys
    waiting = [sys.argv[1]]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
"""


def empty(drives: Drives) -> None:
    """Clear the target."""
    for path in drives.cold.iterdir():
        if path.name != "lost+found":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def tell(name: str, ours: float, theirs: float, **more: object) -> None:
    """One line for people, one for machines."""
    ratio, limit = ours / theirs, LIMITS[name]
    print(f"{name:12} station {ours:7.2f} s   rsync {theirs:7.2f} s   ratio {ratio:5.2f} (limit {limit})", flush=True)
    row = {"bench": f"backup-{name}", "ratio": round(ratio, 3), "limit": limit, "ok": ratio <= limit}
    print(json.dumps(row | {"station_s": round(ours, 2), "rsync_s": round(theirs, 2)} | more), flush=True)


def compare(work: Path, drives: Drives, name: str, rounds: int) -> None:
    """A first copy by both, and what follows it."""
    rsync = ["rsync", "-a", "--delete", f"{drives.hot}/", f"{drives.cold}/a/"]
    theirs: dict[str, list[float]] = {}
    ours: dict[str, list[float]] = {}
    peak = 0.0
    passes = ["first", "nochange", "change1pct"] if name == "first" else [name]
    for _ in range(rounds):
        for run, results in ((lambda: timed(rsync, drives), theirs), (None, ours)):
            empty(drives)
            for marker in drives.hot.glob("everpx-drive.json"):
                marker.unlink()
            shutil.rmtree(drives.hot / ".everpx", ignore_errors=True)
            runner: Callable[[], tuple[float, float]] = run or Station(work, drives).run
            for each in passes:
                if each == "change1pct":
                    change(drives.hot, 0.01)
                for _ in range(3 if each == "nochange" else 1):
                    seconds, memory = runner()
                    results.setdefault(each, []).append(seconds)
                    peak = max(peak, memory) if run is None else peak
    for each in passes:
        tell(each, statistics.median(ours[each]), statistics.median(theirs[each]), peak_pss_mb=peak)
    if "nochange" in passes:
        bare = statistics.median(timed([sys.executable, "-c", BARE, str(drives.hot)], drives)[0] for _ in range(3))
        ratio = bare / statistics.median(theirs["nochange"])
        print(f"{'note':12} one thread that only looks at every file of the source: {bare:.2f} s, ratio {ratio:.2f}")


def memory(work: Path, drives: Drives, count: int) -> None:
    """The peak of a first copy and of a no-change run over so many files."""
    shutil.rmtree(drives.hot / "many", ignore_errors=True)
    empty(drives)
    make_empty(drives.hot / "many", count)
    station = Station(work, drives)
    (first, most), (again, least) = station.run(), station.run()
    print(f"memory       {count} files: first copy {most} MB PSS ({first:.0f} s), no change {least} MB ({again:.1f} s)")
    row = {"bench": f"backup-memory-{count}", "peak_pss_mb": most, "nochange_pss_mb": least, "limit": 64}
    print(json.dumps(row | {"ok": max(most, least) <= 64}), flush=True)


@contextmanager
def drives_in(work: Path, gigabytes: int, inodes: int) -> Iterator[Drives]:
    drives = Drives(work, gigabytes, inodes)
    drives.mount()
    try:
        yield drives
    finally:
        drives.unmount()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--small", type=int, default=100_000)
    options.add_argument("--large", type=int, default=4)
    options.add_argument("--rows", type=int, default=1_000_000, help="files of the memory test; 0 leaves it out")
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--work", type=Path)
    options.add_argument("--job", nargs=3, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.job:
        job(*given.job)
        return
    with tempfile.TemporaryDirectory(dir=given.work) as folder:
        work = Path(folder)
        if given.small:
            with drives_in(work, 1 + given.small * 9 // 100_000, 2 * given.small + 50_000) as drives:
                make_small(drives.hot / "Photos", given.small)
                compare(work, drives, "first", given.rounds)
        if given.large:
            with drives_in(work, 1 + given.large, 10_000) as drives:
                make_large(drives.hot / "Videos", given.large)
                compare(work, drives, "large", given.rounds)
        for count in (100_000, given.rows) if given.rows else ():
            with drives_in(work, 2, count + 50_000) as drives:
                memory(work, drives, count)


if __name__ == "__main__":
    main()
