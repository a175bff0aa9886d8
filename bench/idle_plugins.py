"""What the plugins of the home network add to the memory of a station that has nothing to do.

  sudo PYTHONPATH=. .venv/bin/python bench/idle_plugins.py [--work DIR]

The same station twice, in a home network of its own: with sharing, NFS, smart plugs, messages and being found switched
off, then with all of them on and in use (somebody's password is known, a folder is given to a device, a plug switches
the COLD drive, a channel takes messages).  Memory is PSS of console, worker and broker as if the station ran alone; the
programs that the plugins keep are told apart.  Root's daemon loads every plugin's part in both cases.
"""

import argparse
import ctypes
import os
import shutil
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
from common import MIB, Station, give_back, hand_over, note, pss, pss_alone, result, signed_in, station, wait_for
from idle import PAGES, main_processes
from sqlalchemy import select

from appliance import plugin
from appliance.broker.client import SocketBroker
from appliance.db import Database
from appliance.drives import inventory
from appliance.drives import service as drives
from appliance.drives.models import Drive, DriveRole, PowerState
from appliance.jobs.models import ACTIVE, Job
from appliance.people.audit import By
from appliance.people.models import User

PLUGINS = ("smb", "nfs", "smart_plugs", "notify", "discovery")
TARGET_MIB = 30e6 / MIB
PLUGIN_PAGES = [f"/plugins/{name}/" for name in PLUGINS]
QUIET_S = 20.0  # nothing was started for so long: it is idle
CLONE_NEWNET = 0x40000000
PASSWORD = "seventeen green kettles"


def own_network() -> None:
    """A home network of this process and its children alone, with a cable that nobody else is on."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for words in (
        "link set lo up",
        "link add eth0 type veth peer name switch",
        "addr add 10.86.0.1/24 dev eth0",
        "link set eth0 up",
        "link set switch up",
    ):
        subprocess.run(["ip", *words.split()], check=True, timeout=20)


class Answering(HTTPServer):
    """Where messages arrive."""

    class Handler(BaseHTTPRequestHandler):
        """Says yes."""

        def do_POST(self) -> None:
            """One message."""
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    def __init__(self) -> None:
        super().__init__(("10.86.0.1", 0), self.Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Use:
    """A station whose plugins somebody uses."""

    def __init__(self, running: Station) -> None:
        os.environ |= {"EVERPX_DATA": str(running.places.data), "EVERPX_RUN": str(running.places.run)}
        self.running, self.here = running, running.places
        self.db, self.broker = Database(self.here.database), SocketBroker(self.here.broker_socket)

    def done(self) -> None:
        """Nothing waits or runs any more; the database belongs to its user."""
        give_back(self.running.data)
        wait_for(lambda: not self._active(), 120)

    def _active(self) -> bool:
        with self.db.reading() as session:
            return bool(session.scalar(select(Job.id).where(Job.state.in_(ACTIVE)).limit(1)))

    def switch(self, on: bool) -> None:
        """All of them; for the next start."""
        with self.db.writing() as session:
            for name in PLUGINS:
                plugin.switch(session, name, on=on)
        self.done()

    def cold(self) -> int:
        """A second drive, for the copy."""
        wait_for(lambda: any(d.model == "Green-drive" for d in inventory.load(self.here).found))
        device = next(d for d in inventory.load(self.here).found if d.model == "Green-drive").device
        with self.db.writing() as session:
            drives.adopt(session, self.here, device=device, role=DriveRole.COLD, name="Green")
        self.done()
        with self.db.reading() as session:
            return session.scalars(select(Drive.id).where(Drive.role == DriveRole.COLD)).one()

    def share(self) -> None:
        """Somebody typed their password, and a television was given a folder."""
        from plugins.nfs import service as nfs
        from plugins.smb import service as smb

        with self.db.writing() as session:
            smb.password_known(session, session.scalars(select(User).order_by(User.id)).first(), PASSWORD)
        self.done()
        with self.db.writing() as session:
            device = nfs.add(session, By(), name="Television", address="10.86.0.20")
            room = next(room for room in nfs.rooms(session, self.here) if room.folder == "Family")
            nfs.allow(session, self.broker, self.here, By(), device.id, {room.key: "see"})
        self.done()

    def plug(self, drive_id: int) -> None:
        """The COLD drive hangs on a plug; it is gone as long as the plug is off."""
        from plugins.smart_plugs import service
        from tests.component.plugs.relay import Relay
        from tests.component.plugs.web_plugs import ShellyPlug

        relay = Relay(plug=lambda: self.move("plug"), pull=lambda: self.move("unplug"), on=True)
        plug = ShellyPlug(relay, "127.0.0.1", 0)
        Path(os.environ["EVERPX_TEST_PLUGS"]).write_text(f"127.0.0.1:{plug.port}\n")
        form = {"kind": "shelly", "host": "127.0.0.1", "port": str(plug.port)}
        with self.db.writing() as session:
            job_id = service.start_look_at(session, form).id
        self.done()
        wait_for(lambda: self._rests(drive_id), 90)
        with self.db.writing() as session:
            service.assign(session, service.add_found(session, job_id, 0).id, {drive_id})
        self.done()

    def _rests(self, drive_id: int) -> bool:
        with self.db.reading() as session:
            return session.get_one(Drive, drive_id).power_state in (PowerState.OFF, PowerState.UNMOUNTED)

    def move(self, action: str) -> None:
        """Plug the COLD drive in, or pull it."""
        words = ["-m", "appliance.station", "--data", str(self.running.data), action, "Green-drive"]
        subprocess.run([Path(psutil.Process().exe()), *words], check=True, capture_output=True, timeout=60)

    def messages(self) -> None:
        """A channel, and a message on it."""
        from plugins.notify import service
        from plugins.notify.ways import WAYS

        address = f"http://10.86.0.1:{Answering().server_port}/hook"
        with self.db.writing() as session:
            user = session.scalars(select(User).order_by(User.id)).first()
            form = {"address": address, "secret": "0123456789abcdef", "least": "notice", "solved": "on"}
            row = service.save(session, self.here, By(), user, WAYS["webhook"], form, None)
            service.test(session, user, row.id)
        self.done()


def look_at(running: Station, pages: list[str]) -> None:
    """Open pages; what a station compiles for them it keeps for its next start."""
    running.headers = signed_in(running)
    for page in pages:
        running.get(page)


def rest(running: Station) -> None:
    """Until the worker has had no child for a while."""
    (worker,) = (one for one in running.processes() if "appliance.jobs.worker" in " ".join(one.cmdline()))
    quiet = time.monotonic()
    end = quiet + 180
    while time.monotonic() - quiet < QUIET_S:
        if worker.children():
            quiet = time.monotonic()
        if time.monotonic() > end:
            raise TimeoutError("the station does not come to rest")
        time.sleep(0.2)


def measure(running: Station, pages: list[str], what: str) -> float:
    """Open pages, wait, and take the memory of the three; what is kept beside them is told apart."""
    look_at(running, pages)
    rest(running)
    core = main_processes(running)
    front = [one for one in running.processes() if one not in core]
    for process in core:
        note("idle_plugins", f"{what}: {' '.join(process.cmdline())[-40:]}", pss_mib=round(pss([process]) / MIB, 1))
    kept: dict[str, list[psutil.Process]] = {}
    for process in front:
        kept.setdefault(process.name(), []).append(process)
    beside = {
        name: round(pss_alone(group, [one for one in [*core, *front] if one not in group]) / MIB, 1)
        for name, group in sorted(kept.items())
    }
    note("idle_plugins", f"{what}: programs beside them", mib=beside)
    return pss_alone(core, front) / MIB


def main() -> None:
    """Off, on, and the difference."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--work", type=Path, default=Path("/var/tmp/everpx-bench"))
    work = options.parse_args().work / "idle-plugins"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    os.environ["EVERPX_TEST_PLUGS"] = str(work / "test-plugs")
    own_network()
    try:
        with station(work / "station", drive_size="1G", listen="0.0.0.0") as running:
            hand_over(running)
            look_at(running, [*PAGES])
            use = Use(running)
            cold = use.cold()
            use.switch(on=False)
        with station(work / "station", drive_size="1G", listen="0.0.0.0") as running:
            without = measure(running, [*PAGES], "off")
            Use(running).switch(on=True)
        with station(work / "station", drive_size="1G", listen="0.0.0.0") as running:
            use = Use(running)
            look_at(running, PLUGIN_PAGES)
            use.messages()
            use.share()
            use.plug(cold)
        with station(work / "station", drive_size="1G", listen="0.0.0.0") as running:
            every = measure(running, [*PAGES, *PLUGIN_PAGES], "on")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    note("idle_plugins", "console, worker and broker", off_mib=round(without, 1), on_mib=round(every, 1))
    more = every - without
    what = "five plugins, in console + worker + broker"
    result("idle_plugins", what, value=round(more, 1), unit="MiB PSS", target="<= 28.6", ok=more <= TARGET_MIB)


if __name__ == "__main__":
    main()
