"""A station that shares its drive with Windows and Macs: real Samba, real drive, rows instead of facts."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from appliance import plugin
from appliance.drives.models import Drive
from appliance.people import service as people
from appliance.people.audit import By
from appliance.people.models import User
from appliance.places import Places
from plugins.smb import service
from tests.component.drive_station import Station
from tests.component.loop_drives import USER, let_others_pass
from tests.component.samba import free_port, listens
from tests.component.smb_bed import until

WORDS = {"Anna": "seventeen green kettles", "Bob Müller": "acht blaue Kannen"}


class Sharing:
    """A station with a HOT drive, Anna (admin) and Bob, and sharing switched on."""

    def __init__(self, station: Station, drive: Drive, port: int) -> None:
        self.station, self.db, self.places, self.drive, self.port = station, station.db, station.places, drive, port
        self.top = self.places.mounts / drive.tag

    def settle(self) -> None:
        """What the worker does after every change."""
        with self.db.reading() as session:
            service.settle(session, self.station.root, self.places)
        for folder in self.top.glob("*") if self.top.is_dir() else ():
            if folder.is_dir() and folder.name != "lost+found":  # the worker is not root, this process is
                subprocess.run(["chown", "-R", f"{USER}:", str(folder)], check=True, timeout=30)

    def user(self, name: str) -> User:
        with self.db.reading() as session:
            return session.scalars(select(User).where(User.name == name)).one()

    def client(self, share: str, name: str, commands: str, password: str = "") -> tuple[int, str]:
        """Samba's own client."""
        sign_in = f"{name}%{password or WORDS[name]}"
        words = ["smbclient", f"//127.0.0.1/{share}", "-p", str(self.port), "-m", "SMB3", "-U", sign_in, "-c", commands]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    def shares(self, name: str) -> set[str]:
        """What somebody finds, by Samba's own client."""
        words = ["smbclient", "-g", "-L", "//127.0.0.1", "-p", str(self.port), "-U", f"{name}%{WORDS[name]}"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        return {line.split("|")[1] for line in done.stdout.splitlines() if line.startswith("Disk|")}


@contextmanager
def short_places(tmp_path: Path, patch: pytest.MonkeyPatch) -> Iterator[Places]:
    """A run folder with a short name: Samba's processes talk through sockets in it, whose names are short."""
    here = Places(data=tmp_path / "data", run=Path(tempfile.mkdtemp(prefix="smb-", dir="/tmp")))
    here.run.chmod(0o755)
    for folder in (here.data, here.mounts):
        folder.mkdir()
    patch.setenv("EVERPX_DATA", str(here.data))
    patch.setenv("EVERPX_RUN", str(here.run))
    yield here
    shutil.rmtree(here.run, ignore_errors=True)


@contextmanager
def shared_station(station: Station, program: Callable[[str], str]) -> Iterator[Sharing]:
    """It is switched on, and answers."""
    for name in ("smbd", "smbclient", "testparm"):
        program(name)
    let_others_pass(station.places.run)
    device = station.loops.make("hot")
    drive = station.erase(device, "ext4")
    station.settle()
    port = free_port()
    with station.db.writing() as session:
        plugin.switch(session, "smb", on=True)
        plugin.configure(session, "smb", {"port": str(port), "only_here": "on"})
    plugin.load(station.db)
    with station.db.writing() as session:
        for name, password in WORDS.items():
            people.add(session, By(None, ""), name=name, password=password)
    here = Sharing(station, drive, port)
    here.settle()
    until(lambda: listens(port))
    yield here
    station.root("services.only", {"plugins": ""})
