"""The probe of a version on trial, asking a launched station: what works is let pass, what does not is named."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from appliance.db import Database
from appliance.drives.layout import PRIVATE
from appliance.events import Event
from appliance.library.models import Media
from appliance.people.models import ApiToken, SignIn, User
from appliance.upgrade import trial
from plugins.upgrade import account, standing
from tests.component.loop_drives import until
from tests.component.phone_station import PhoneStation, phone_station
from tests.photos import jpeg
from tests.root import need_root

pytestmark = pytest.mark.component


class Bed:
    """A station as it stands on trial."""

    def __init__(self, station: PhoneStation) -> None:
        self.station, self.places = station, station.places
        self.db, self.owner = Database(self.places.database), self.places.data.stat()
        self.environment = os.environ | {
            "EVERPX_DATA": str(self.places.data), "EVERPX_RUN": str(self.places.run),
            "EVERPX_LISTEN": f"127.0.0.1:{station.launched.port}",
        }  # fmt: skip

    def start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "plugins.upgrade.probe"],
            env=self.environment, stdout=subprocess.PIPE, text=True, user=self.owner.st_uid, group=self.owner.st_gid,
        )  # fmt: skip

    def says(self) -> str:
        """Its sentence, "" when all is well."""
        asked = self.start()
        said, _ = asked.communicate(timeout=120)
        assert asked.returncode == (1 if said else 0)
        return said.strip()

    def traces(self) -> list[int]:
        """Accounts, keys, sign-ins and events."""
        with self.db.reading() as session:
            counted = [session.scalar(select(func.count()).select_from(one)) for one in (User, ApiToken, SignIn, Event)]
        return [int(one or 0) for one in counted]

    def note(self, **changes: str) -> None:
        """How things stand before a restart, as the station's own user leaves it."""
        with self.db.writing() as session:
            standing.note(session, self.places)
        noted = self.places.data / "upgrade" / standing.NAME
        for was, becomes in changes.items():
            noted.write_text(noted.read_text().replace(was.replace("_", "-"), becomes))
        for path in (noted.parent, noted):
            os.chown(path, self.owner.st_uid, self.owner.st_gid)

    def kill(self, word: str) -> int:
        """Stop the launcher's care, then a part of it; what has to be started again."""
        os.kill(self.station.launched.process.pid, signal.SIGSTOP)
        pid = self.station.launched.children()[word]
        os.kill(pid, signal.SIGKILL)
        return pid

    def go_on(self) -> None:
        os.kill(self.station.launched.process.pid, signal.SIGCONT)


@pytest.fixture
def bed(program: Callable[[str], str]) -> Iterator[Bed]:
    need_root()
    program("nginx")
    data = Path(tempfile.mkdtemp(prefix="everpx-", dir="/var/tmp"))
    data.chmod(0o755)
    with phone_station(data) as station:
        made = Bed(station)
        try:
            yield made
        finally:
            made.go_on()
            made.db.close()
    shutil.rmtree(data)


def test_what_works_is_let_pass_and_leaves_no_trace(bed: Bed) -> None:
    before = bed.traces()
    assert bed.says() == ""
    assert bed.station.ask("PUT", "/remote.php/dav/files/Anna/a.jpg", jpeg(1)) in (201, 204)
    until(lambda: _photos(bed))
    bed.note()
    after_photo = bed.traces()
    trial.begin(bed.places)  # now everybody else is refused to change anything
    try:
        assert bed.station.ask("PUT", "/remote.php/dav/files/Anna/b.jpg", jpeg(2)) == 503
        assert bed.says() == ""
    finally:
        trial.end(bed.places)
    assert bed.traces()[:3] == after_photo[:3] == [before[0], before[1], before[2]]
    assert not (bed.station.drive / PRIVATE / "upgrade-probe").exists()
    with bed.db.reading() as session:
        assert not [one for one in session.scalars(select(Event)) if "Everpx check" in str(one.message)]


def _photos(bed: Bed) -> int:
    with bed.db.reading() as session:
        return int(session.scalar(select(func.count()).select_from(Media)) or 0)


def test_what_does_not_work_is_named(bed: Bed) -> None:
    bed.note()
    assert standing.before(bed.places).drives == ("HOT-1",)
    subprocess.run(["mount", "-o", "remount,ro", str(bed.station.drive)], check=True, timeout=30)
    try:
        assert "nothing can be stored on the drive HOT-1" in bed.says()
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(bed.station.drive)], check=True, timeout=30)
    bed.kill("console.serve")
    assert "nobody can sign in" in bed.says()
    bed.go_on()
    until(lambda: bed.says() == "")
    bed.note(HOT_1="HOT-2")  # one that was here before the restart
    assert bed.says() == "the drive HOT-2 is no longer here."


def test_an_asking_that_was_cut_off_leaves_nothing_for_the_next(bed: Bed) -> None:
    before = bed.traces()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a door that never answers
        bed.environment["EVERPX_LISTEN"] = f"127.0.0.1:{silent.getsockname()[1]}"
        asked = bed.start()
        until(lambda: bed.traces()[0] > before[0])
        asked.kill()
        asked.communicate(timeout=10)
    assert bed.traces()[0] == before[0] + 1
    with bed.db.reading() as session:
        left = session.scalars(select(User).where(User.folder.startswith(account.MARK))).one()
        assert left.role == "member"
    bed.environment["EVERPX_LISTEN"] = f"127.0.0.1:{bed.station.launched.port}"
    assert bed.says() == ""
    assert bed.traces()[:3] == before[:3]
