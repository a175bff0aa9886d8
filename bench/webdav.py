"""WebDAV uploads against wsgidav's own filesystem provider, in the same run, onto the same loop-mounted ext4 drive.

  sudo PYTHONPATH=. .venv/bin/python bench/webdav.py [--count 300] [--rounds 3] [--work DIR]

Everpx answers when a file is durable, hashed and catalogued; the peer answers earlier, so for it a final syncfs counts.
The peer runs in the same server (gunicorn, threads) with blocks of 1 MiB, its fastest setting, and asks for no name.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from base64 import b64encode
from pathlib import Path

from common import MB, Station, free_port, hand_over, note, result, station
from ingest import by_http, empty, fresh, server, settle

PEER = """
import sys
from gunicorn.app.base import BaseApplication
from wsgidav.wsgidav_app import WsgiDAVApp
class Peer(BaseApplication):
    def load_config(self):
        for name, value in {"bind": "127.0.0.1:" + sys.argv[2], "worker_class": "gthread", "threads": 12}.items():
            self.cfg.set(name, value)
        self.cfg.set("loglevel", "warning")
    def load(self):
        users = {"user_mapping": {"*": True}}
        return WsgiDAVApp({"provider_mapping": {"/": sys.argv[1]}, "simple_dc": users, "block_size": 1 << 20,
                           "verbose": 1, "logging": {"enable": False}})
Peer().run()
"""


def device(running: Station) -> str:
    """The header that opens the owner's files."""
    from sqlalchemy import select

    from appliance.db import Database
    from appliance.people import device_passwords
    from appliance.people.audit import By
    from appliance.people.models import User

    db = Database(running.places.database)
    with db.writing() as session:
        user = session.scalars(select(User)).first()
        assert user is not None
        _, text = device_passwords.create(session, By(), user, f"bench {time.time_ns()}")
    db.close()
    owner = running.data.stat()
    for path in running.data.glob("everpx.db*"):
        os.chown(path, owner.st_uid, owner.st_gid)
    return f"Authorization: Basic {b64encode(f'Anna:{text}'.encode()).decode()}\r\n"


def everpx(running: Station, files: list[Path], header: str) -> float:
    """Durable files a second."""
    began = time.monotonic()
    by_http(running.port, files, 4, "/dav/", header)
    return len(files) / (time.monotonic() - began)


def api(running: Station, files: list[Path]) -> float:
    """The same by our own REST address, to see what WebDAV costs."""
    began = time.monotonic()
    by_http(running.port, files, 4, "/api/v1/files/", f"Authorization: Bearer {running.token}\r\n")
    return len(files) / (time.monotonic() - began)


def wsgidav(drive: Path, files: list[Path], work: Path) -> float:
    """Durable files a second: the final flush counts."""
    place, port = drive / "bench", free_port()
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    with server([sys.executable, "-c", PEER, str(place), str(port)], port, work / "peer.log"):
        began = time.monotonic()
        by_http(port, files, 4, "/")
        subprocess.run(["sync", "-f", str(drive)], check=True, timeout=600)
        took = time.monotonic() - began
    shutil.rmtree(place)
    os.sync()
    return len(files) / took


def main() -> None:
    """Run."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=300)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--work", type=Path, default=Path("/var/tmp/everpx-bench"))
    options.add_argument("--source", type=Path, default=Path("/dev/shm/everpx-bench"))
    given = options.parse_args()
    work = given.work / "webdav"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    ratios = []
    try:
        with station(work / "station", drive_size="12G") as running:
            drive, header = hand_over(running), device(running)
            for _ in range(given.rounds):
                files = fresh(given.source / "webdav", given.count, 3 * MB)
                settle(running)
                theirs = wsgidav(drive, files, work)
                files = fresh(given.source / "webdav", given.count, 3 * MB)
                settle(running)
                by_api = api(running, files)
                empty(running, drive)
                files = fresh(given.source / "webdav", given.count, 3 * MB)
                settle(running)
                ours = everpx(running, files, header)
                empty(running, drive)
                ratios.append(ours / theirs)
                note(
                    "webdav",
                    f"{given.count} x 3 MB, 4 connections",
                    everpx=round(ours, 1),
                    api=round(by_api, 1),
                    wsgidav=round(theirs, 1),
                )
    finally:
        shutil.rmtree(given.source, ignore_errors=True)
        shutil.rmtree(work, ignore_errors=True)
    ratio = statistics.median(ratios)
    result("webdav", "PUT of 3 MB vs wsgidav", ratio=round(ratio, 2), target=">= 1.0", ok=ratio >= 1.0)


if __name__ == "__main__":
    main()
