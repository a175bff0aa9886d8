"""Windows and Mac sharing: the real Samba as root configures it, asked by Samba's client and by smbprotocol."""

import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import smbclient
from smbprotocol.exceptions import SMBException, SMBOSError, SMBResponseException
from sqlalchemy import select

from appliance.broker import services
from appliance.broker.client import Refusal
from appliance.drives.mounts import hot_mounts
from appliance.errors import NotFound
from appliance.jobs import standing
from appliance.jobs.models import Job, JobState
from appliance.library import bin as bins
from appliance.library import folders
from appliance.library.models import BinnedFile, StoredFile
from appliance.people import service as people
from appliance.people.audit import By
from appliance.people.models import User
from appliance.places import Places
from appliance.station.processes import Supervisor
from plugins.nfs import service as nfs
from plugins.smb import deleted, self_test, service
from plugins.smb.models import Level
from plugins.smb.privileged import CHECKER
from tests.component.drive_station import Station
from tests.component.guest_house import guest_house
from tests.component.health_page import HealthPage
from tests.component.samba import listens
from tests.component.sharing import WORDS, Sharing, shared_station, short_places
from tests.component.smb_bed import until
from tests.photos import jpeg

pytestmark = pytest.mark.component


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    with short_places(tmp_path, monkeypatch) as here:
        yield here


@pytest.fixture
def house(places: Places, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    with guest_house(places.run, monkeypatch) as supervisor:
        yield supervisor


@pytest.fixture
def sharing(
    house: Supervisor, station: Station, quick_passwords: None, program: Callable[[str], str]
) -> Iterator[Sharing]:
    with shared_station(station, program) as here:
        yield here


def test_each_finds_their_own_folder_and_the_familys_and_what_is_written_is_there(sharing: Sharing) -> None:
    assert sharing.shares("Anna") == {"Anna", "Family"}
    assert sharing.shares("Bob Müller") == {"Bob Müller", "Family"}
    content = os.urandom(3_000_000)
    (sharing.places.run / "in.bin").write_bytes(content)
    code, said = sharing.client("Anna", "Anna", f"put {sharing.places.run}/in.bin Ferien.bin")
    assert code == 0, said
    stored = sharing.top / "Anna/Ferien.bin"
    assert hashlib.sha256(stored.read_bytes()).digest() == hashlib.sha256(content).digest()
    assert stored.owner() == "nobody" and stored.stat().st_mode & 0o777 == 0o644
    assert sharing.client("Anna", "Bob Müller", "ls")[0] != 0
    assert "LOGON_FAILURE" in sharing.client("Family", "Anna", "ls", "eighteen green kettles")[1]
    code, said = sharing.client("Family", "%", "ls", "%")
    assert code != 0


def test_three_words_decide_for_both_clients_alike_and_at_once(sharing: Sharing) -> None:
    bob = sharing.user("Bob Müller")
    known = {"username": "Bob Müller", "password": WORDS["Bob Müller"], "port": sharing.port}
    share = r"\\127.0.0.1\Family"
    (sharing.top / "Family/hello.txt").write_text("hello")
    for level in (Level.SEE, Level.NOTHING, Level.CHANGE):
        with sharing.db.writing() as session:
            service.allow(session, {(bob.id, None): level})
        sharing.settle()
        may_see, may_change = level is not Level.NOTHING, level is Level.CHANGE
        assert ("Family" in sharing.shares("Bob Müller")) == may_see
        code, said = sharing.client("Family", "Bob Müller", "ls; put /etc/hostname bob.txt")
        assert ("hello.txt" in said) == may_see and (code == 0) == may_change
        smbclient.reset_connection_cache(fail_on_error=False)
        try:
            assert ("hello.txt" in smbclient.listdir(share, **known)) == may_see
        except (SMBOSError, SMBResponseException):
            assert not may_see
        try:
            with smbclient.open_file(rf"{share}\by-program.txt", mode="w", **known) as out:
                out.write("x")
            assert may_change
        except (SMBOSError, SMBResponseException):
            assert not may_change
    smbclient.reset_connection_cache(fail_on_error=False)


def test_the_self_test_does_what_a_computer_does_and_names_the_step_that_fails(sharing: Sharing) -> None:
    assert len(self_test.run(sharing.places, sharing.port)) == 5
    assert [path.name for path in (sharing.top / "Family").iterdir()] == []
    (sharing.top / "Family").chmod(0o500)
    with pytest.raises(self_test.SelfTestFailed, match="writing"):
        self_test.run(sharing.places, sharing.port)
    (sharing.top / "Family").chmod(0o755)
    assert len(self_test.run(sharing.places, sharing.port)) == 5
    sharing.station.root("services.only", {"plugins": ""})
    with pytest.raises(self_test.SelfTestFailed, match="signing in"):
        self_test.run(sharing.places, sharing.port)


def test_messages_are_signed_and_old_dialects_are_refused(sharing: Sharing) -> None:
    words = ["testparm", "-s", str(services.folder() / "smb/smb.conf")]
    config = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True).stdout
    assert "server signing = required" in config and "server min protocol = SMB3" in config
    where = ["//127.0.0.1/Family", "-p", str(sharing.port), "-U", f"Anna%{WORDS['Anna']}"]
    words = ["smbclient", *where, "-m", "SMB2", "-c", "ls"]
    assert subprocess.run(words, capture_output=True, timeout=60, check=False).returncode != 0
    session = smbclient.register_session(
        "127.0.0.1", username="Anna", password=WORDS["Anna"], port=sharing.port, require_signing=True
    )
    assert session.signing_required
    smbclient.reset_connection_cache(fail_on_error=False)


def test_a_new_password_and_a_person_kept_out_hold_for_the_shares_too(sharing: Sharing) -> None:
    admin = sharing.user("Anna")
    with sharing.db.writing() as session:
        bob = session.get_one(User, sharing.user("Bob Müller").id)
        people.reset_password(session, By(admin.id, ""), bob, "neun rote Tassen")
    sharing.settle()
    assert "LOGON_FAILURE" in sharing.client("Family", "Bob Müller", "ls")[1]
    assert sharing.client("Family", "Bob Müller", "ls", "neun rote Tassen")[0] == 0
    with sharing.db.writing() as session:
        # Anna is the first, but members were added: somebody has to be an admin for Bob to be kept out
        people.disable(session, By(admin.id, ""), session.get_one(User, bob.id))
        settling = session.scalars(select(Job).where(Job.kind == service.SETTLE)).one()
    sharing.station.run(settling)
    with sharing.db.reading() as session:
        told = select(Job).where(Job.kind == "health.settle_services")
        assert session.scalars(told).first() is not None, "whoever announces shares hears of it"
    assert "LOGON_FAILURE" in sharing.client("Family", "Bob Müller", "ls", "neun rote Tassen")[1]


def test_what_is_deleted_on_a_computer_is_in_the_bin_and_comes_back(sharing: Sharing) -> None:
    folder = sharing.top / "Anna/Holiday"
    folder.mkdir()
    (folder / "beach.txt").write_text("sand")
    os.chown(folder, *_ids(sharing.top / "Anna"))
    os.chown(folder / "beach.txt", *_ids(sharing.top / "Anna"))
    code, said = sharing.client("Anna", "Anna", r"cd Holiday; del beach.txt; cd ..; rmdir Holiday")
    assert code == 0, said
    assert not folder.exists()
    assert deleted.gather(sharing.db, sharing.places) == 1
    assert not (sharing.top / "Anna/.everpx-deleted").exists()
    with sharing.db.reading() as session:
        row = session.scalars(select(BinnedFile)).one()
        mount = hot_mounts(session, sharing.places)[0]
    assert (row.path, row.user_id, row.binned_by) == (b"Anna/Holiday/beach.txt", sharing.user("Anna").id, None)
    assert (sharing.top / os.fsdecode(row.stored_as)).read_text() == "sand"
    assert bins.bring_back(sharing.db, mount, row).path == b"Anna/Holiday/beach.txt"
    assert (folder / "beach.txt").read_text() == "sand"
    assert deleted.gather(sharing.db, sharing.places) == 0


def _ids(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_uid, facts.st_gid


def test_a_pulled_drive_takes_its_shares_along_and_nothing_is_written_beneath(sharing: Sharing) -> None:
    sharing.station.loops.pull("hot")
    sharing.station.settle()
    sharing.settle()
    until(lambda: sharing.shares("Anna") == set())
    code, said = sharing.client("Anna", "Anna", "put /etc/hostname lost.txt")
    assert code != 0 and "BAD_NETWORK_NAME" in said
    assert not os.path.ismount(sharing.top) and list(sharing.top.iterdir()) == []
    sharing.station.loops.plug("hot")
    sharing.station.settle()
    sharing.settle()
    assert sharing.client("Anna", "Anna", "put /etc/hostname found.txt")[0] == 0
    assert (sharing.top / "Anna/found.txt").exists()


def test_a_drive_is_let_go_of_although_a_client_has_a_file_open(sharing: Sharing) -> None:
    known = {"username": "Anna", "password": WORDS["Anna"], "port": sharing.port}
    out = smbclient.open_file(r"\\127.0.0.1\Anna\open.txt", mode="w", **known)
    out.write("still open")
    out.flush()
    sharing.station.root("drives.unmount", {"tag": sharing.drive.tag})
    assert not os.path.ismount(sharing.top)
    with pytest.raises((SMBOSError, SMBException)):
        out.write("more")
        out.close()
    smbclient.reset_connection_cache(fail_on_error=False)


def test_a_configuration_that_samba_refuses_changes_nothing(sharing: Sharing, monkeypatch: pytest.MonkeyPatch) -> None:
    from plugins.smb import privileged

    home = services.folder() / "smb"
    before = (home / "smb.conf").read_text()
    with pytest.raises(privileged.BadConfiguration):
        privileged._put_in_force(home, "[global]\n server role = emperor\n include = \n[x]\n path\n")
    assert (home / "smb.conf").read_text() == before
    assert sharing.client("Anna", "Anna", "ls")[0] == 0


def test_killed_it_serves_again(sharing: Sharing, house: Supervisor) -> None:
    first = house.running["smbd"].process
    first.kill()
    until(lambda: "smbd" in house.running and house.running["smbd"].process.pid != first.pid)
    until(lambda: listens(sharing.port))
    assert sharing.client("Anna", "Anna", "ls")[0] == 0


@pytest.mark.finding("smb_stopped", "smb_self_test", "service_down", "smb_name")
def test_what_is_wrong_with_it_is_on_the_health_page_with_a_button_that_helps(
    sharing: Sharing, house: Supervisor, health_page: HealthPage
) -> None:
    with sharing.db.writing() as session:
        bob = session.scalars(select(User).where(User.name == "Bob Müller")).one()
        bob.name = "Bob: the great"  # as a program of long ago took it
    (sharing.top / "Family").chmod(0o500)
    assert {"smb_name", "smb_self_test"} <= set(health_page.look())
    with sharing.db.writing() as session:
        session.get_one(User, bob.id).name = "Bob Müller"
    (sharing.top / "Family").chmod(0o755)
    health_page.no_longer("smb_name", "smb_self_test")
    end = time.monotonic() + 60
    while "smbd" in house.running and time.monotonic() < end:  # until the launcher gives up
        house.running["smbd"].process.kill()
        time.sleep(0.05)
    cards = health_page.look()
    assert {"smb_stopped", "smb_self_test", "service_down"} <= set(cards)
    health_page.press(cards["service_down"])
    until(lambda: listens(sharing.port))
    health_page.no_longer("smb_stopped", "smb_self_test", "service_down")


def test_a_mac_has_room_up_to_its_limit(sharing: Sharing) -> None:
    with sharing.db.writing() as session:
        service.give_room(session, sharing.user("Anna").id, 700)
    sharing.settle()
    assert sharing.shares("Anna") == {"Anna", "Family", "Time Machine Anna"}
    assert sharing.shares("Bob Müller") == {"Bob Müller", "Family"}
    said = subprocess.run(
        ["testparm", "-s", "--section-name=Time Machine Anna", str(services.folder() / "smb/smb.conf")],
        capture_output=True, text=True, timeout=30, check=True,
    ).stdout  # fmt: skip
    assert "fruit:time machine = yes" in said and "fruit:time machine max size = 700G" in said
    assert sharing.client("Time Machine Anna", "Anna", "mkdir Mac.sparsebundle")[0] == 0
    assert (sharing.top / "Backups of Macs/Anna/Mac.sparsebundle").is_dir()
    assert "Time Machine" not in sharing.client("Anna", "Anna", "ls")[1]


def test_a_macs_backup_is_nobodys_file(sharing: Sharing) -> None:
    """No rows, no photos although a band may look like one, nothing under Files, in WebDAV or for NFS."""
    with sharing.db.writing() as session:
        service.give_room(session, sharing.user("Anna").id, 0)
    sharing.settle()
    band = sharing.places.run / "band"
    band.write_bytes(jpeg(1))
    bands = r"mkdir Mac.sparsebundle; mkdir Mac.sparsebundle\bands"
    code, said = sharing.client("Time Machine Anna", "Anna", rf"{bands}; put {band} Mac.sparsebundle\bands\0.jpg")
    assert code == 0, said
    assert (sharing.top / "Backups of Macs/Anna/Mac.sparsebundle/bands/0.jpg").exists()
    assert sharing.client("Anna", "Anna", f"put {band} real.jpg")[0] == 0
    with sharing.db.writing() as session:
        job = standing.start_index_now(session)
    assert sharing.station.run(job).state is JobState.DONE
    with sharing.db.reading() as session:
        assert session.scalars(select(StoredFile.name)).all() == [b"real.jpg"]
        mounts = hot_mounts(session, sharing.places)
        assert {place.path for place in folders.starts(sharing.user("Anna"), mounts)} == {b"Anna", b"Family"}
        assert {room.folder for room in nfs.rooms(session, sharing.places)} >= {"Anna", "Family"}
        assert "Backups of Macs" not in {room.folder for room in nfs.rooms(session, sharing.places)}
    with pytest.raises(NotFound):
        folders.reached(sharing.user("Anna"), mounts, "HOT-1", b"Backups of Macs/Anna")


@pytest.mark.parametrize(
    "change",
    [
        {"shares": [{"name": "global", "tag": "HOT-1", "folder": "Anna"}]},
        {"shares": [{"name": "a]\n path = /etc\n[b", "tag": "HOT-1", "folder": "Anna"}]},
        {"shares": [{"name": "a", "tag": "HOT-1", "folder": "../../etc"}]},
        {"shares": [{"name": "a", "tag": "HOT-1", "folder": "Anna\n path = /etc"}]},
        {"shares": [{"name": "a", "tag": "HOT-1", "folder": "/etc"}]},
        {"shares": [{"name": "a", "tag": "HOT-1", "folder": ".everpx/station"}]},
        {"shares": [{"name": "a", "tag": "../x", "folder": "Anna"}]},
        {"shares": [{"name": "a", "tag": "HOT-1", "folder": "Anna", "changing": [99]}]},
        {"accounts": [{"number": 0, "name": "root\n", "nt_hash": "0" * 32}]},
        {"accounts": [{"number": 1, "name": "x", "nt_hash": "0" * 31 + ":"}]},
        {"accounts": [{"number": -1, "name": "x", "nt_hash": "0" * 32}]},
        {"port": 0},
    ],
)
def test_root_does_not_trust_the_console(sharing: Sharing, change: dict[str, object]) -> None:
    request = {"accounts": [], "shares": [], "port": sharing.port} | change
    with pytest.raises(Refusal):
        sharing.station.root("smb.apply", request)
    assert sharing.client("Anna", "Anna", "ls")[0] == 0
    assert CHECKER == 0
