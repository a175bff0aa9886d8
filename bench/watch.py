"""Files that arrive over SMB: how fast the library follows, in the same run, on the same loop-mounted ext4 drive.

  sudo PYTHONPATH=. .venv/bin/python bench/watch.py [--count 10000] [--clients 1] [--work DIR]

The burst is real JPEGs of some kilobytes with their own bytes and dates, in folders of 500, put by smbclient.  A file
is catalogued when it is in the timeline and its bytes have been hashed.  The ratio is the speed of cataloguing (from
the first byte sent to the last hash) against the speed of arrival (from the first byte sent to the client's end).
"""

import argparse
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from common import APP, Station, descendants, free_port, hand_over, note, result, station, wait_for
from ingest import samba, server

sys.path[:0] = [str(APP)]
EACH = 500  # files a folder
SINGLES = 3
DONE = "select count(*), count(f.digest) from media m join stored_file f on f.id = m.file_id"


def photos(folder: Path, count: int) -> list[Path]:
    """Real small photos, made once."""
    from tests.photos import jpeg

    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(count):
        path = folder / f"{number}.jpg"
        if not path.exists():
            path.write_bytes(jpeg(number, datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=number), (320, 240)))
        made.append(path)
    return made


def put(port: int, files: list[Path], top: str, clients: int) -> float:
    """Seconds until every client has ended."""
    began = time.monotonic()
    running = []
    for number in range(clients):
        script = []
        for at, path in enumerate(files[number::clients]):
            if at % EACH == 0:
                folder = f"{top}-{number}-{at // EACH}"
                script += ["cd \\Anna", f"mkdir {folder}", f"cd {folder}"]
            script.append(f"put {path} {path.name}")
        argv = ["smbclient", "//127.0.0.1/hot", "-N", "-p", str(port), "-s", "/dev/null", "-m", "SMB3"]
        client = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
        )
        assert client.stdin is not None
        client.stdin.write("\n".join(script))
        client.stdin.close()
        running.append(client)
    for client in running:
        if client.wait(600):
            raise RuntimeError("smbclient failed")
    return time.monotonic() - began


def cpu(running: Station) -> dict[str, float]:
    """Seconds so far of root's daemon and of the process that catches up."""
    spent = {}
    for process in descendants(running.launcher):
        with suppress(psutil.NoSuchProcess):
            line, times = " ".join(process.cmdline()), process.cpu_times()
            for word in ("broker.daemon", "catch_up"):
                if word in line:
                    spent[word] = times.user + times.system
    return spent


def burst(running: Station, rows: sqlite3.Connection, files: list[Path], port: int, clients: int) -> None:
    """All of them at once."""
    (before, hashed) = rows.execute(DONE).fetchone()
    began = time.monotonic()
    arriving = put(port, files, "burst", clients)
    there = rows.execute(DONE).fetchone()[0] - before
    wait_for(lambda: rows.execute(DONE).fetchone()[0] - before >= len(files), 600)
    shown = time.monotonic() - began
    wait_for(lambda: rows.execute(DONE).fetchone()[1] - hashed >= len(files), 600)
    whole, spent = time.monotonic() - began, cpu(running)
    facts = {"arrival_per_second": round(len(files) / arriving), "catalogued_per_second": round(len(files) / whole)}
    facts |= {
        "in_timeline_when_the_client_ended": there,
        "cpu_us_a_file_root": round(spent.get("broker.daemon", 0) * 1e6 / len(files)),
    }
    note("watch", "burst", **facts, cpu_ms_a_file=round(spent.get("catch_up", 0) * 1000 / len(files), 2))
    ratio = round(arriving / whole, 2)
    result(
        "watch",
        f"{len(files)} files over SMB, catalogued against arrival",
        target=">= 0.5",
        ok=ratio >= 0.5,
        ratio=ratio,
    )
    note("watch", "all in the timeline, against arrival", ratio=round(arriving / shown, 2))


def singles(rows: sqlite3.Connection, files: list[Path], port: int) -> None:
    """One photo at a time, after everything has come to rest."""
    took = []
    for number, path in enumerate(files):
        time.sleep(20)  # the process that catches up has ended
        before = rows.execute(DONE).fetchone()[0]
        began = time.monotonic()
        put(port, [path], f"single{number}", 1)
        wait_for(lambda before=before: rows.execute(DONE).fetchone()[0] > before, 60)
        took.append(time.monotonic() - began)
    slowest = round(max(took), 1)
    result(
        "watch",
        "a photo over SMB until it is in the timeline, the slowest",
        value=slowest,
        unit="s",
        median=round(statistics.median(took), 1),
        target="<= 10",
        ok=slowest <= 10,
    )


def main() -> None:
    """Measure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=10_000)
    options.add_argument("--clients", type=int, default=1)
    options.add_argument("--work", type=Path, default=Path("/var/tmp/everpx-bench-watch"))
    given = options.parse_args()
    shutil.rmtree(given.work / "station", ignore_errors=True)
    files = photos(given.work / "photos", given.count + SINGLES)
    with station(given.work / "station", drive_size="4G") as running:
        top, port = hand_over(running), free_port()
        (top / "Anna").mkdir(exist_ok=True)
        owner = running.data.stat()
        os.chown(top / "Anna", owner.st_uid, owner.st_gid)
        rows = sqlite3.connect(f"{running.places.database.absolute().as_uri()}?mode=ro", uri=True)
        with server(samba(top, given.work, port), port, given.work / "samba.log"):
            time.sleep(3)  # the walk over the new drive
            burst(running, rows, files[: given.count], port, given.clients)
            singles(rows, files[given.count :], port)
        rows.close()
    shutil.rmtree(given.work / "station", ignore_errors=True)


if __name__ == "__main__":
    main()
