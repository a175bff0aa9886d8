"""Who finds what over SMB, with odd names, and with less rights in one folder: the real Samba, and rows."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import smbclient

from appliance.broker.protocol import build
from appliance.errors import Invalid
from appliance.people import service as people
from appliance.people.audit import By
from appliance.places import Places
from appliance.station.processes import Supervisor
from plugins.smb import self_test, service, wanted
from plugins.smb.facts import Apply
from plugins.smb.models import Level
from tests.component.drive_station import Station
from tests.component.guest_house import guest_house
from tests.component.sharing import Sharing, shared_station, short_places

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


def test_who_may_do_less_in_one_folder_does_not_reach_it_through_family(sharing: Sharing) -> None:
    bob = sharing.user("Bob Müller")
    with sharing.db.writing() as session:
        music, taxes = (service.add_folder(session, sharing.places, name).id for name in ("Music", "Taxes"))
        service.allow(session, {(bob.id, taxes): Level.NOTHING, (bob.id, music): Level.SEE})
    sharing.settle()
    (sharing.top / "Family/Taxes/bill.txt").write_text("1000")
    (sharing.top / "Family/Music/song.txt").write_text("la")
    assert sharing.shares("Anna") == {"Anna", "Family", "Music", "Taxes"}
    assert sharing.shares("Bob Müller") == {"Bob Müller", "Family for Bob Müller", "Music"}
    assert "bill.txt" in sharing.client("Family", "Anna", r"ls Taxes\*")[1]
    code, said = sharing.client("Family for Bob Müller", "Bob Müller", r"put /etc/hostname b.txt; ls; ls Taxes\*")
    assert code != 0 and "b.txt" in said and "Music" not in said and "bill.txt" not in said, said
    assert (sharing.top / "Family/b.txt").exists()
    code, said = sharing.client("Music", "Bob Müller", "ls; put /etc/hostname x.txt")
    assert "song.txt" in said and code != 0
    assert sharing.client("Taxes", "Bob Müller", "ls")[0] != 0
    assert sharing.client("Family", "Bob Müller", "ls")[0] != 0
    with sharing.db.writing() as session:  # alike again: one share for both
        service.allow(session, {(bob.id, taxes): Level.CHANGE, (bob.id, music): Level.CHANGE})
    sharing.settle()
    assert sharing.shares("Bob Müller") == {"Bob Müller", "Family", "Music", "Taxes"}
    assert len(self_test.run(sharing.places, sharing.port)) == 5


def test_names_that_would_be_two_of_one_or_too_much_for_samba_stop_nothing(sharing: Sharing) -> None:
    with sharing.db.writing() as session:
        for name in ("Family", "everpx-1", "Time Machine Anna", "Ömer 🐻 ÅÄ", "100% $HOME"):
            people.add(session, By(None, ""), name=name, password="acht grüne Kannen")
        service.give_room(session, sharing.user("Anna").id, 0)
        for name in ("Musik 🎵", "Family for Anna", "x" * 64, "音" * 64):
            service.add_folder(session, sharing.places, name)
        odd = ("🎵" * 64, "x" * 65, "a/b", "..", "con", "trailing.", "\ud800", "\u202egpj", "%U", "Anna")
        for name in odd:
            with pytest.raises(Invalid):
                service.add_folder(session, sharing.places, name)
    sharing.settle()
    words = {"Ömer 🐻 ÅÄ": "acht grüne Kannen", "Family": "acht grüne Kannen"}
    code, said = sharing.client("Ömer 🐻 ÅÄ", "Ömer 🐻 ÅÄ", "put /etc/hostname x.txt", words["Ömer 🐻 ÅÄ"])
    assert code == 0, said
    known = {"username": "Ömer 🐻 ÅÄ", "password": words["Ömer 🐻 ÅÄ"], "port": sharing.port}
    with smbclient.open_file("//127.0.0.1/Musik 🎵/la 🎶.txt", mode="w", **known) as out:
        out.write("la")
    assert (sharing.top / "Family/Musik 🎵/la 🎶.txt").read_text() == "la"
    assert "音" * 64 in sharing.shares("Anna")
    assert sharing.client("Family", "Family", "ls", words["Family"])[0] == 0
    assert sharing.client("Anna", "Anna", "ls")[0] == 0
    assert "everpx-1" not in {account.name for account in _asked(sharing).accounts}


def _asked(sharing: Sharing) -> Apply:
    with sharing.db.reading() as session:
        return build(Apply, json.loads(json.dumps(wanted.request(session, sharing.places))))


def test_a_folder_that_is_there_keeps_its_capitals(sharing: Sharing) -> None:
    (sharing.top / "Family/photos").mkdir()
    with sharing.db.writing() as session:
        assert service.add_folder(session, sharing.places, "Photos").name == "photos"
        with pytest.raises(Invalid):
            service.add_folder(session, sharing.places, "PHOTOS")
    (sharing.top / "Family/Sounds").mkdir()
    (sharing.top / "Family/sounds").mkdir()
    for name in ("Sounds", "sounds"):
        (sharing.top / "Family" / name / f"{name}.txt").write_text(name)
    sharing.settle()
    assert {path.name for path in (sharing.top / "Family").iterdir()} == {"photos", "Sounds", "sounds"}
    for name in ("Sounds", "sounds"):
        assert f"{name}.txt" in sharing.client("Family", "Anna", rf"ls {name}\*")[1]
