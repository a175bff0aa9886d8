"""Memory, CPU and start of a station that has nothing to do.

  sudo PYTHONPATH=. .venv/bin/python bench/idle.py [--seconds 60] [--work DIR]

Memory is PSS (shared pages counted once) of console, worker and broker together, after pages were opened, as it would
be if the station ran alone; nginx is told apart.  CPU is what all of them used in the time, as a share of one core.
"""

import argparse
import shutil
import time
from pathlib import Path

import psutil
from common import MIB, Station, cpu_seconds, hand_over, note, pss, pss_alone, result, station
from library import signed_in

PAGES = ("/", "/photos/", "/drives/", "/backup/", "/people/", "/system/", "/system/about", "/api/v1/jobs")


CORE = ("console.serve", "appliance.broker.daemon", "appliance.jobs.worker")


def main_processes(running: Station) -> list[psutil.Process]:
    """Console, worker and broker."""
    return [one for one in running.processes() if any(word in " ".join(one.cmdline()) for word in CORE)]


def main() -> None:
    """Start and open some pages; start once more, open them again, wait, measure."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--work", type=Path, default=Path("/var/tmp/everpx-bench"))
    given = options.parse_args()
    work = given.work / "idle"
    shutil.rmtree(work, ignore_errors=True)
    try:
        with station(work / "station", drive_size="1G") as running:
            hand_over(running)
            running.headers = signed_in(running)
            first = {page: running.get(page) for page in PAGES}
        with station(work / "station", drive_size="1G") as running:  # as it lives: pages are kept from start to start
            ready = running.ready_after
            running.headers = signed_in(running)
            again = {page: running.get(page) for page in PAGES}
            time.sleep(100)  # what the opening and the start itself began ends by itself
            before = cpu_seconds(running.processes())
            time.sleep(given.seconds)
            after = cpu_seconds(running.processes())
            core = main_processes(running)
            for process in running.processes():
                note("idle", " ".join(process.cmdline())[-60:], pss_mib=round(pss([process]) / MIB, 1))
            front = [one for one in running.processes() if one not in core]
            memory = pss_alone(core, front) / MIB
            note("idle", "as shared with all that runs here", pss_mib=round(pss(core) / MIB, 1))
            nginx = pss_alone(front, core) / MIB
        note("idle", "CPU seconds by process", **{name: round(after[name] - before.get(name, 0), 2) for name in after})
        used = sum(after.values()) - sum(before.values())
        share = 100 * used / given.seconds
    finally:
        shutil.rmtree(work, ignore_errors=True)
    result(
        "idle", "console + worker + broker", value=round(memory, 1), unit="MiB PSS", target="<= 76.3", ok=memory <= 76.3
    )
    note("idle", "nginx", mib=round(nginx, 1))
    for what, times in (("pages of a new station", first), ("first pages after a start", again)):
        note("idle", what, milliseconds={page: round(1000 * took) for page, took in times.items()})
    result("idle", "CPU", value=round(share, 2), unit="% of a core", target="<= 0.05", ok=share <= 0.05)
    result("idle", "ready after", value=round(ready, 2), unit="s", target="<= 2", ok=ready <= 2)


if __name__ == "__main__":
    main()
