"""The tree that devices see, without nginx: names, etags, moves, the bin, and what a missing drive must never do."""

import unicodedata
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from werkzeug.test import TestResponse

from appliance.db import Database
from appliance.library.models import BinnedFile, Folder, Media, StoredFile
from appliance.library.names import portable_problem
from appliance.people import device_passwords, service
from appliance.people.audit import By
from appliance.people.models import User
from appliance.places import Places
from console import devices
from plugins.webdav.names import BadName, shown, stored
from tests.callers import PASSWORD
from tests.hot_drive import hand_over

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF" + b"\0" * 64 + b"\xff\xd9"


EXCLUSIVE = (
    b'<d:lockinfo xmlns:d="DAV:"><d:lockscope><d:exclusive/></d:lockscope><d:locktype><d:write/></d:locktype>'
    b"</d:lockinfo>"
)


def setting(prop: str) -> bytes:
    """A PROPPATCH that sets one property."""
    around = f'<d:propertyupdate xmlns:d="DAV:"><d:set><d:prop>{prop}</d:prop></d:set></d:propertyupdate>'
    return around.encode()


@given(st.text(min_size=1, max_size=90).filter(lambda text: "/" not in text and "\0" not in text))
def test_a_name_comes_back_as_it_was_and_every_drive_can_hold_it(name: str) -> None:
    try:
        kept = stored(name)
    except BadName:
        return
    assert portable_problem(kept.encode()) is None
    if not any(0xF000 <= ord(c) < 0xF080 for c in name):
        assert shown(kept.encode()) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    "name", ["what?.txt", 'a:b*"<>|\\', "con.txt", "ends. ", "...", ".hidden", "日本？：.txt", "👩‍👩‍👧", "x\ny"]
)
def test_odd_names_are_kept_and_not_changed(name: str) -> None:
    assert shown(stored(name).encode()) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "gpj\u202e.exe", "x" * 256])
def test_names_that_no_drive_can_hold_are_refused(name: str) -> None:
    if name == ".":
        assert stored(name) != "."
        return
    with pytest.raises(BadName):
        stored(name)


@dataclass
class Device:
    """A device of somebody, on the application itself."""

    client: FlaskClient
    name: str
    text: str

    def __call__(self, method: str, path: str, body: bytes = b"", **headers: str) -> TestResponse:
        shown = {"Authorization": "Basic " + b64encode(f"{self.name}:{self.text}".encode()).decode()}
        shown |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.open(path, method=method, data=body, headers=shown, buffered=True)

    def etag(self, path: str) -> str:
        answer = self("PROPFIND", path, Depth="0")
        assert answer.status_code == 207, answer.text
        return next(e.text or "" for e in ElementTree.fromstring(answer.data).iter("{DAV:}getetag"))

    def names(self, path: str) -> list[str]:
        answer = self("PROPFIND", path, Depth="1")
        assert answer.status_code == 207, answer.text
        hrefs = [e.text or "" for e in ElementTree.fromstring(answer.data).iter("{DAV:}href")]
        return sorted(href.removeprefix(path) for href in hrefs if href != path)


@pytest.fixture
def top(db: Database, places: Places, tmp_path: Path) -> Path:
    """A HOT drive."""
    return hand_over(db, places, tmp_path / "hot").path


@pytest.fixture
def device(app: Flask, db: Database, top: Path) -> Callable[[str], Device]:
    """``device("Anna")``: a person and her phone."""
    devices.forget()

    def make(name: str) -> Device:
        with db.writing() as session:
            user = service.add(session, By(), name=name, password=PASSWORD)
            text = device_passwords.create(session, By(), user, "phone")[1]
        return Device(app.test_client(use_cookies=False), name, text)

    return make


@pytest.fixture
def anna(device: Callable[[str], Device]) -> Device:
    return device("Anna")


def test_a_file_arrives_in_the_library_under_its_name(anna: Device, db: Database, top: Path) -> None:
    assert anna("MKCOL", "/dav/Camera").status_code == 201
    sent = anna("PUT", "/dav/Camera/what%3F.jpg", JPEG, X_OC_MTime="1700000000")
    assert sent.status_code == 201, sent.text
    assert sent.headers["OC-ETag"] == anna.etag("/dav/Camera/what%3F.jpg")
    kept = top / "Anna" / "Camera" / "what\uf03f.jpg"
    assert kept.read_bytes() == JPEG and kept.stat().st_mtime == 1_700_000_000
    assert anna("GET", "/dav/Camera/what%3F.jpg").data == JPEG
    with db.reading() as session:
        media = session.scalars(select(Media)).one()
        assert session.get_one(User, media.user_id).name == "Anna"
        assert session.scalars(select(StoredFile.digest)).one() is not None


def test_the_same_bytes_may_lie_at_several_places(anna: Device, db: Database) -> None:
    for name in ("a.jpg", "b.jpg"):
        assert anna("PUT", f"/dav/{name}", JPEG).status_code == 201
    assert anna.names("/dav/") == ["Family/", "a.jpg", "b.jpg"]
    with db.reading() as session:
        assert len(session.scalars(select(Media)).all()) == 2


def test_a_replaced_file_keeps_its_number_and_gets_another_etag(anna: Device, db: Database, top: Path) -> None:
    first = anna("PUT", "/dav/a.txt", b"one", X_OC_MTime="1700000000")
    second = anna("PUT", "/dav/a.txt", b"two", X_OC_MTime="1700000000")
    assert (first.status_code, second.status_code) == (201, 204)
    assert first.headers["OC-FileId"] == second.headers["OC-FileId"]
    assert first.headers["ETag"] != second.headers["ETag"]
    assert (top / "Anna" / "a.txt").read_bytes() == b"two"
    assert anna("PUT", "/dav/a.txt", b"three", If_Match=first.headers["ETag"]).status_code == 412
    assert anna("PUT", "/dav/a.txt", b"three", If_None_Match="*").status_code == 412
    assert (top / "Anna" / "a.txt").read_bytes() == b"two"
    assert list((top / ".everpx" / "incoming").iterdir()) == []


def test_a_photo_that_is_replaced_by_something_else_leaves_the_timeline(anna: Device, db: Database) -> None:
    anna("PUT", "/dav/a.jpg", JPEG)
    anna("PUT", "/dav/a.jpg", b"just words")
    with db.reading() as session:
        assert session.scalars(select(Media)).all() == []


def test_the_etags_of_all_folders_above_change_with_any_change_below(anna: Device) -> None:
    anna("MKCOL", "/dav/a")
    anna("MKCOL", "/dav/a/b")
    anna("MKCOL", "/dav/other")
    folders, seen = ("/dav/", "/dav/a/", "/dav/a/b/"), set()
    aside = anna.etag("/dav/other/")

    def changed() -> None:
        now = tuple(map(anna.etag, folders))
        assert not seen & set(now), "an etag came again"
        seen.update(now)
        assert tuple(map(anna.etag, folders)) == now
        assert anna.etag("/dav/other/") == aside

    changed()
    for method, path, more in (
        ("PUT", "/dav/a/b/x.txt", {}),
        ("PUT", "/dav/a/b/x.txt", {}),
        ("MOVE", "/dav/a/b/x.txt", {"Destination": "/dav/a/b/y.txt"}),
        ("MKCOL", "/dav/a/b/c", {}),
        ("MOVE", "/dav/a/b/c", {"Destination": "/dav/a/b/d"}),
        ("DELETE", "/dav/a/b/d", {}),
        ("DELETE", "/dav/a/b/y.txt", {}),
    ):
        body = str(len(seen)).encode() if method == "PUT" else b""
        assert anna(method, path, body, **more).status_code < 300
        changed()


def test_a_renamed_photo_keeps_its_row_and_its_star(anna: Device, db: Database, top: Path) -> None:
    anna("MKCOL", "/dav/a")
    number = anna("PUT", "/dav/a/1.jpg", JPEG).headers["OC-FileId"]
    star = '<oc:favorite xmlns:oc="http://owncloud.org/ns">1</oc:favorite>'
    assert b"200 OK" in anna("PROPPATCH", "/dav/a/1.jpg", setting(star)).data
    assert anna("MOVE", "/dav/a", Destination="http://localhost/dav/b%20%3F").status_code == 201
    assert anna("PUT", "/dav/b%20%3F/1.jpg", JPEG).headers["OC-FileId"] == number
    with db.reading() as session:
        assert session.scalars(select(Media)).one().favourite
    assert (top / "Anna" / "b \uf03f" / "1.jpg").exists() and not (top / "Anna" / "a").exists()


def test_what_is_deleted_lies_in_the_bin(anna: Device, db: Database, top: Path) -> None:
    anna("MKCOL", "/dav/a")
    anna("PUT", "/dav/a/1.jpg", JPEG)
    assert anna("DELETE", "/dav/a/").status_code == 204
    assert anna("PROPFIND", "/dav/a/", Depth="0").status_code == 404
    with db.reading() as session:
        binned = session.scalars(select(BinnedFile)).one()
        assert session.scalars(select(StoredFile)).all() == []
    assert (top / binned.stored_as.decode() / "1.jpg").read_bytes() == JPEG


@pytest.mark.parametrize("path", ["/dav/", "/dav/Family/"])
def test_the_two_top_folders_stay(anna: Device, path: str) -> None:
    assert anna("DELETE", path).status_code == 403
    assert anna("MOVE", path, Destination="/dav/x").status_code == 403


def test_everybody_sees_the_familys_folder_and_nobody_anothers(device: Callable[[str], Device], top: Path) -> None:
    anna, ben = device("Anna"), device("Ben")
    anna("PUT", "/dav/secret.txt", b"s")
    anna("PUT", "/dav/Family/ours.txt", b"o")
    assert ben.names("/dav/") == ["Family/"] and ben.names("/dav/Family/") == ["ours.txt"]
    assert (top / "Family" / "ours.txt").read_bytes() == b"o"
    for path in ("/dav/../Anna/secret.txt", "/dav/%2e%2e/Anna/secret.txt", "/remote.php/dav/files/Anna/secret.txt"):
        assert ben("GET", path).status_code in (400, 403, 404), path
    assert ben("MOVE", "/dav/Family/ours.txt", Destination="/remote.php/dav/files/Anna/x").status_code == 502


def test_a_photo_is_ours_while_it_lies_in_the_familys_folder(device: Callable[[str], Device], db: Database) -> None:
    anna, ben = device("Anna"), device("Ben")

    def shared() -> list[tuple[int, bool]]:
        with db.reading() as session:
            return [tuple(row) for row in session.execute(select(Media.user_id, Media.shared))]

    anna("PUT", "/dav/Family/sea.jpg", JPEG)
    assert shared() == [(1, True)]
    assert ben("MOVE", "/dav/Family/sea.jpg", Destination="/dav/mine.jpg").status_code == 201
    assert shared() == [(2, False)]
    assert ben("MOVE", "/dav/mine.jpg", Destination="/dav/Family/sea.jpg").status_code == 201
    assert shared() == [(2, True)]


def test_folders_know_their_bytes_whoever_writes(anna: Device, db: Database) -> None:
    def used(path: str) -> int:
        ask = b'<d:propfind xmlns:d="DAV:"><d:prop><d:quota-used-bytes/></d:prop></d:propfind>'
        found = ElementTree.fromstring(anna("PROPFIND", path, ask, Depth="0").data)
        return int(next(found.iter("{DAV:}quota-used-bytes")).text or "0")

    anna("MKCOL", "/dav/a")
    anna("PUT", "/dav/a/one.txt", b"12345")
    anna("PUT", "/dav/two.txt", b"123")
    anna("PUT", "/dav/a/one.txt", b"1234567")
    assert used("/dav/") == 10
    anna("MOVE", "/dav/a/one.txt", Destination="/dav/three.txt")
    anna("DELETE", "/dav/two.txt")
    assert used("/dav/") == 7
    with db.reading() as session:
        assert sum(session.scalars(select(Folder.bytes))) == 7


def test_a_symbolic_link_on_the_drive_leads_nowhere(anna: Device, top: Path) -> None:
    anna("MKCOL", "/dav/a")
    (top / "Anna" / "a" / "out").symlink_to("/etc")
    assert anna.names("/dav/a/") == []
    assert anna("GET", "/dav/a/out/passwd").status_code == 404
    assert anna("PUT", "/dav/a/out/x", b"x").status_code == 409


def test_a_drive_that_is_not_here_is_an_error_and_never_an_empty_tree(
    anna: Device, places: Places, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugins.webdav.tree.GOOD_FOR_S", 0.0)
    anna("PUT", "/dav/a.txt", b"a")
    second = hand_over(db, places, tmp_path / "second", number=2)
    (places.mounts / f"{second.tag}.json").unlink()
    for method, name in (("PROPFIND", ""), ("GET", "a.txt"), ("DELETE", "a.txt"), ("PUT", "b.txt")):
        answer = anna(method, f"/dav/{name}", Depth="0")
        assert answer.status_code == 503, method
        assert "not connected" in answer.text


def test_a_damaged_upload_changes_nothing(anna: Device, top: Path) -> None:
    anna("PUT", "/dav/a.txt", b"good")
    wrong = anna("PUT", "/dav/a.txt", b"bad", OC_Checksum="SHA1:" + "0" * 40)
    assert wrong.status_code == 400
    assert (top / "Anna" / "a.txt").read_bytes() == b"good"
    assert list((top / ".everpx" / "incoming").iterdir()) == []


def test_locks_and_properties_outlive_a_restart(anna: Device, app: Flask) -> None:
    anna("PUT", "/dav/a.txt", b"a")
    token = anna("LOCK", "/dav/a.txt", EXCLUSIVE, Timeout="Second-600").headers["Lock-Token"]
    note = setting('<x:note xmlns:x="urn:x">hi</x:note>')
    assert anna("PROPPATCH", "/dav/a.txt", note).status_code == 423
    assert anna("PROPPATCH", "/dav/a.txt", note, If=f"({token})").status_code == 207
    del app.extensions["everpx.webdav"]
    assert anna("PUT", "/dav/a.txt", b"b").status_code == 423
    assert anna("PUT", "/remote.php/dav/files/Anna/a.txt", b"b").status_code == 423
    assert b"hi" in anna("PROPFIND", "/dav/a.txt", Depth="0").data
    assert anna("UNLOCK", "/dav/a.txt", Lock_Token=token).status_code == 204
    assert anna("PUT", "/dav/a.txt", b"b").status_code == 204


def test_bombs_of_xml_do_not_go_off(anna: Device) -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><d:propfind xmlns:d="DAV:">&b;</d:propfind>'
    assert anna("PROPFIND", "/dav/", bomb, Depth="0").status_code == 400
    assert anna("PROPFIND", "/dav/", b"x" * (1 << 20) + b"x", Depth="0").status_code == 413
    assert anna("PROPFIND", "/dav/", Depth="infinity").status_code == 403
