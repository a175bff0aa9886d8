"""Uploads against copyparty, Samba and the limit, in the same run, all onto the same loop-mounted ext4 drive.

  sudo PYTHONPATH=. .venv/bin/python bench/ingest.py [--small 800] [--large 2] [--rounds 3] [--huge] [--work DIR]

The limit: threads that write, fsync, rename and fsync the folder, and do nothing else.  Everpx answers when a file is
durable, hashed and catalogued; the peers answer earlier, so for them a final syncfs counts.  Needs root.
"""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import psutil
from common import (
    MB,
    MIB,
    Memory,
    Station,
    cpu_seconds,
    descendants,
    free_port,
    hand_over,
    note,
    result,
    station,
    wait_for,
)

Upload = Callable[[list[Path]], None]
BLOCK = os.urandom(MB)
WITHOUT_JOBS = ("jobs.runner", "jobs.tick", "catch_up", "lister", "preview", "bwrap")  # behind the scenes, told apart


def fresh(folder: Path, count: int, size: int) -> list[Path]:
    """Files that nobody has seen before: random bytes behind the start of a JPEG, new in every round."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"IMG_{number:05d}.jpg" for number in range(count)]
    for path in files:
        if not path.exists() or path.stat().st_size != size:
            with path.open("wb") as out:
                for start in range(0, size, MB):
                    out.write(BLOCK[: min(MB, size - start)])
        with path.open("r+b") as out:
            out.write(b"\xff\xd8\xff\xdb" + os.urandom(4096))
    return files


def in_threads(files: list[Path], count: int, work: Callable[[Iterator[Path]], None]) -> None:
    """Let threads take files from one list; the first error is raised."""
    left, lock, errors = iter(files), threading.Lock(), []

    def take() -> Iterator[Path]:
        while True:
            with lock:
                path = next(left, None)
            if path is None:
                return
            yield path

    def body() -> None:
        try:
            work(take())
        except Exception as error:  # noqa: BLE001 - told after the join
            errors.append(error)

    threads = [threading.Thread(target=body) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def the_limit(place: Path, files: list[Path], count: int) -> None:
    """Write, fsync, rename, fsync the folder."""

    def work(paths: Iterator[Path]) -> None:
        folder = os.open(place, os.O_RDONLY)
        for path in paths:
            temporary = place / (path.name + ".part")
            with path.open("rb") as source, temporary.open("wb") as out:
                while os.sendfile(out.fileno(), source.fileno(), None, 1 << 24):
                    pass
                os.fsync(out.fileno())
            temporary.rename(place / path.name)
            os.fsync(folder)
        os.close(folder)

    in_threads(files, count, work)


def by_http(port: int, files: list[Path], count: int, folder: str, header: str = "") -> None:
    """PUT files over kept connections."""

    def work(paths: Iterator[Path]) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as answers:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for path in paths:
                connection.sendall(request(folder + path.name, header, path.stat().st_size))
                with path.open("rb") as source:
                    connection.sendfile(source)
                read_answer(answers, path.name)

    in_threads(files, count, work)


def request(path: str, header: str, length: int) -> bytes:
    """The head of a PUT."""
    return f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}Content-Length: {length}\r\n\r\n".encode()


def read_answer(answers: BinaryIO, name: str) -> None:
    """Read one answer to its end.  Raises RuntimeError unless the file was taken."""
    status = answers.readline().split()
    length, chunked = 0, False
    while (line := answers.readline().strip().lower()) != b"":
        key, _, value = line.partition(b":")
        length = int(value) if key == b"content-length" else length
        chunked |= key == b"transfer-encoding" and b"chunked" in value
    body = answers.read(length)
    while chunked and (size := int(answers.readline(), 16) + 2):
        body += answers.read(size)
        if size == 2:
            break
    if len(status) < 2 or status[1] not in (b"200", b"201", b"204"):
        raise RuntimeError(f"{name}: {status} {body[:200]!r}")


def by_samba(port: int, files: list[Path], count: int) -> None:
    """One smbclient a connection, each putting its share of the files."""
    clients = []
    for number in range(count):
        words = "".join(f"put {path} {path.name}\n" for path in files[number::count])
        argv = ["smbclient", "//127.0.0.1/hot", "-N", "-p", str(port), "-s", "/dev/null", "-m", "SMB3"]
        client = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert client.stdin is not None
        client.stdin.write(words.encode())
        client.stdin.close()
        clients.append(client)
    for client in clients:
        client.wait(600)


@contextmanager
def server(argv: list[str], port: int, log: Path) -> Iterator[psutil.Process]:
    """A peer, until the block ends."""
    with log.open("ab") as out:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    try:
        wait_for(lambda: _listens(port))
        yield psutil.Process(process.pid)
    finally:
        for one in [*descendants(process.pid), psutil.Process(process.pid)]:
            with suppress(psutil.NoSuchProcess):  # a session that was just ending
                one.terminate()
        process.wait(20)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def copyparty(place: Path, work: Path, port: int) -> list[str]:
    """copyparty with its file index."""
    listen = ["-q", "-i", "127.0.0.1", "-p", str(port), "--no-thumb", "-e2d"]
    return [sys.executable, "-m", "copyparty", *listen, "-v", f"{place}::A", "--hist", str(work / "copyparty")]


def samba(place: Path, work: Path, port: int) -> list[str]:
    """Samba with one guest share."""
    home = work / "samba"
    for name in ("lock", "state", "cache", "private", "pid", "ncalrpc"):
        (home / name).mkdir(parents=True, exist_ok=True)
    (home / "smb.conf").write_text(
        textwrap.dedent(f"""\
        [global]
        interfaces = lo
        bind interfaces only = yes
        smb ports = {port}
        server role = standalone server
        map to guest = bad user
        guest account = root
        disable netbios = yes
        load printers = no
        printing = bsd
        printcap name = /dev/null
        private dir = {home}/private
        lock directory = {home}/lock
        state directory = {home}/state
        cache directory = {home}/cache
        pid directory = {home}/pid
        ncalrpc dir = {home}/ncalrpc
        log file = {home}/log
        [hot]
        path = {place}
        guest ok = yes
        read only = no
        force user = root
        """)
    )
    return ["smbd", "-F", "--no-process-group", "-s", str(home / "smb.conf")]


class Bench:
    """One station and its peers on one drive."""

    def __init__(self, running: Station, drive: Path, work: Path) -> None:
        self.running, self.drive, self.work = running, drive, work
        self.peak = 0
        self.cpu = 0.0
        self.cpu_of: dict[str, float] = {}

    def limit(self, files: list[Path], count: int) -> float:
        """Files a second of writing and nothing else."""
        with self._room() as place:
            return self._timed(files, lambda: the_limit(place, files, count))

    def everpx(self, files: list[Path], count: int) -> float:
        """Files a second of the whole station; no sync afterwards, because each answer promised it."""
        header = f"Authorization: Bearer {self.running.token}\r\n"
        before = cpu_seconds(self.running.processes(*WITHOUT_JOBS))
        with Memory(lambda: self.running.processes(*WITHOUT_JOBS)) as memory:
            began = time.monotonic()
            by_http(self.running.port, files, count, "/api/v1/files/", header)
            took = time.monotonic() - began
        after = cpu_seconds(self.running.processes(*WITHOUT_JOBS))
        self.cpu_of = {name: round(spent - before.get(name, 0), 2) for name, spent in after.items()}
        self.cpu = sum(self.cpu_of.values())
        self.peak = memory.peak
        return len(files) / took

    def copyparty(self, files: list[Path], count: int) -> float:
        """Files a second, with its index."""
        port = free_port()
        shutil.rmtree(self.work / "copyparty", ignore_errors=True)
        with self._room() as place, server(copyparty(place, self.work, port), port, self.work / "copyparty.log"):
            return self._timed(files, lambda: by_http(port, files, count, "/"))

    def samba(self, files: list[Path], count: int) -> float:
        """Files a second by so many SMB clients."""
        port = free_port()
        with self._room() as place, server(samba(place, self.work, port), port, self.work / "samba.log"):
            return self._timed(files, lambda: by_samba(port, files, count))

    def _timed(self, files: list[Path], upload: Callable[[], None]) -> float:
        began = time.monotonic()
        upload()
        subprocess.run(["sync", "-f", str(self.drive)], check=True, timeout=600)
        return len(files) / (time.monotonic() - began)

    @contextmanager
    def _room(self) -> Iterator[Path]:
        place = self.drive / "bench"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        yield place
        shutil.rmtree(place)
        os.sync()


def settle(running: Station) -> None:
    """Let the last round's aftermath end, so that each contestant has the machine to itself."""
    os.sync()
    photos = running.processes("jobs.worker", "broker.daemon", "console.serve", "nginx")
    end = time.monotonic() + 60
    while photos and time.monotonic() < end:
        time.sleep(0.5)
        photos = running.processes("jobs.worker", "broker.daemon", "console.serve", "nginx")
    time.sleep(0.5)


def empty(running: Station, drive: Path) -> None:
    """Take the uploads of a round off the drive, so that it never fills up; the station calls them vanished."""
    shutil.rmtree(drive / "Anna", ignore_errors=True)
    settle(running)


def small(bench: Bench, source: Path, count: int, rounds: int) -> None:
    """Many photos over four connections."""
    speeds: dict[str, list[float]] = {}
    cpu, gigabytes = [], count * 3 * MB / 1e9
    for _ in range(rounds):
        for name in ("limit", "everpx", "copyparty", "samba"):
            files = fresh(source, count, 3 * MB)
            settle(bench.running)
            speeds.setdefault(name, []).append(getattr(bench, name)(files, 4))
        cpu.append(bench.cpu / gigabytes)
        note("ingest", "CPU of a round", **bench.cpu_of)
        empty(bench.running, bench.drive)
    median = {name: statistics.median(values) for name, values in speeds.items()}
    for name, value in median.items():
        note(
            "ingest", f"{count} x 3 MB, 4 connections: {name}", files_per_s=round(value, 1), all=_rounded(speeds[name])
        )
    for peer, least in (("copyparty", 1.7), ("samba", 1.3), ("limit", 0.7)):
        ratio = statistics.median(a / b for a, b in zip(speeds["everpx"], speeds[peer], strict=True))
        result("ingest", f"{count} x 3 MB vs {peer}", ratio=round(ratio, 2), target=f">= {least}", ok=ratio >= least)
    spent = statistics.median(cpu)
    result("ingest", "CPU of all processes", value=round(spent, 2), unit="s/GB", target="<= 2", ok=spent <= 2)
    peak = bench.peak / MIB
    note("ingest", "peak memory, small files", mib=round(peak, 1))


def large(bench: Bench, source: Path, count: int, rounds: int) -> None:
    """Videos, two at a time."""
    ratios, peaks = [], []
    for _ in range(rounds):
        files = fresh(source, count, 500 * MB)
        settle(bench.running)
        limit = bench.limit(files, 2)
        files = fresh(source, count, 500 * MB)
        settle(bench.running)
        ratios.append(bench.everpx(files, 2) / limit)
        peaks.append(bench.peak / MIB)
        note(
            "ingest",
            f"{count} x 500 MB",
            limit_mb_s=round(limit * 500),
            ratio=round(ratios[-1], 2),
            cpu=round(bench.cpu, 2),
        )
        empty(bench.running, bench.drive)
    ratio, peak = statistics.median(ratios), max(peaks)
    result("ingest", f"{count} x 500 MB vs limit", ratio=round(ratio, 2), target=">= 0.5", ok=ratio >= 0.5)
    result("ingest", "peak PSS, 500 MB files", value=round(peak, 1), unit="MiB", target="<= 96", ok=peak <= 96)


def huge(bench: Bench, gigabytes: int) -> None:
    """One file of 20 GB, made up while it is sent."""
    header = f"Authorization: Bearer {bench.running.token}\r\n"
    size = gigabytes * 1000 * MB
    with Memory(lambda: bench.running.processes(*WITHOUT_JOBS)) as memory:
        began = time.monotonic()
        with (
            socket.create_connection(("127.0.0.1", bench.running.port)) as connection,
            connection.makefile("rb") as answers,
        ):
            connection.sendall(request("/api/v1/files/huge.mp4", header, size))
            for number in range(size // MB):
                connection.sendall(number.to_bytes(8, "big") + BLOCK[8:])
            read_answer(answers, "huge.mp4")
        took = time.monotonic() - began
    peak = memory.peak / MIB
    note("ingest", f"{gigabytes} GB in one file", mb_s=round(size / MB / took), mib=memory.at_peak)
    result("ingest", f"peak PSS, {gigabytes} GB file", value=round(peak, 1), unit="MiB", target="<= 96", ok=peak <= 96)


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 1) for value in values]


def main() -> None:
    """Run what was asked for."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--small", type=int, default=800)
    options.add_argument("--large", type=int, default=2)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--huge", type=int, nargs="?", const=20, default=0, metavar="GB")
    options.add_argument("--work", type=Path, default=Path("/var/tmp/everpx-bench"))
    options.add_argument("--source", type=Path, default=Path("/dev/shm/everpx-bench"))
    given = options.parse_args()
    work = given.work / "ingest"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        with station(work / "station", drive_size=f"{max(12, given.huge + 4)}G") as running:
            bench = Bench(running, hand_over(running), work)
            if given.small:
                small(bench, given.source / "small", given.small, given.rounds)
            if given.large:
                large(bench, given.source / "large", given.large, given.rounds)
            if given.huge:
                huge(bench, given.huge)
    finally:
        shutil.rmtree(given.source, ignore_errors=True)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
