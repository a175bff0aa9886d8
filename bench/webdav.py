"""WebDAV uploads against wsgidav's own filesystem provider, in the same run, onto the same loop-mounted ext4 drive.

  sudo PYTHONPATH=. .venv/bin/python bench/webdav.py [--count 300] [--rounds 3] [--work DIR]

Everpx answers when a file is durable, hashed and catalogued.  The peer is measured twice: flushing each file and its
folder before it answers, so that its answer means as much (but for hash and row), and as it comes, where it answers
earlier and a final syncfs counts.  It runs in the same server (gunicorn, threads) with blocks of 1 MiB, its fastest
setting, and asks for no name.
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
import os, sys
from gunicorn.app.base import BaseApplication
from wsgidav.fs_dav_provider import FileResource
from wsgidav.wsgidav_app import WsgiDAVApp
def flush(resource, *, with_errors):
    for place in (resource._file_path, os.path.dirname(resource._file_path)):
        fd = os.open(place, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
if sys.argv[3:] == ["durable"]:
    FileResource.end_write = flush
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


def wsgidav(drive: Path, files: list[Path], work: Path, *, durable: bool) -> float:
    """Durable files a second: the final flush counts."""
    place, port = drive / "bench", free_port()
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    words = [sys.executable, "-c", PEER, str(place), str(port), *(["durable"] if durable else [])]
    with server(words, port, work / "peer.log"):
        began = time.monotonic()
        by_http(port, files, 4, "/")
        subprocess.run(["sync", "-f", str(drive)], check=True, timeout=600)
        took = time.monotonic() - began
    shutil.rmtree(place)
    os.sync()
    return len(files) / took


def next_files(running: Station, given: argparse.Namespace) -> list[Path]:
    """Files that nobody has seen, once nothing else writes."""
    files = fresh(given.source / "webdav", given.count, 3 * MB)
    settle(running)
    return files


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
    ratios: dict[str, list[float]] = {"each file durable": [], "a final sync": []}
    try:
        with station(work / "station", drive_size="12G") as running:
            drive, header = hand_over(running), device(running)
            for _ in range(given.rounds):
                rates = {}
                for name in ratios:
                    files = next_files(running, given)
                    rates[name] = wsgidav(drive, files, work, durable=name == "each file durable")
                files = next_files(running, given)
                by_api = api(running, files)
                empty(running, drive)
                files = next_files(running, given)
                ours = everpx(running, files, header)
                empty(running, drive)
                for name, rate in rates.items():
                    ratios[name].append(ours / rate)
                peers = {f"wsgidav, {name}": round(rate, 1) for name, rate in rates.items()}
                what = f"{given.count} x 3 MB, 4 connections"
                note("webdav", what, everpx=round(ours, 1), api=round(by_api, 1), **peers)
    finally:
        shutil.rmtree(given.source, ignore_errors=True)
        shutil.rmtree(work, ignore_errors=True)
    for name, each in ratios.items():
        ratio = statistics.median(each)
        result("webdav", f"PUT of 3 MB vs wsgidav, {name}", ratio=round(ratio, 2), target=">= 1.0", ok=ratio >= 1.0)


if __name__ == "__main__":
    main()
