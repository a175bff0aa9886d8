"""A station in a process of its own, with real test drives; what browser tests look at."""

import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance import plugin
from appliance.db import Database
from appliance.station.home import run_folder

REPO = Path(__file__).parents[2]
READY_WITHIN_S = 120
TEST_PLUGS = "test-plugs"  # a file of the station's data folder: address:port of plugs that tests emulate
BLUE, GREEN = "Blue-drive", "Green-drive"
LATEST = (
    "select id, kind, state, created, started, finished, error from job order by id desc limit 12",
    "select at, kind, message from event order by id desc limit 12",
)


@dataclass
class RunningStation:
    """A station in a process of its own; ``url`` is its console behind nginx."""

    data: Path
    url: str
    claim_code: str
    process: "subprocess.Popen[str]"
    https: str = ""  # the same behind a certificate
    states: dict[str, Any] = field(default_factory=dict)  # name -> storage state of a signed-in browser

    @property
    def hot(self) -> Path:
        """Where the drive that holds everything is mounted."""
        return run_folder(self.data, os.geteuid()) / "drives" / "HOT-1"

    def pull(self, name: str) -> None:
        """Pull the plug of a drive, whatever is going on."""
        self._move("unplug", name)

    def plug(self, name: str) -> None:
        """Plug a drive in."""
        self._move("plug", name)

    def kill(self, word: str) -> None:
        """Kill the process whose command says this word (``console.serve``, ``nginx``); the launcher sees to it."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        (found,) = (pid for pid in children if word in Path(f"/proc/{pid}/cmdline").read_bytes().decode())
        os.kill(int(found), signal.SIGKILL)

    def _move(self, action: str, name: str) -> None:
        argv = [sys.executable, "-m", "appliance.station", "--data", str(self.data), action, name]
        subprocess.run(argv, cwd=REPO, check=True, capture_output=True, timeout=60)

    def did(self) -> str:
        """Its latest jobs and events and what its worker said last, for whoever asks why a test failed."""
        try:
            with closing(sqlite3.connect(f"file:{self.data / 'everpx.db'}?mode=ro", uri=True)) as rows:
                told = [row for question in LATEST for row in rows.execute(question)]
            worker = (self.data / "log/worker.log").read_text(errors="replace").splitlines()[-20:]
        except (OSError, sqlite3.Error) as error:  # the test has ended it, or it never got that far
            return f"cannot be read any more: {error}"
        return "\n".join([*(" ".join(map(str, row)) for row in told), *worker])

    def stop(self, drives_to: Path | None = None) -> None:
        """End it in order; drives are let go, and lie in another station's folder afterwards if one is given."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        if drives_to is not None:
            shutil.move(self.data / "loop-drives", drives_to)
        shutil.rmtree(self.data, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_station(address: str = "127.0.0.1", drives_of: RunningStation | None = None) -> RunningStation:
    """A new station on a free port, for browsers at this address; its data lies where its own user can reach it.

    ``drives_of``: one that ends, and whose drives are plugged in here.
    """
    data = Path(tempfile.mkdtemp(prefix="everpx-", dir="/var/tmp"))
    data.chmod(0o755)
    if drives_of is not None:
        drives_of.stop(drives_to=data / "loop-drives")
    port, tls = _free_port(), _free_port()
    log = (data / "launcher.log").open("w+")
    argv = [sys.executable, "-m", "appliance.station", "--data", str(data), "--port", str(port), "--drive-size", "700M"]
    argv += ["--tls-port", str(tls), "--listen", "127.0.0.1" if address == "127.0.0.1" else "0.0.0.0"]
    environment = os.environ | {"EVERPX_TEST_PLUGS": str(data / TEST_PLUGS)}
    process = subprocess.Popen(argv, cwd=REPO, env=environment, stdout=log, stderr=subprocess.STDOUT, text=True)
    station = RunningStation(data, f"http://{address}:{port}", "", process, f"https://{address}:{tls}")
    end = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < end and process.poll() is None:
        said = (data / "launcher.log").read_text()
        if code := re.search(r"Claim code: (\S+)", said):
            station.claim_code = code[1]
            log.close()
            return station
        time.sleep(0.1)
    log.close()
    said = (data / "launcher.log").read_text()
    station.stop()
    raise RuntimeError(f"the station did not start:\n{said}")


def switch_on(running: RunningStation, name: str, **options: str) -> None:
    """A plugin that is off at first; it is there from the next start of console and worker on."""
    db = Database(running.data / "everpx.db")
    with db.writing() as session:
        plugin.switch(session, name, on=True)
        plugin.configure(session, name, options)
    db.close()
    for word in ("console.serve", "jobs.worker"):
        running.kill(word)
