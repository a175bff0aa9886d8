"""Samba as we configure it against a minimal configuration, in the same run, on the same loop-mounted ext4 drive.

  sudo PYTHONPATH=. .venv/bin/python bench/smb.py [--rounds 3] [--work DIR]

Written and read with Samba's own client: many files of 3 MB, and films of 500 MB.  Then 200 shares are put in force by
root of a running station: accounts, configuration, testparm, reload.
"""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import time
from pathlib import Path

from common import MB, Station, free_port, hand_over, note, result, station, wait_for
from ingest import fresh, samba, server, settle
from sqlalchemy import select

from appliance import plugin
from appliance.broker.client import SocketBroker
from appliance.db import Database
from appliance.people.models import User
from plugins.smb import service

PASSWORD = "seventeen green kettles"
SHARES = 200


def client(port: int, share: str, sign_in: list[str], commands: str, here: Path) -> float:
    """Seconds that smbclient needs."""
    words = ["smbclient", f"//127.0.0.1/{share}", *sign_in, "-p", str(port), "-m", "SMB3", "-s", "/dev/null"]
    began = time.monotonic()
    done = subprocess.run(words, input=commands, cwd=here, text=True, capture_output=True, timeout=600, check=False)
    took = time.monotonic() - began
    if done.returncode or "NT_STATUS" in done.stdout + done.stderr:
        raise RuntimeError(done.stdout + done.stderr)
    return took


def both_ways(
    port: int, share: str, sign_in: list[str], files: list[Path], drive: Path, sink: Path
) -> tuple[float, float]:
    """Seconds to write the files, on the medium, and to read them back past the page cache."""
    began = time.monotonic()
    client(port, share, sign_in, "".join(f"put {path} {path.name}\n" for path in files), sink)
    subprocess.run(["sync", "-f", str(drive)], check=True, timeout=600)
    written = time.monotonic() - began
    Path("/proc/sys/vm/drop_caches").write_text("1")
    read = client(port, share, sign_in, "".join(f"get {path.name} /dev/null\n" for path in files), sink)
    return written, read


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


def speed(running: Station, drive: Path, work: Path, source: Path, rounds: int) -> Sharing:
    """Ours against the minimal one."""
    port, theirs = free_port(), free_port()
    sharing = Sharing(running, port)
    place = drive / sharing.folder
    peer = drive / "peer"
    peer.mkdir(exist_ok=True)
    for size, count in ((3 * MB, 200), (500 * MB, 1)):
        ratios: dict[str, list[float]] = {"write": [], "read": []}
        for _ in range(rounds):
            files = fresh(source / str(size), count, size)
            settle(running)
            ours = both_ways(port, sharing.name, ["-U", f"{sharing.name}%{PASSWORD}"], files, drive, work)
            with server(samba(peer, work, theirs), theirs, work / "samba.log"):
                other = both_ways(theirs, "hot", ["-N"], files, drive, work)
            ratios["write"].append(other[0] / ours[0])
            ratios["read"].append(other[1] / ours[1])
            mb = size * count / MB
            note("smb", f"{count} x {size // MB} MB", write_mb_s=round(mb / ours[0]), read_mb_s=round(mb / ours[1]))
            for folder in (place, peer):
                for path in list(folder.iterdir()):
                    path.unlink() if path.is_file() else shutil.rmtree(path)
        for name, values in ratios.items():
            ratio = statistics.median(values)
            what = f"{name} {count} x {size // MB} MB vs a minimal Samba"
            result("smb", what, ratio=round(ratio, 2), target=">= 0.95", ok=ratio >= 0.95)
    return sharing


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
            many(speed(running, drive, work, given.source, given.rounds))
    finally:
        shutil.rmtree(given.source, ignore_errors=True)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
