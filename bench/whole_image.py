"""The image in a virtual machine beside a bare Debian in one: how long they take to start, memory and card writes idle.

  sudo PYTHONPATH=. .venv/bin/python bench/whole_image.py [--arch arm64] [--built DIR] [--only start|idle] [--runs 3]
                                                    [--minutes 15] [--cache DIR] [--work DIR]

Start: from power until a bare Debian (``bare_debian.py``) has reached multi-user and until our console shows a page,
one after the other, each at its first start and at a later one.  Seconds say little on a busy machine, so processor
seconds of QEMU until that moment are told, too.

Idle: an owner is signed in and two drives are handed over; after five quiet minutes what ``free`` counts as used, then
what the card is given to write in so many minutes, by the kernel's statistics of the disk, and by whom.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bare_debian
import psutil
from common import MIB, note, result

from image.build import stamp
from image.build.contents import APP
from tests.image.drives import Drive
from tests.image.home import Home
from tests.image.machine import Box, Machine
from tests.image.shell import told_by_firmware

TIMES = 1.6  # a bare Debian's start
MOST_USED = 220  # MB
MOST_WRITTEN = 1024  # MiB a day
ROOM = 2**29  # a card is larger than the image
QUIET_S = 300
LIMIT_S = 1500
SECTOR = 512
A_DAY_S = 24 * 3600
REACHED = "EVERPX-BENCH multi-user"
#: says on the serial line that multi-user was reached, so that nobody has to ask while the machine is busy starting
TELLS = told_by_firmware(
    {
        "systemd.extra-unit.told.service": (
            "[Unit]\nDefaultDependencies=no\nAfter=multi-user.target\n"
            f"[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo {REACHED} >/dev/kmsg; echo {REACHED} >/dev/console'\n"
        ),
        "systemd.unit-dropin.multi-user.target": "[Unit]\nWants=told.service\n",
    }
)


@dataclass(frozen=True)
class Took:
    """One start: seconds, and seconds that the machine's processors were busy."""

    wall: float
    busy: float


def start(box: Box, disk: Path, log: Path, ready: Callable[[Machine], float]) -> Took:
    """Plug in, wait until it is ready, then let it write what it has and end."""
    log.unlink(missing_ok=True)
    machine = Machine.start(box, disk, log)
    try:
        wall = ready(machine)
        spent = psutil.Process(machine.process.pid).cpu_times()
        took = Took(wall, spent.user + spent.system)
        machine.marker(REACHED, LIMIT_S)
        machine.guest.wait(120)
        machine.guest.tried("systemctl --no-block poweroff")
        try:
            machine.process.wait(180)
        except subprocess.TimeoutExpired:
            machine.guest.tried("sync", 120)
    finally:
        machine.pull_the_plug()
    return took


def starts(built: stamp.Built, arch: str, bare: Path, runs: int, work: Path) -> None:
    """Both, one after the other, each twice from the same disk: a first start and a later one."""
    box = Box(arch, more=TELLS)
    ways: dict[str, Callable[[Machine], float]] = {
        "bare": lambda machine: machine.marker(REACHED, LIMIT_S),
        "ours": lambda machine: machine.answers("/", LIMIT_S),
    }
    taken: dict[tuple[str, str], list[Took]] = {}
    for run in range(runs):
        for name, ready in ways.items():
            with tempfile.TemporaryDirectory(dir=work) as folder:
                disk = copied(bare, Path(folder)) if name == "bare" else stamped(built, Path(folder))[1]
                for kind in ("first", "later"):
                    took = start(box, disk, work / f"{name}-{kind}-{run}.log", ready)
                    taken.setdefault((name, kind), []).append(took)
                    what = f"{arch} {name}, {kind} start"
                    note("image", what, seconds=round(took.wall, 1), processor_seconds=round(took.busy, 1))
    for kind in ("first", "later"):
        ours, peer = taken["ours", kind], taken["bare", kind]
        middle = [statistics.median(took.wall for took in found) for found in (ours, peer)]
        busy = [statistics.median(took.busy for took in found) for found in (ours, peer)]
        ratio = middle[0] / middle[1]
        result(
            "image", f"{arch}, {kind} start against a bare Debian's", ratio=round(ratio, 2),
            processor_ratio=round(busy[0] / busy[1], 2), seconds=round(middle[0], 1), peer=round(middle[1], 1),
            target=f"<= {TIMES}", ok=ratio <= TIMES,
        )  # fmt: skip


def copied(bare: Path, folder: Path) -> Path:
    """A bare Debian's disk, never started; as large as our card."""
    disk = folder / bare.name
    shutil.copyfile(bare, disk)
    os.truncate(disk, disk.stat().st_size + ROOM)
    return disk


def stamped(built: stamp.Built, folder: Path) -> tuple[str, Path]:
    """A new station's claim code and its card."""
    station = stamp.stamp(built, folder, raw=True)
    disk = folder / f"{station.station_id}.img"
    os.truncate(disk, disk.stat().st_size + ROOM)
    return station.claim_code, disk


def idle(built: stamp.Built, arch: str, minutes: float, work: Path) -> None:
    """A family's station that has nothing to do."""
    with tempfile.TemporaryDirectory(dir=work) as folder:
        code, disk = stamped(built, Path(folder))
        machine = Machine.start(Box(arch), disk, work / "idle.log")
        try:
            machine.answers("/wizard", LIMIT_S)
            home = Home(machine).claimed(code)
            for name, role in (("hot", "hot"), ("cold", "cold")):
                home.hand_over(Drive.made(name, Path(folder), 256 * MIB), role, name)
            time.sleep(QUIET_S)
            machine.guest.wait(120)
            used = used_bytes(machine)
            note("image", f"{arch}, idle: largest processes", mib=largest(machine))
            before, writers, began = written_bytes(machine), writers_of(machine), time.monotonic()
            time.sleep(minutes * 60)
            took, written, after = time.monotonic() - began, written_bytes(machine) - before, writers_of(machine)
        finally:
            machine.pull_the_plug()
    result(
        "image", f"{arch}, memory of the whole guest, idle", value=round(used / 1e6, 1), unit="MB used",
        target=f"<= {MOST_USED}", ok=used <= MOST_USED * 1e6,
    )  # fmt: skip
    by = {name: after[name] - writers.get(name, 0) for name in after if after[name] > writers.get(name, 0)}
    note("image", f"{arch}, bytes that programs gave to write", seconds=round(took), **by)
    day = written * A_DAY_S / took / MIB
    result(
        "image", f"{arch}, written to the card, idle", value=round(day, 1), unit="MiB a day",
        kib=round(written / 1024), minutes=round(took / 60, 1), target=f"<= {MOST_WRITTEN}", ok=day <= MOST_WRITTEN,
    )  # fmt: skip


def used_bytes(machine: Machine) -> int:
    """What ``free`` counts as used."""
    found = re.search(r"^Mem:\s+\d+\s+(\d+)", machine.guest.run("free -b"), re.MULTILINE)
    assert found
    return int(found[1])


def largest(machine: Machine) -> dict[str, float]:
    """Processes by their share of memory (PSS)."""
    each = (
        'for p in /proc/[0-9]*; do echo "$(grep ^Pss: $p/smaps_rollup | tr -dc 0-9) $(cat $p/comm) ${p#/proc/}"; done'
    )
    lines = machine.guest.run(f"({each}) 2>/dev/null | sort -rn | head -14", 300).splitlines()
    rows = [line.split() for line in lines if len(line.split()) == 3]
    return {f"{name} {pid}": round(int(kib) / 1024, 1) for kib, name, pid in rows}


def written_bytes(machine: Machine) -> int:
    """What the card was given to write since the start, by the kernel's count."""
    return int(machine.guest.run("cat /sys/block/vda/stat").split()[6]) * SECTOR


def writers_of(machine: Machine) -> dict[str, int]:
    """What programs that still run have given to write, to whichever disk."""
    each = 'for p in /proc/[0-9]*; do echo "$(grep ^write_bytes $p/io) $(cat $p/comm) ${p#/proc/}"; done'
    rows = [line.split() for line in machine.guest.run(f"({each}) 2>/dev/null", 300).splitlines()]
    return {f"{row[2]} {row[3]}": int(row[1]) for row in rows if len(row) == 4 and row[1] != "0"}


def main() -> None:
    """What was asked for."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--arch", choices=("arm64", "amd64"), default="arm64")
    options.add_argument("--built", type=Path, help="the image (build/image/ARCH)")
    options.add_argument("--only", choices=("start", "idle"))
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--minutes", type=float, default=15)
    options.add_argument("--cache", type=Path, default=Path(os.environ.get("CACHE", "/var/tmp/everpx-image")))
    options.add_argument("--work", type=Path, default=Path("/var/tmp/everpx-bench/image"))
    given = options.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    built = stamp.found(given.built or APP / "build/image" / given.arch)
    if given.only != "idle":
        bare = bare_debian.made(given.arch, given.cache, given.work)
        starts(built, given.arch, bare, given.runs, given.work)
    if given.only != "start":
        idle(built, given.arch, given.minutes, given.work)


if __name__ == "__main__":
    main()
