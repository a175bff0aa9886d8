"""A library of a million photos, through HTTP: a timeline page of 100, and the list of months.

  sudo PYTHONPATH=. .venv/bin/python bench/library.py [--rows 1000000] [--queries 300] [--work DIR]

The rows are put straight into the database (the counting triggers run as always); every page is asked of nginx and the
console on a new connection, at random places of fifteen years.
"""

import argparse
import random
import shutil
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from common import Station, hand_over, note, open_rows, percentile, result, signed_in, station

FILES_A_FOLDER = 4000
FIRST, LAST = datetime(2010, 1, 1, tzinfo=UTC).timestamp(), datetime(2024, 12, 31, tzinfo=UTC).timestamp()
FILE = (
    "insert into stored_file (id, folder_id, name, size, modified_ns, digest, damaged, added) values (?,?,?,?,?,?,0,?)"
)
MEDIA = """insert into media (id, file_id, user_id, kind, taken, taken_from, month, width, height, camera, preview,
    placeholder) values (?,?,?,'PHOTO',?,'exif',?,4032,3024,'Camera X','READY','#808080')"""


def fill(database: Path, rows: int) -> float:
    """Insert so many photos; returns rows a second."""
    dice = random.Random(7)
    with closing(open_rows(database)) as db:
        (user,) = db.execute('select min(id) from "user"').fetchone()
        (drive,) = db.execute("select min(id) from drive").fetchone()
        (base,) = db.execute("select coalesce(max(id), 0) from stored_file").fetchone()
        began = time.monotonic()
        for start in range(0, rows, FILES_A_FOLDER):
            db.execute("begin immediate")
            path = f"Anna/Photos/bench-{start:07d}".encode()
            folder = db.execute("insert into folder (drive_id, path) values (?, ?)", (drive, path)).lastrowid
            for number in range(start, min(start + FILES_A_FOLDER, rows)):
                taken = datetime.fromtimestamp(dice.uniform(FIRST, LAST), UTC)
                moment = f"{taken:%Y-%m-%d %H:%M:%S.%f}"
                file = base + number + 1
                name = f"IMG_{number:07d}.jpg".encode()
                db.execute(
                    FILE, (file, folder, name, 3_000_000, int(taken.timestamp() * 1e9), dice.randbytes(32), moment)
                )
                db.execute(MEDIA, (file, file, user, moment, taken.year * 100 + taken.month))
            db.execute("commit")
        took = time.monotonic() - began
        db.execute("analyze")
    return rows / took


def measure(running: Station, name: str, paths: list[str]) -> None:
    """Ask for every path; the result is the 95th percentile."""
    for path in paths[:20]:
        running.get(path)
    times = [running.get(path) * 1000 for path in paths]
    middle, slow = percentile(times, 0.5), percentile(times, 0.95)
    note("library", name, p50_ms=round(middle, 1))
    result("library", f"{name}, p95", value=round(slow, 1), unit="ms", target="<= 15", ok=slow <= 15)


def main() -> None:
    """Fill, then ask."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--queries", type=int, default=300)
    options.add_argument("--work", type=Path, default=Path("/var/tmp/everpx-bench"))
    given = options.parse_args()
    work = given.work / "library"
    shutil.rmtree(work, ignore_errors=True)
    dice = random.Random(11)
    try:
        with station(work / "station", drive_size="1G") as running:
            hand_over(running)
            rate = fill(running.places.database, given.rows)
            note("library", f"{given.rows} rows put in", rows_per_s=round(rate))
            time.sleep(5)
            keys = [f"{dice.uniform(FIRST, LAST) * 1e6:.0f}-0" for _ in range(given.queries)]
            measure(running, "timeline page of 100", [f"/api/v1/timeline?after={key}" for key in keys])
            measure(running, "month list", ["/api/v1/months"] * given.queries)
            running.headers = signed_in(running) + "HX-Request: true\r\n"
            measure(running, "timeline page of 100 as HTML", [f"/photos/?after={key}" for key in keys])
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
