"""Downloads as ZIP against the drive itself, in the same run, from the same loop-mounted ext4 drive.

  sudo PYTHONPATH=. .venv/bin/python bench/zip.py [--photos 200] [--films 2] [--rounds 3] [--work DIR]

The peer reads the same files one after the other in 1 MiB reads; the page cache is dropped before each.  Everpx answers
through nginx, with a token, and the whole answer is read.  Needs root.
"""

import argparse
import json
import os
import socket
import statistics
import tempfile
import time
from pathlib import Path

from common import MB, MIB, Memory, Station, hand_over, note, result, station

TARGET = 0.6
BLOCK = os.urandom(MB)


def main() -> None:
    """Photos and films, in turns."""
    options = argparse.ArgumentParser()
    options.add_argument("--photos", type=int, default=200)
    options.add_argument("--films", type=int, default=2)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--work", type=Path, default=None)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="everpx-zip-") as made:
        work = given.work or Path(made)
        work.chmod(0o755)
        with station(work / "station", drive_size="3G") as running:
            drive = hand_over(running)
            for name, count, size in (
                ("photos of 3 MB", given.photos, 3 * MB),
                ("films of 300 MB", given.films, 300 * MB),
            ):
                folder = drive / "Anna" / name
                fill(folder, count, size)
                compare(running, folder, f"{count} {name}", given.rounds)


def fill(folder: Path, count: int, size: int) -> None:
    """Files of random bytes, readable by the station."""
    folder.mkdir(parents=True)
    for number in range(count):
        with (folder / f"{number:05d}.bin").open("wb") as out:
            for _ in range(size // MB):
                out.write(BLOCK)
    os.sync()


def cold(running: Station) -> None:
    """Nobody else reads the drive (an index, previews), and nothing is in memory any more."""
    end = time.monotonic() + 60
    while time.monotonic() < end and running.processes("jobs.worker", "broker.daemon", "console.serve", "nginx"):
        time.sleep(0.5)
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")


def compare(running: Station, folder: Path, what: str, rounds: int) -> None:
    """The station's MB/s and the drive's, round by round."""
    ratios, peaks, speeds = [], [], []
    for _ in range(rounds):
        cold(running)
        drive = read_all(folder)
        cold(running)
        with Memory(lambda: running.processes("worker", "broker", "jobs.runner", "jobs.tick", "lister")) as memory:
            zipped = download(running, folder)
        ratios.append(zipped / drive)
        peaks.append(memory.peak)
        speeds.append((round(zipped), round(drive)))
    note("zip", what, mb_per_s_and_the_drives=speeds, peak_of_console_and_nginx_mib=round(max(peaks) / MIB, 1))
    ratio = statistics.median(ratios)
    result(
        "zip",
        f"{what} as one ZIP vs the drive's read",
        ratio=round(ratio, 2),
        target=f">= {TARGET}",
        ok=ratio >= TARGET,
    )


def read_all(folder: Path) -> float:
    """MB/s of reading the files, one after the other."""
    began, total = time.monotonic(), 0
    for path in sorted(folder.iterdir()):
        with path.open("rb", buffering=0) as file:
            while block := file.read(1 << 20):
                total += len(block)
    return total / MB / (time.monotonic() - began)


def download(running: Station, folder: Path) -> float:
    """MB/s of the ZIP, as long as it was announced.  Raises RuntimeError when it is not."""
    body = json.dumps({"drive": "HOT-1", "paths": [f"Anna/{folder.name}".replace(" ", "%20")]}).encode()
    head = (
        "POST /api/v1/folders/zip HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {running.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    began, total = time.monotonic(), 0
    with socket.create_connection(("127.0.0.1", running.port)) as connection:
        connection.sendall(head.encode() + body)
        with connection.makefile("rb", buffering=1 << 16) as answer:
            status, length = answer.readline(), 0
            while (line := answer.readline().strip().lower()) != b"":
                length = int(line.partition(b":")[2]) if line.startswith(b"content-length") else length
            block = bytearray(1 << 20)
            while count := answer.readinto(block):
                total += count
    if b" 200 " not in status or total != length:
        raise RuntimeError(f"{status!r}: {total} of {length} bytes")
    return total / MB / (time.monotonic() - began)


if __name__ == "__main__":
    main()
