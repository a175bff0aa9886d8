"""Samba as we configure it against a minimal configuration, in the same run, on the same loop-mounted ext4 drive.

  sudo PYTHONPATH=. .venv/bin/python bench/smb.py [--rounds 3] [--work DIR]

Written and read with Samba's own client: many files of 3 MB, and films of 500 MB.  The peer is a share without modules,
to which somebody signs in and whose messages are signed, as ours are; a second peer, open to everybody and unsigned,
tells what that costs.  Then what the idle program adds to the memory in use, and 200 shares put in force by root of a
running station: accounts, configuration, testparm, reload.
"""

import argparse
import os
import pwd
import shutil
import socket
import statistics
import subprocess
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from common import MB, Station, descendants, free_port, hand_over, note, pss, pss_alone, result, station, wait_for
from ingest import fresh, server
from sqlalchemy import select

from appliance import plugin
from appliance.broker.client import SocketBroker
from appliance.db import Database
from appliance.people.models import User
from plugins.smb import service
from plugins.smb.nt_hash import nt_hash

PASSWORD = "seventeen green kettles"
SHARES = 200


@dataclass
class Way:
    """How a client gets to a share, and where that is on the drive."""

    port: int
    share: str
    sign_in: list[str]
    place: Path

    def both(self, files: list[Path], drive: Path, here: Path) -> tuple[float, float]:
        """Seconds to write the files, on the medium, and to read them back past the page cache."""
        began = time.monotonic()
        self._do("".join(f"put {path} {path.name}\n" for path in files), here)
        subprocess.run(["sync", "-f", str(drive)], check=True, timeout=600)
        written = time.monotonic() - began
        Path("/proc/sys/vm/drop_caches").write_text("1")
        read = self._do("".join(f"get {path.name} /dev/null\n" for path in files), here)
        for path in list(self.place.iterdir()):
            path.unlink() if path.is_file() else shutil.rmtree(path)
        subprocess.run(["sync", "-f", str(drive)], check=True, timeout=600)
        return written, read

    def _do(self, commands: str, here: Path) -> float:
        """Seconds that smbclient needs."""
        words = ["smbclient", f"//127.0.0.1/{self.share}", *self.sign_in, "-p", str(self.port), "-m", "SMB3"]
        began = time.monotonic()
        done = subprocess.run(
            [*words, "-s", "/dev/null"],
            input=commands,
            cwd=here,
            text=True,
            capture_output=True,
            timeout=600,
            check=False,
        )
        if done.returncode or "NT_STATUS" in done.stdout + done.stderr:
            raise RuntimeError((done.stdout + done.stderr)[:500])
        return time.monotonic() - began


class Sharing:
    """The plugin of a running station, switched on, with Anna's password known."""

    def __init__(self, running: Station, port: int) -> None:
        os.environ |= {"EVERPX_DATA": str(running.places.data), "EVERPX_RUN": str(running.places.run)}
        self.running, self.db = running, Database(running.places.database)
        with self.db.writing() as session:
            plugin.switch(session, "smb", on=True)
            plugin.configure(session, "smb", {"port": str(port), "only_here": "on"})
            user = session.scalars(select(User).order_by(User.id)).first()
            assert user is not None
            self.name, self.folder = user.name, user.folder
            service.password_known(session, user, PASSWORD)
        self.settle()
        wait_for(lambda: answers(port))

    def settle(self) -> float:
        """Seconds until what the rows say is in force."""
        began = time.monotonic()
        with self.db.reading() as session:
            service.settle(session, SocketBroker(self.running.places.broker_socket), self.running.places)
        took = time.monotonic() - began
        self.give_back()
        return took

    def give_back(self) -> None:
        """The database and the folders belong to the station's own user, and we are root."""
        owner = self.running.data.stat()
        drive = self.running.places.mounts / "HOT-1"
        for path in [*self.running.data.glob("everpx.db*"), *drive.glob("*"), *(drive / "Family").glob("*")]:
            if path.name != "lost+found":
                os.chown(path, owner.st_uid, owner.st_gid)


def answers(port: int) -> bool:
    """Whether somebody listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def minimal(place: Path, work: Path, port: int, *, user: str, signed: bool) -> list[str]:
    """Samba with one share and no module."""
    home = work / ("signed" if signed else "open")
    for name in ("lock", "state", "cache", "private", "pid", "ncalrpc"):
        (home / name).mkdir(parents=True, exist_ok=True)
    uid = pwd.getpwnam(user).pw_uid
    (home / "passwords").write_text(f"{user}:{uid}:{'X' * 32}:{nt_hash(PASSWORD).hex().upper()}:[U ]:LCT-00000001:\n")
    (home / "smb.conf").write_text(
        textwrap.dedent(f"""\
        [global]
        interfaces = lo
        bind interfaces only = yes
        smb ports = {port}
        server role = standalone server
        server signing = {"mandatory" if signed else "default"}
        map to guest = {"never" if signed else "bad user"}
        guest account = {user}
        passdb backend = smbpasswd:{home}/passwords
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
        guest ok = {"no" if signed else "yes"}
        read only = no
        force user = {user}
        """)
    )
    return ["smbd", "--foreground", "--no-process-group", "-s", str(home / "smb.conf")]


def speed(sharing: Sharing, port: int, drive: Path, work: Path, source: Path, rounds: int) -> None:
    """Ours against the minimal ones."""
    running, signed, everybody = sharing.running, free_port(), free_port()
    user = pwd.getpwuid(running.data.stat().st_uid).pw_name  # as whom ours writes, too
    peer = drive / "peer"
    peer.mkdir(exist_ok=True)
    shutil.chown(peer, user)
    ours = Way(port, sharing.name, ["-U", f"{sharing.name}%{PASSWORD}"], drive / sharing.folder)
    others = {
        "minimal": Way(signed, "hot", ["-U", f"{user}%{PASSWORD}"], peer),
        "open": Way(everybody, "hot", ["-N"], peer),
    }
    with (
        at_rest(running),
        server(minimal(peer, work, signed, user=user, signed=True), signed, work / "signed.log"),
        server(minimal(peer, work, everybody, user=user, signed=False), everybody, work / "open.log"),
    ):
        for size, count in ((3 * MB, 200), (500 * MB, 1)):
            took: dict[str, list[tuple[float, float]]] = {"ours": [], "minimal": [], "open": []}
            for number in range(rounds):
                files = fresh(source / str(size), count, size)
                os.sync()
                order = [("ours", ours), *others.items()]
                for name, way in order if number % 2 else reversed(order):
                    took[name].append(way.both(files, drive, work))
            tell(took, size, count)


@contextmanager
def at_rest(running: Station) -> Iterator[None]:
    """The station starts no work meanwhile: it would read the new files of one contestant while the next is timed."""
    workers = [one for one in descendants(running.launcher) if "appliance.jobs.worker" in one.cmdline()]
    for one in workers:
        one.suspend()
    try:
        yield
    finally:
        for one in workers:
            one.resume()


def tell(took: dict[str, list[tuple[float, float]]], size: int, count: int) -> None:
    """Speeds, and the ratios of the rounds' medians."""
    what = f"{count} x {size // MB} MB"
    for at, deed in enumerate(("write", "read")):
        middle = {name: statistics.median(pair[at] for pair in pairs) for name, pairs in took.items()}
        speeds = {f"{name}_mb_s": round(size * count / MB / seconds) for name, seconds in middle.items()}
        note("smb", f"{deed} {what}", **speeds, signing_costs=round(1 - middle["open"] / middle["minimal"], 2))
        ratio = middle["minimal"] / middle["ours"]
        result("smb", f"{deed} {what} vs a minimal Samba", ratio=round(ratio, 2), target=">= 0.95", ok=ratio >= 0.95)


def memory(sharing: Sharing) -> None:
    """What Samba adds to an idle station, told apart by process, and with somebody signed in who does nothing."""
    time.sleep(5)
    programs = smbds(sharing.running)
    for program, alone in [(one, pss_alone([one], [])) for one in programs]:
        note("smb", f"memory of “{program.name()}” by itself", mib=round(alone / 2**20, 1))
    beside = [one for one in descendants(sharing.running.launcher) if one not in programs]
    result(
        "smb", "memory of the idle Samba beside the station, what is shared counted once",
        value=round(pss_alone(programs, beside) / 2**20, 1), kernel_says=round(pss(programs) / 2**20, 1), unit="MiB",
        target="told", ok=True,
    )  # fmt: skip


def smbds(running: Station) -> list[psutil.Process]:
    """Samba's processes: the one that listens, and its helpers."""
    names = ("smbd", "smbd-notifyd", "cleanupd", "samba-dcerpcd", "rpcd_classic")
    return [one for one in descendants(running.launcher) if one.name().startswith(names)]


def many(sharing: Sharing) -> None:
    """200 shares at once, put in force by root."""
    with sharing.db.writing() as session:
        for number in range(SHARES):
            service.add_folder(session, sharing.running.places, f"Folder {number}")
    took = sharing.settle()
    result("smb", f"{SHARES} shares made and put in force", value=round(took, 2), unit="s", target="<= 1", ok=took <= 1)


def main() -> None:
    """Run."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--work", type=Path, default=Path("/var/tmp/everpx-bench"))
    options.add_argument("--source", type=Path, default=Path("/dev/shm/everpx-bench"))
    given = options.parse_args()
    work = given.work / "smb"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        with station(work / "station", drive_size="8G") as running:
            drive = hand_over(running)
            port = free_port()
            sharing = Sharing(running, port)
            memory(sharing)
            speed(sharing, port, drive, work, given.source, given.rounds)
            many(sharing)
    finally:
        shutil.rmtree(given.source, ignore_errors=True)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
