"""A whole station behind nginx with a HOT drive, one owner and a device password: what real sync clients talk to."""

import http.client
import os
import signal
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from appliance.db import Database
from appliance.drives import inventory
from appliance.drives import service as drives
from appliance.drives.models import DriveRole
from appliance.identity import load
from appliance.people import device_passwords, service
from appliance.people.audit import By
from appliance.people.models import User
from appliance.places import Places
from appliance.station.home import run_folder
from appliance.web.service import shelves
from tests.callers import PASSWORD
from tests.component.front_door import wait_for
from tests.component.test_station import Launched, station


@dataclass
class PhoneStation:
    """What a client needs to know, and what a test looks at."""

    launched: Launched
    places: Places
    drive: Path
    password: str
    name: str = "Anna"

    @property
    def url(self) -> str:
        """Of the station."""
        return f"http://127.0.0.1:{self.launched.port}"

    @property
    def files(self) -> Path:
        """The person's folder on the drive."""
        return self.drive / self.name

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> int:
        """The status of a request as this device."""
        shown = b64encode(f"{self.name}:{self.password}".encode()).decode()
        given = {"Authorization": f"Basic {shown}"} | {name.replace("_", "-"): text for name, text in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.launched.port, timeout=60)
        try:
            connection.request(method, path, body or None, given)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def kill_console(self) -> None:
        """As a crash would; it is started again by itself."""
        os.kill(self.launched.children()["console.serve"], signal.SIGKILL)


@contextmanager
def phone_station(data: Path, *more: str) -> Iterator[PhoneStation]:
    """Started, claimed, one drive handed over; all gone at the end."""
    with station(data, *more) as launched:
        code = next(line.split()[-1] for line in launched.words.splitlines() if line.startswith("Claim code"))
        places = Places(data, run_folder(data, os.geteuid()))
        db = Database(places.database)
        with db.writing() as session:
            service.claim(session, load(places), code, "Anna", PASSWORD, "127.0.0.1")
        with db.writing() as session:
            user = session.scalars(select(User)).one()
            text = device_passwords.create(session, By(), user, "A test")[1]
        wait_for(lambda: any(d.model == "Blue-drive" for d in inventory.load(places).found), 30)
        drive = next(d for d in inventory.load(places).found if d.model == "Blue-drive")
        with db.writing() as session:
            drives.adopt(session, places, device=drive.device, role=DriveRole.HOT, name="Blue")
        db.close()
        _give_back(data)
        wait_for(lambda: any(s.uploads for s in shelves(places.mounts)), 60)
        wait_for(lambda: "/remote.php/" in (places.run / "nginx" / "nginx.conf").read_text(), 90)
        top = next(s.path for s in shelves(places.mounts) if s.uploads)
        yield PhoneStation(launched, places, top, text)


def _give_back(data: Path) -> None:
    """What root wrote beside the database belongs to the station's user."""
    owner = data.stat()
    for path in data.glob("everpx.db*"):
        os.chown(path, owner.st_uid, owner.st_gid)
