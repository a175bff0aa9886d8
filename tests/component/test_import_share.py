"""Another NAS: a real Samba server, read with smbprotocol."""

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from blake3 import blake3

from appliance.db import Database
from appliance.jobs.models import JobState
from appliance.places import Places
from plugins.importer import secrets, service
from plugins.importer.models import FileState, ImportRun
from tests.component.importing import Importing, report
from tests.component.samba import PASSWORD, USER, samba
from tests.folder_root import FolderRoot
from tests.photos import jpeg
from tests.takeouts import GOOGLE, beside, zipped

pytestmark = pytest.mark.component
DAY = datetime(2019, 7, 1, 12)  # noqa: DTZ001 - a camera's clock


class Nas:
    """A station, and another computer with photos."""

    def __init__(self, at: Importing, share: Path, port: int) -> None:
        self.at, self.share, self.port = at, share, port

    def start(
        self, password: str = PASSWORD, share: str = "photos", folder: str = "", *, keep: bool = False
    ) -> ImportRun:
        """Queue a look."""
        wanted = service.from_share("127.0.0.1", share, folder, str(self.port), USER)
        with self.at.db.writing() as session:
            run = service.start_look(session, wanted, self.at.anna.id, asked_by=self.at.anna.id)
            _, source = service.get(session, run.id)
            secrets.remember(self.at.places, source, password, keep=keep)
        return run

    def look(self, folder: str = "") -> ImportRun:
        """The report."""
        run = self.start(folder=folder)
        job = self.at.work(run)
        assert job.state is JobState.DONE, job.error
        return self.at.run(run.id)


@pytest.fixture
def nas(
    db: Database, places: Places, folder_root: FolderRoot, tmp_path: Path, program: Callable[[str], str]
) -> Iterator[Nas]:
    program("smbd")
    share = tmp_path / "share"
    (share / "Summer 2019 ☀").mkdir(parents=True)
    for number in range(5):
        (share / "Summer 2019 ☀" / f"Bild ä {number}.jpg").write_bytes(jpeg(number, DAY))
    large = jpeg(99, DAY) + os.urandom(20 << 20)  # more than one read
    (share / "large.jpg").write_bytes(large)
    (share / "@eaDir").mkdir()
    (share / "@eaDir" / "thumb.jpg").write_bytes(jpeg(500))
    (share / "notes.txt").write_text("hello")
    with samba(tmp_path / "samba", share) as port:
        yield Nas(Importing(db, places, folder_root), share, port)


def test_a_share_is_reported_and_comes_in_once_with_every_byte(nas: Nas) -> None:
    run = nas.look()
    assert report(run) == {"new": 6, "left_out": 1} and nas.at.files() == 0
    assert nas.at.bring(run).result["done"] == 6
    stored = {blake3(path.read_bytes()).digest() for path in (nas.at.hot.path / "Anna").rglob("*.jpg")}
    assert stored == {blake3(path.read_bytes()).digest() for path in nas.share.rglob("*.jpg") if "@" not in str(path)}
    assert any("Bild ä 3.jpg" in name for name in nas.at.names())
    assert secrets.password_of(nas.at.places, source_of(nas, run)) is None  # forgotten with the end
    again = nas.look()
    assert report(again) == {"known": 6, "left_out": 1} and nas.at.bring(again).result["done"] == 0


def test_archives_on_a_share_are_read_where_they_lie(nas: Nas) -> None:
    (nas.share / "Takeout").mkdir()
    year = f"{GOOGLE}/Photos from 2019"
    files = {f"{year}/IMG_{n}.jpg": jpeg(200 + n) for n in range(3)}
    files |= {f"{year}/IMG_{n}.jpg.json": beside(DAY, f"IMG_{n}.jpg") for n in range(3)}
    zipped(nas.share / "Takeout" / "takeout-20260101T000000Z-001.zip", files)
    run = nas.look("Takeout")
    assert report(run) == {"new": 3}
    assert nas.at.bring(run).result["done"] == 3
    assert {media.taken.year for media in nas.at.photos()} == {2019}


def test_a_wrong_password_a_wrong_share_and_nobody_there_are_told_apart(nas: Nas) -> None:
    told = {}
    for name, run in {
        "password": lambda: nas.start("wrong"),
        "share": lambda: nas.start(share="music"),
        "folder": lambda: nas.start(folder="Winter"),
    }.items():
        job = nas.at.work(run())
        told[name] = (job.state, job.error_code)
    nas.port = 9
    told["nobody"] = (nas.at.work(nas.start()).state, "")
    assert told == {
        "password": (JobState.FAILED, "import_not_let_in"),
        "share": (JobState.FAILED, "import_no_such_share"),
        "folder": (JobState.FAILED, "import_no_such_share"),
        "nobody": (JobState.FAILED, ""),
    }


def test_a_password_is_asked_for_again_unless_it_was_kept(nas: Nas) -> None:
    run = nas.start()
    secrets.forget(nas.at.places, run.source_id)  # the station was switched off
    job = nas.at.work(run)
    assert job.error_code == "import_password_needed"
    run = nas.start(keep=True)
    secrets.forget(nas.at.places, run.source_id)
    assert nas.at.work(run).state is JobState.DONE


def test_what_went_since_the_report_is_no_longer_counted(nas: Nas) -> None:
    run = nas.look()
    (nas.share / "large.jpg").unlink()
    nas.at.bring(run)
    with nas.at.db.reading() as session:
        assert service.details(session, run.source_id, FileState.UNREADABLE) == []
    assert len(nas.at.photos()) == 5


def source_of(nas: Nas, run: ImportRun) -> object:
    with nas.at.db.reading() as session:
        return service.get(session, run.id)[1]
