"""What Nextcloud's clients ask apart from files: to be let in, pieces, the bin, favourites, previews, search."""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from flask import Flask
from sqlalchemy import select, update

from appliance.db import Database
from appliance.drives.mounts import hot_mounts
from appliance.library import previews, spool
from appliance.library.models import BinnedFile, Media, PreviewState, StoredFile
from appliance.people import device_passwords
from console.station import Station
from plugins.webdav.logins import GOOD_FOR_S, Logins
from tests.browsers import Browser
from tests.unit.test_webdav import JPEG, Device, anna, device, setting, top

__all__ = ["anna", "device", "top"]
MINE = "/remote.php/dav/files/Anna"
UPLOAD = "/remote.php/dav/uploads/Anna/web-file-upload-1"


def found(answer_text: bytes, tag: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(answer_text).iter(tag)]


def test_an_app_is_let_in_by_who_is_signed_in_and_gets_its_password_once(
    app: Flask, db: Database, anna: Device
) -> None:
    phone = app.test_client(use_cookies=False)
    begun = phone.post("/index.php/login/v2", headers={"User-Agent": "Nextcloud-iOS/6.1"}).get_json()
    poll = {"token": begun["poll"]["token"]}
    assert phone.post("/index.php/login/v2/poll", data=poll).status_code == 404
    browser = Browser(app, "Anna")
    page = browser.get(browser.get(begun["login"]).headers["Location"])
    assert "Nextcloud (iPhone)" in page.text and "127.0.0.1" in page.text
    address = page.request.path
    assert phone.post("/index.php/login/v2/poll", data=poll).status_code == 404
    assert "let in" in browser.follow(browser.post(address, answer="yes"))
    assert phone.post("/index.php/login/v2/poll", data={"token": "x"}).status_code == 404
    got = phone.post("/index.php/login/v2/poll", data=poll).get_json()
    assert got["loginName"] == "Anna" and got["server"].startswith("http://")
    with db.reading() as session:
        assert device_passwords.who(session, "Anna", got["appPassword"]) is not None
    assert phone.post("/index.php/login/v2/poll", data=poll).status_code == 404
    assert browser.post(address, answer="yes").status_code == 404


def test_an_app_that_is_refused_gets_nothing(app: Flask, db: Database, anna: Device) -> None:
    phone, browser = app.test_client(use_cookies=False), Browser(app, "Anna")
    begun = phone.post("/index.php/login/v2").get_json()
    address = browser.get(begun["login"]).headers["Location"]
    browser.post(address, answer="no")
    assert phone.post("/index.php/login/v2/poll", data={"token": begun["poll"]["token"]}).status_code == 404
    assert browser.get(address).status_code == 404
    with db.reading() as session:
        assert len(session.scalars(select(device_passwords.DevicePassword)).all()) == 1


def test_a_flow_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("plugins.webdav.logins.time.monotonic", lambda: now[0])
    logins = Logins()
    flow, secret = logins.begin("app", "")
    flow.began = 0.0
    assert logins.grant(flow.key, "Anna", "secret")
    now[0] = GOOD_FOR_S + 1
    assert logins.poll(secret) is None and logins.find(flow.key) is None


def test_clients_hear_what_the_station_can_do_and_who_they_are(anna: Device, app: Flask) -> None:
    assert anna("GET", "/status.php").get_json()["installed"] is True
    for version, good in (("v1.php", 100), ("v2.php", 200)):
        told = app.test_client().get(f"/ocs/{version}/cloud/capabilities?format=json").get_json()["ocs"]
        assert told["meta"]["statuscode"] == good and told["data"]["capabilities"]["dav"]["chunking"] == "1.0"
        assert app.test_client().get(f"/ocs/{version}/cloud/user?format=json").status_code == 401
        user = anna("GET", f"/ocs/{version}/cloud/user?format=json").get_json()["ocs"]["data"]
        assert user["id"] == "Anna" and user["quota"]["free"] > 0
    as_xml = ElementTree.fromstring(anna("GET", "/ocs/v1.php/cloud/user").data)
    assert as_xml.findtext("data/id") == "Anna"
    assert anna("GET", "/ocs/v2.php/apps/none?format=json").status_code == 404


def test_an_app_that_signs_out_gives_its_password_back(anna: Device) -> None:
    assert anna("DELETE", "/ocs/v2.php/core/apppassword").status_code == 200
    assert anna("PROPFIND", f"{MINE}/", Depth="0").status_code == 401


def test_pieces_become_one_file_in_their_order(anna: Device, top: Path, db: Database) -> None:
    assert anna("MKCOL", UPLOAD).status_code == 201
    for number in (3, 1, 10, 2):
        assert anna("PUT", f"{UPLOAD}/{number:05d}", f"<{number}>".encode()).status_code == 201
    anna("PUT", f"{UPLOAD}/2", b"<2>")
    listing = anna("PROPFIND", UPLOAD, Depth="1")
    assert found(listing.data, "{DAV:}getcontentlength").count("3") >= 3
    pieces = next((top / ".everpx" / "incoming").glob("*.pieces"))
    (pieces / "2").unlink()
    to = f"http://localhost{MINE}/whole%3F.txt"
    assert anna("MOVE", f"{UPLOAD}/.file", Destination=to, OC_Total_Length="99").status_code == 409
    assert not (top / "Anna" / "whole\uf03f.txt").exists()
    moved = anna("MOVE", f"{UPLOAD}/.file", Destination=to, OC_Total_Length="13", X_OC_MTime="1700000000")
    assert moved.status_code == 201 and moved.headers["OC-FileId"]
    kept = top / "Anna" / "whole\uf03f.txt"
    assert kept.read_bytes() == b"<1><2><3><10>" and kept.stat().st_mtime == 1_700_000_000
    assert list((top / ".everpx" / "incoming").iterdir()) == []
    with db.reading() as session:
        assert session.scalars(select(StoredFile.digest)).one() is not None


def test_pieces_replace_only_what_the_client_has_seen(anna: Device, top: Path) -> None:
    etag = anna("PUT", f"{MINE}/a.txt", b"one").headers["ETag"]
    anna("PUT", f"{MINE}/a.txt", b"two")
    anna("MKCOL", UPLOAD)
    anna("PUT", f"{UPLOAD}/1", b"three")
    to = f"{MINE}/a.txt"
    assert anna("MOVE", f"{UPLOAD}/.file", Destination=to, If=f"<{to}> ([{etag}])").status_code == 412
    assert (top / "Anna" / "a.txt").read_bytes() == b"two"
    wrong = anna("MOVE", f"{UPLOAD}/.file", Destination=to, OC_Checksum="SHA1:" + "0" * 40)
    assert wrong.status_code == 400 and (top / "Anna" / "a.txt").read_bytes() == b"two"
    assert anna("MOVE", f"{UPLOAD}/.file", Destination=to).status_code == 204
    assert (top / "Anna" / "a.txt").read_bytes() == b"three"


def test_nobody_reaches_anothers_pieces_and_no_name_is_a_path(device: Callable[[str], Device], top: Path) -> None:
    anna, ben = device("Anna"), device("Ben")
    anna("MKCOL", UPLOAD)
    anna("PUT", f"{UPLOAD}/1", b"secret")
    theirs = UPLOAD.replace("/Anna/", "/Ben/")
    assert ben("PROPFIND", UPLOAD, Depth="1").status_code == 404
    assert ben("PROPFIND", theirs, Depth="1").status_code == 404
    for name in ("..", "x", "1/2", "-1", "%2e%2e%2fescape", "99999999999999999999999"):
        assert anna("PUT", f"{UPLOAD}/{name}", b"x").status_code in (404, 405), name
    assert [p.name for p in next((top / ".everpx" / "incoming").glob("*.pieces")).iterdir()] == ["1"]
    to = "/remote.php/dav/files/Ben/x"
    assert anna("MOVE", f"{UPLOAD}/.file", Destination=to).status_code == 404
    assert anna("DELETE", UPLOAD).status_code == 204
    assert list((top / ".everpx" / "incoming").iterdir()) == []


def test_pieces_that_nobody_adds_to_go_after_a_day(anna: Device, top: Path, db: Database) -> None:
    anna("MKCOL", UPLOAD)
    anna("PUT", f"{UPLOAD}/1", b"x")
    here: Station = anna.client.application.extensions["everpx"]
    with db.reading() as session:
        mount = hot_mounts(session, here.places)[0]
    assert spool.clean(mount, lambda _: False) == 0
    pieces = next((top / ".everpx" / "incoming").glob("*.pieces"))
    long_ago = time.time() - 25 * 3600
    os.utime(pieces, (long_ago, long_ago))
    assert spool.clean(mount, lambda _: False) == 1 and not pieces.exists()


def test_a_checksum_that_was_right_is_told_again(anna: Device) -> None:
    right = "SHA1:" + hashlib.sha1(b"hello").hexdigest()
    assert anna("PUT", f"{MINE}/b.txt", b"hello", OC_Checksum=right).status_code == 201
    ask = b'<d:propfind xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns"><d:prop><oc:checksums/></d:prop></d:propfind>'
    assert right.encode() in anna("PROPFIND", f"{MINE}/b.txt", ask, Depth="0").data
    assert anna("GET", f"{MINE}/b.txt").headers["OC-Checksum"] == right
    anna("PUT", f"{MINE}/b.txt", b"other")
    assert right.encode() not in anna("PROPFIND", f"{MINE}/b.txt", ask, Depth="0").data


def test_favourites_are_those_of_the_library_and_can_be_listed(anna: Device, db: Database) -> None:
    for name in ("a.jpg", "b.jpg"):
        anna("PUT", f"{MINE}/{name}", JPEG + name.encode())
    anna("PROPPATCH", f"{MINE}/b.jpg", setting('<oc:favorite xmlns:oc="http://owncloud.org/ns">1</oc:favorite>'))
    with db.reading() as session:
        starred = select(StoredFile.name).join(Media, Media.file_id == StoredFile.id).where(Media.favourite.is_(True))
        assert session.scalars(starred).all() == [b"b.jpg"]
    ask = (
        b'<oc:filter-files xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns"><d:prop><oc:favorite/></d:prop>'
        b"<oc:filter-rules><oc:favorite>1</oc:favorite></oc:filter-rules></oc:filter-files>"
    )
    answer = anna("REPORT", f"{MINE}/", ask)
    assert answer.status_code == 207 and found(answer.data, "{DAV:}href") == [f"{MINE}/b.jpg"]


def test_a_phone_finds_its_pictures_by_kind_and_date(anna: Device) -> None:
    anna("PUT", f"{MINE}/new.jpg", JPEG + b"1", X_OC_MTime="1700000000")
    anna("PUT", f"{MINE}/old.jpg", JPEG + b"2", X_OC_MTime="1500000000")
    anna("PUT", f"{MINE}/words.txt", b"words", X_OC_MTime="1700000000")
    ask = """<d:searchrequest xmlns:d="DAV:"><d:basicsearch><d:select><d:prop><d:getcontenttype/></d:prop></d:select>
    <d:from><d:scope><d:href>/files/Anna</d:href><d:depth>infinity</d:depth></d:scope></d:from><d:where><d:and><d:or>
    <d:like><d:prop><d:getcontenttype/></d:prop><d:literal>image/%</d:literal></d:like>
    <d:like><d:prop><d:getcontenttype/></d:prop><d:literal>video/%</d:literal></d:like></d:or>
    <d:gt><d:prop><d:getlastmodified/></d:prop><d:literal>2020-01-01T00:00:00+00:00</d:literal></d:gt></d:and></d:where>
    </d:basicsearch></d:searchrequest>"""
    answer = anna("SEARCH", "/remote.php/dav/", ask.encode())
    assert found(answer.data, "{DAV:}href") == [f"{MINE}/new.jpg"]
    assert found(answer.data, "{DAV:}getcontenttype") == ["image/jpeg"]
    by_name = ask.replace("getcontenttype/></d:prop><d:literal>image/%", "displayname/></d:prop><d:literal>OLD%")
    assert found(anna("SEARCH", "/remote.php/dav/", by_name.replace("2020-", "2000-").encode()).data, "{DAV:}href") == [
        f"{MINE}/old.jpg"
    ]
    assert anna("SEARCH", "/remote.php/dav/", b"<x/>").status_code == 400
    anna("PUT", f"{MINE}/Family/theirs.jpg", JPEG + b"3", X_OC_MTime="1700000001")
    assert found(anna("SEARCH", "/remote.php/dav/", ask.encode()).data, "{DAV:}href") == [
        f"{MINE}/Family/theirs.jpg",
        f"{MINE}/new.jpg",
    ]


def test_the_bin_is_seen_emptied_and_undone(device: Callable[[str], Device], top: Path, db: Database) -> None:
    anna, ben = device("Anna"), device("Ben")
    for name in ("a?.txt", "b.txt"):
        anna("PUT", f"{MINE}/{name.replace('?', '%3F')}", name.encode())
        anna("DELETE", f"{MINE}/{name.replace('?', '%3F')}")
    trash = "/remote.php/dav/trashbin/Anna"
    listing = anna("PROPFIND", f"{trash}/trash/", Depth="1")
    names = found(listing.data, "{http://nextcloud.org/ns}trashbin-filename")
    assert sorted(names) == ["a?.txt", "b.txt"]
    items = [href for href in found(listing.data, "{DAV:}href") if href != f"{trash}/trash/"]
    first = next(href for href in items if "a%3F" in href)
    second = next(href for href in items if "b.txt" in href)
    assert ben("DELETE", second.replace("/Anna/", "/Ben/")).status_code == 404
    assert anna("MOVE", first, Destination=f"{trash}/restore/a").status_code == 201
    assert (top / "Anna" / "a\uf03f.txt").read_bytes() == b"a?.txt"
    assert anna("DELETE", second).status_code == 204
    with db.reading() as session:
        assert session.scalars(select(BinnedFile)).all() == []


def test_previews_are_ones_own(device: Callable[[str], Device], top: Path, db: Database) -> None:
    anna, ben = device("Anna"), device("Ben")
    number = int(anna("PUT", f"{MINE}/a.jpg", JPEG).headers["OC-FileId"].partition("oc")[0])
    asked = f"/index.php/core/preview?fileId={number}&x=256&y=256&a=1"
    assert anna("GET", asked).status_code == 404
    with db.writing() as session:
        session.execute(update(Media).values(preview=PreviewState.READY))
        digest = session.scalars(select(StoredFile.digest)).one()
    path = top / previews.path_of(digest or b"", 320).decode()
    path.parent.mkdir(parents=True)
    path.write_bytes(b"small picture")
    assert anna("GET", asked).data == b"small picture"
    assert anna("GET", "/index.php/core/preview.png?file=/a.jpg&x=32&y=32").data == b"small picture"
    assert ben("GET", asked).status_code == 404


def test_a_person_gets_a_code_for_a_phone_once(app: Flask, db: Database, anna: Device) -> None:
    browser = Browser(app, "Anna")
    made = browser.post("/plugins/webdav/", device="My phone")
    text = made.text.partition('<code class="secret">')[2].partition("<")[0]
    assert "<svg" in made.text
    with db.reading() as session:
        assert device_passwords.who(session, "Anna", text) is not None
    assert text not in browser.get("/plugins/webdav/").text
    assert browser.post("/plugins/webdav/", device="").status_code == 422


def test_a_client_hears_sizes_numbers_and_what_it_may_do(anna: Device, db: Database) -> None:
    anna("MKCOL", f"{MINE}/a")
    anna("PUT", f"{MINE}/a/x.txt", b"12345")
    ask = (
        b'<d:propfind xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns" xmlns:nc="http://nextcloud.org/ns"><d:prop>'
        b"<oc:id/><oc:fileid/><oc:size/><oc:permissions/><nc:has-preview/><d:quota-used-bytes/></d:prop></d:propfind>"
    )
    answer = anna("PROPFIND", f"{MINE}/a", ask, Depth="1").data
    assert found(answer, "{http://owncloud.org/ns}size") == ["5", "5"]
    assert found(answer, "{http://owncloud.org/ns}permissions") == ["GDNVCK", "GDNVW"]
    numbers = found(answer, "{http://owncloud.org/ns}fileid")
    assert len(set(numbers)) == 2
