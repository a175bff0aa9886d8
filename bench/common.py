"""What the benchmarks share: a real station to measure, memory and CPU of process trees, and one line per result.

Each result is one line of JSON on standard output, ``{"bench", "what", "ratio" or "value", "unit", "target", "ok"}``; a
ratio compares with a peer that was measured in the same run, so it means something on any machine.
"""

import json
import os
import re
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from appliance.db import Database
from appliance.identity import load
from appliance.places import Places
from appliance.station.home import run_folder
from appliance.text import one_word, words_of

APP = Path(__file__).parents[1]
MB = 1_000_000  # of files and drives
MIB = 1 << 20  # of memory, as the kernel counts it
PAGE = 4096
USER_PAGES = 1 << 51  # above are the kernel's
PRESENT, FRAME = 1 << 63, (1 << 55) - 1  # of an entry of pagemap


def result(bench: str, what: str, *, target: str, ok: bool, **measured: object) -> None:
    """Print one result."""
    print(json.dumps({"bench": bench, "what": what, **measured, "target": target, "ok": ok}), flush=True)


def note(bench: str, what: str, **measured: object) -> None:
    """Print a measurement that has no target, such as a peer's own figure."""
    print(json.dumps({"bench": bench, "note": what, **measured}), flush=True)


def percentile(values: Iterable[float], share: float) -> float:
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def open_rows(database: Path) -> sqlite3.Connection:
    """A plain connection that may write photos: their triggers ask for the search's functions."""
    rows = sqlite3.connect(database, isolation_level=None, timeout=60)
    rows.create_function("words_of", -1, words_of, deterministic=True)
    rows.create_function("one_word", 1, one_word, deterministic=True)
    return rows


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def descendants(pid: int) -> list[psutil.Process]:
    """All living processes below one."""
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def pss(processes: Iterable[psutil.Process]) -> int:
    """Proportional memory of processes in bytes: shared pages are counted once."""
    total = 0
    for process in processes:
        try:
            found = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{process.pid}/smaps_rollup").read_text(), re.MULTILINE)
        except OSError:
            continue
        total += int(found[1]) * 1024 if found else 0
    return total


def frames(process: psutil.Process) -> set[int]:
    """The pages of real memory that a process maps (``/proc/PID/pagemap``; only root is told); none once it ended."""
    found = set()
    with suppress(FileNotFoundError, ProcessLookupError), Path(f"/proc/{process.pid}/pagemap").open("rb", 0) as pages:
        for line in Path(f"/proc/{process.pid}/maps").read_text().splitlines():
            start, end = (int(address, 16) // PAGE for address in line.split(maxsplit=1)[0].split("-"))
            if start < USER_PAGES:
                pages.seek(start * 8)
                entries = struct.iter_unpack("=Q", pages.read((end - start) * 8))
                found |= {entry & FRAME for (entry,) in entries if entry & PRESENT}
    return found


def pss_alone(processes: list[psutil.Process], beside: list[psutil.Process]) -> float:
    """Their PSS in bytes if nothing but they and ``beside`` ran here.

    The kernel's own figure is smaller on a busy machine, where others take their share of Python and the C library.
    """
    ours = [frames(process) for process in processes]
    users = Counter(frame for seen in [*ours, *map(frames, beside)] for frame in seen)
    return sum(PAGE / users[frame] for seen in ours for frame in seen)


def name_of(line: str) -> str:
    """Which of ours a command line is: of other programs, the program."""
    ours = ("nginx", "console.serve", "broker", "worker")
    return next((name for name in ours if name in line), line.partition(" ")[0].rpartition("/")[2])


def cpu_seconds(processes: Iterable[psutil.Process]) -> dict[str, float]:
    """User and system time so far, by what a process is."""
    total: dict[str, float] = {}
    for process in processes:
        try:
            spent, line = process.cpu_times(), " ".join(process.cmdline())
        except psutil.NoSuchProcess:
            continue
        name = name_of(line)
        total[name] = total.get(name, 0.0) + spent.user + spent.system
    return total


def _told(process: psutil.Process) -> str:
    try:
        return f"{name_of(' '.join(process.cmdline()))} {process.pid}"
    except psutil.NoSuchProcess:
        return str(process.pid)


class Memory(threading.Thread):
    """The peak of some processes' memory until the block ends.

    Asking stops a process while its pages are counted, for some milliseconds: not more often than every half second.
    """

    def __init__(self, processes: Callable[[], list[psutil.Process]], every: float = 0.5) -> None:
        super().__init__(daemon=True)
        self.processes, self.every, self.peak = processes, every, 0
        self.at_peak: dict[str, float] = {}  # MiB by process, when it was highest
        self._done = threading.Event()

    def run(self) -> None:
        """Sample."""
        while not self._done.wait(self.every):
            each = [(process, pss([process])) for process in self.processes()]
            total = sum(size for _, size in each)
            if total > self.peak:
                self.peak = total
                self.at_peak = {_told(process): round(size / MIB, 1) for process, size in each}

    def __enter__(self) -> "Memory":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()


@dataclass
class Station:
    """A running station with an owner."""

    data: Path
    port: int
    launcher: int  # pid
    ready_after: float
    token: str = ""
    headers: str = ""  # sent with each request instead of the token

    @property
    def places(self) -> Places:
        """Its folders."""
        return Places(self.data, run_folder(self.data, os.geteuid()))

    def processes(self, *without: str) -> list[psutil.Process]:
        """Everything but the launcher, and but those whose command line has one of these words."""
        found = []
        for process in descendants(self.launcher):
            try:
                line = " ".join(process.cmdline())
            except psutil.NoSuchProcess:
                continue
            if not any(word in line for word in without):
                found.append(process)
        return found

    def get(self, path: str) -> float:
        """Ask for a page and return how many seconds the whole answer took.  Raises RuntimeError unless it is 200."""
        began = time.perf_counter()
        headers = self.headers or f"Authorization: Bearer {self.token}\r\n"
        request = f"GET {path} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n"
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(request.encode())
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        took = time.perf_counter() - began
        status = answer.split(b" ", 2)[1]
        if status != b"200":
            raise RuntimeError(f"{path}: {answer[:300]!r}")
        return took


@contextmanager
def station(data: Path, *, drive_size: str = "12G", listen: str = "127.0.0.1") -> Iterator[Station]:
    """Start a station and give it an owner with a token; it is stopped at the end, its data stay."""
    port = free_port()
    argv = [sys.executable, "-m", "appliance.station", "--data", str(data), "--listen", listen, "--port", str(port)]
    began = time.monotonic()
    launcher = subprocess.Popen(
        [*argv, "--drive-size", drive_size], cwd=APP, stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert launcher.stdout is not None
    try:
        code = ""
        for line in launcher.stdout:
            code = line.split()[-1] if line.startswith("Claim code") else code
            if line.startswith("Everpx is ready"):
                ready = time.monotonic() - began
            if line.startswith("Stop it with"):
                break
        else:
            raise RuntimeError("the station did not start")
        running = Station(data, port, launcher.pid, ready)
        running.token = _owner(running, code)
        yield running
    finally:
        launcher.send_signal(signal.SIGTERM)
        launcher.communicate(timeout=120)


def _owner(running: Station, code: str) -> str:
    """Claim the station if it is new, and make a token."""
    from sqlalchemy import select

    from appliance.people import service, tokens
    from appliance.people.audit import By
    from appliance.people.models import User

    db = Database(running.places.database)
    with db.writing() as session:
        user = session.scalars(select(User)).first()
        if user is None:
            user = service.claim(session, load(running.places), code, "Anna", "a long enough password", "127.0.0.1")
        _, text = tokens.create(session, By(user.id), user, f"bench {time.time_ns()}")
    db.close()
    give_back(running.data)
    return text


def give_back(data: Path) -> None:
    """What root wrote beside the database belongs to the station's user."""
    owner = data.stat()
    for path in data.glob("everpx.db*"):
        os.chown(path, owner.st_uid, owner.st_gid)


def hand_over(running: Station, stem: str = "Blue-drive", role: str = "hot") -> Path:
    """Adopt a test drive as the console would; returns its mount point once uploads may come."""
    from appliance.drives import inventory, service
    from appliance.drives.models import DriveRole
    from appliance.web.service import shelves

    def ready() -> Path | None:
        return next((s.path for s in shelves(running.places.mounts) if s.uploads), None)

    if found := ready():
        return found

    def own() -> str | None:
        """The device that is a file of this station: others on this machine have drives of the same name."""
        for drive in inventory.load(running.places).found if running.places.inventory.exists() else ():
            file = Path("/sys/block", drive.device.rpartition("/")[2], "loop/backing_file")
            if drive.model == stem and file.exists() and file.read_text().startswith(f"{running.data}/"):
                return drive.device
        return None

    db = Database(running.places.database)
    wait_for(own)
    with db.writing() as session:
        service.adopt(session, running.places, device=own() or "", role=DriveRole(role), name="Blue")
    db.close()
    give_back(running.data)
    wait_for(lambda: ready() is not None, 60)
    opened = running.places.run / "nginx" / "nginx.conf"
    wait_for(lambda: "/api/v1/files/" in opened.read_text(), 90)
    time.sleep(1)
    return ready() or Path()


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    """Until it holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("waited in vain")
        time.sleep(0.1)


def signed_in(running: Station) -> str:
    """The cookie of a browser that is signed in, as a header."""
    from flask import Flask
    from flask.sessions import SecureCookieSessionInterface
    from sqlalchemy import select

    from appliance.db import Database
    from appliance.identity import secret_key
    from appliance.people import sign_ins
    from appliance.people.models import User

    db = Database(running.places.database)
    with db.writing() as session:
        token = sign_ins.open_for(
            session, session.scalars(select(User).order_by(User.id)).first(), "127.0.0.1", "bench"
        )
    db.close()
    app = Flask("bench")
    app.secret_key = secret_key(running.places)
    signer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert signer is not None
    return f"Cookie: everpx={signer.dumps({'_user_id': token, '_fresh': True})}\r\n"
