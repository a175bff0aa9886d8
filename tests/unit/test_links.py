"""Public links: what a guest sees of the station, address by address and photo by photo, and what they may bring."""

import base64
import io
import re
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from appliance.db import Database, now
from appliance.library import previews
from appliance.library.albums import gifts, links, service
from appliance.library.albums.models import Album, AlbumItem, GuestGift, PublicLink
from appliance.library.models import Media, PreviewState, StoredFile
from appliance.people import passwords
from appliance.people.audit import By
from appliance.people.models import User, UserState
from appliance.places import Places
from console.albums import guests
from tests.browsers import Browser
from tests.callers import PASSWORD
from tests.hot_drive import person
from tests.unit.test_library_ingest import arrival, spooled
from tests.unit.test_library_notes import Home, shot

#: Anna's album has her photo ``in``, and Ben's that is "ours" and that Anna put there, ``bens``; ``out`` is another one
#: of hers.  A link that holds, one with a password that was not shown, one that was, and those that lead nowhere.
TABLE = """
GET   /                     open 200  locked 401  unlocked 200  expired 404  ended 404  deleted 404  shut 404  wrong 404
GET   /{in}                 open 200  locked 401  unlocked 200  expired 404  ended 404  deleted 404  shut 404  wrong 404
GET   /{in}/original        open 200  locked 401  unlocked 200  expired 404  ended 404  deleted 404  shut 404  wrong 404
GET   /{in}/preview/320     open 200  locked 401  unlocked 200  expired 404  ended 404  deleted 404  shut 404  wrong 404
GET   /{bens}               open 404  locked 401  unlocked 404  expired 404  ended 404  deleted 404  shut 404  wrong 404
GET   /{bens}/original      open 404  locked 401  unlocked 404  expired 404  ended 404  deleted 404  shut 404  wrong 404
GET   /{bens}/preview/320   open 404  locked 401  unlocked 404  expired 404  ended 404  deleted 404  shut 404  wrong 404
GET   /{out}                open 404  locked 401  unlocked 404  expired 404  ended 404  deleted 404  shut 404  wrong 404
GET   /{out}/original       open 404  locked 401  unlocked 404  expired 404  ended 404  deleted 404  shut 404  wrong 404
GET   /{out}/preview/320    open 404  locked 401  unlocked 404  expired 404  ended 404  deleted 404  shut 404  wrong 404
POST  /unlock               open 303  locked 422  unlocked 422  expired 404  ended 404  deleted 404  shut 404  wrong 404
POST  /upload               open 404  locked 401  unlocked 404  expired 404  ended 404  deleted 404  shut 404  wrong 404
"""
ROWS = [line.split() for line in TABLE.strip().splitlines()]
SECRET = "cake"


class Party:
    """Anna's album and the ways in."""

    def __init__(self, home: Home, app: Flask) -> None:
        self.home, self.app, self.db = home, app, home.db
        with home.db.writing() as session:
            session.execute(
                update(User).where(User.id == home.anna.id).values(password_hash=passwords.make_hash(PASSWORD))
            )
        self.ben = person(home.db, "Ben")
        self.photos = {"in": home.send(1), "out": home.send(2)}
        bens = home.door.take(home.hot, spooled(home.hot, shot(3)), arrival(self.ben, "bens.jpg")).media_id
        assert bens is not None
        self.photos["bens"] = bens
        with home.db.writing() as session:
            session.execute(update(Media).where(Media.id == bens).values(shared=True))
            session.execute(update(Media).values(preview=PreviewState.READY))
            self.album_id = service.create(session, home.anna, "Wedding").id
            service.add(session, home.anna, self.album_id, [self.photos["in"], bens])
            for digest in session.scalars(select(StoredFile.digest)):
                assert digest
                path = home.hot.path / previews.path_of(digest, 320).decode()
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"RIFF....WEBP")

    def link(self, password: str = "", may_upload: bool = False, days: int | None = 7) -> str:
        with self.db.writing() as session:
            made = links.create(
                session, By(), self.home.anna, self.album_id, days=days, password=password, may_upload=may_upload
            )
        return made[1]

    def guest(self, kind: str) -> tuple[FlaskClient, str]:
        """A browser and the address of a link of this kind."""
        client, token = self.app.test_client(), "x" * 22
        if kind != "wrong":
            token = self.link(SECRET if kind in ("locked", "unlocked") else "")
        if kind == "unlocked":
            assert client.post(f"/s/{token}/unlock", data={"password": SECRET}).status_code == 303
        with self.db.writing() as session:
            if kind == "expired":
                session.execute(update(PublicLink).values(expires=now() - timedelta(seconds=1)))
            elif kind == "ended":
                link = session.scalars(select(PublicLink)).one()
                links.end(session, By(), self.home.anna, self.album_id, link.id)
            elif kind == "deleted":
                service.put_away(session, self.home.anna, self.album_id)
            elif kind == "shut":
                session.execute(update(User).where(User.id == self.home.anna.id).values(state=UserState.DISABLED))
        return client, f"/s/{token}"


@pytest.fixture
def party(app: Flask, db: Database, places: Places, tmp_path: Path, quick_passwords: None) -> Party:
    return Party(Home(db, places, tmp_path / "hot"), app)


@pytest.mark.parametrize("kind", ROWS[0][2::2])
def test_every_kind_of_link_for_every_address_and_photo(party: Party, kind: str) -> None:
    client, address = party.guest(kind)
    wrong = {}
    for method, path, *columns in ROWS:
        expected = dict(zip(columns[::2], columns[1::2], strict=True))[kind]
        with closing(client.open(address + path.format(**party.photos), method=method)) as answer:
            if str(answer.status_code) != expected:
                wrong[f"{method} {path}"] = answer.status_code
            assert "noindex" in answer.headers["X-Robots-Tag"]
            cookies = answer.headers.getlist("Set-Cookie")
            assert not [cookie for cookie in cookies if not cookie.startswith(guests.COOKIE)]  # nobody is signed out
            assert "sandbox" in answer.headers["Content-Security-Policy"] or "frame-ancestors 'none'" in str(
                answer.headers["Content-Security-Policy"]
            )
    assert wrong == {}


def test_a_guest_sees_one_album_and_nothing_that_leads_further(party: Party) -> None:
    client, address = party.guest("open")
    page = client.get(address + "/").text
    assert "Wedding" in page and "from Anna" in page and page.count('class="cell') == 1
    links_out = {link for link in re.findall(r'(?:href|src|action|hx-get)="([^"#]+)', page)}
    assert {link for link in links_out if not link.startswith((address, "/static/"))} == set()
    assert "Ben" not in page and "csrf" not in page.lower()
    for path in ("/photos/", "/albums/", "/albums/1", f"/photos/{party.photos['in']}", "/api/v1/timeline"):
        assert client.get(path).status_code in (302, 401)


def test_a_token_is_random_and_only_its_hash_is_kept(party: Party) -> None:
    token = party.link()
    assert len(token) == 22
    party.db.engine.dispose()
    assert token.encode() not in party.db.path.read_bytes()


def test_a_password_is_asked_once_and_a_cookie_of_another_link_opens_nothing(party: Party) -> None:
    client, address = party.guest("unlocked")
    cookie = client.get_cookie(guests.COOKIE, path=address + "/")
    assert cookie and cookie.http_only and cookie.path == address + "/"
    other = party.link(SECRET)
    client.set_cookie(guests.COOKIE, cookie.value, path=f"/s/{other}/")
    assert client.get(f"/s/{other}/").status_code == 401
    client.set_cookie(guests.COOKIE, cookie.value + "x", path=address + "/")
    assert client.get(address + "/").status_code == 401


def test_guessing_is_slowed_down(party: Party) -> None:
    client, address = party.guest("locked")
    said = [client.post(address + "/unlock", data={"password": f"guess {n}"}).status_code for n in range(12)]
    assert said[0] == 422 and said[-1] == 429
    assert client.post(address + "/unlock", data={"password": SECRET}).status_code == 429


def send(client: FlaskClient, address: str, *files: tuple[str, bytes], **more: Any) -> TestResponse:
    form = {"files": [(io.BytesIO(content), name) for name, content in files]}
    return client.post(address + "/upload", data=form, **more)


def test_guests_photos_land_in_the_album_and_belong_to_its_owner(party: Party) -> None:
    client, address = party.app.test_client(), f"/s/{party.link(may_upload=True)}"
    answer = send(client, address, ("../../a.jpg", shot(7)), ("b.jpg", shot(8)))
    assert answer.status_code == 303 and answer.headers["Location"].endswith("?sent=2")
    assert "2 photos are in the album now." in client.get(answer.headers["Location"]).text
    assert client.get(address + "/").text.count('class="cell') == 3
    assert send(client, address, ("b.jpg", shot(8)), headers={"Accept": "application/json"}).json == {"stored": 1}
    with party.db.reading() as session:
        owners = session.scalars(select(Media.user_id).join(AlbumItem, AlbumItem.media_id == Media.id)).all()
    assert sorted(owners) == sorted([party.home.anna.id] * 3 + [party.ben.id])


def test_guests_bring_photos_only_and_not_without_end(party: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    client, address = party.app.test_client(), f"/s/{party.link(may_upload=True)}"
    monkeypatch.setattr(gifts, "MOST_FILES", 3)
    monkeypatch.setattr(guests, "LARGEST", 20_000)
    before = len(party.home.said())
    assert send(client, address, ("page.jpg", b"<html>")).status_code == 422
    assert send(client, address, ("big.jpg", shot(1) + b"x" * 20_000)).status_code == 413
    assert send(client, address).status_code == 422
    assert [send(client, address, (f"{n}.jpg", shot(10 + n))).status_code for n in range(5)] == [
        303,
        303,
        303,
        429,
        429,
    ]
    assert len(party.home.said()) == before + 3
    assert list((party.home.hot.path / ".everpx/incoming").iterdir()) == []


def tus(client: FlaskClient, method: str, address: str, body: bytes = b"", **headers: str) -> TestResponse:
    said = {"Tus-Resumable": "1.0.0"} | {name.replace("_", "-"): value for name, value in headers.items()}
    if body:
        said["Content-Type"] = "application/offset+octet-stream"
    return client.open(address, method=method, data=body, headers=said)


def begin(client: FlaskClient, address: str, size: int, name: str = "film.jpg", **more: str) -> TestResponse:
    told = f"filename {base64.b64encode(name.encode()).decode()},folder {base64.b64encode(b'/Anna/Files').decode()}"
    return tus(client, "POST", address + "/uploads", Upload_Length=str(size), Upload_Metadata=told, **more)


def test_a_guests_film_comes_in_pieces_and_goes_on_where_it_was_cut(party: Party) -> None:
    client, address = party.app.test_client(), f"/s/{party.link(may_upload=True)}"
    film = shot(7) + bytes(range(256)) * 40
    begun = begin(client, address, len(film))
    assert begun.status_code == 201 and begun.headers["Upload-Offset"] == "0"
    place = begun.headers["Location"]
    assert tus(client, "PATCH", place, film[:5000], Upload_Offset="0").headers["Upload-Offset"] == "5000"
    assert tus(client, "PATCH", place, film[:9], Upload_Offset="0").status_code == 409
    assert tus(client, "HEAD", place).headers["Upload-Offset"] == "5000"
    other, elsewhere = party.app.test_client(), party.link(may_upload=True)
    theirs = place.replace(address, f"/s/{elsewhere}")
    for method in ("HEAD", "PATCH", "DELETE"):  # another link of the same album
        assert tus(other, method, theirs, b"x" * (method == "PATCH"), Upload_Offset="5000").status_code == 404
    assert tus(client, "PATCH", place, film[5000:], Upload_Offset="5000").status_code == 204
    assert tus(client, "HEAD", place).headers["Upload-Offset"] == str(len(film))
    assert client.get(address + "/").text.count('class="cell') == 2
    kept = [path for path in party.home.hot.path.rglob("film.jpg")]
    assert [path.read_bytes() for path in kept] == [film] and "Photos" in str(kept[0])
    assert list((party.home.hot.path / ".everpx/incoming").iterdir()) == []


def test_pieces_of_guests_have_the_same_limits(party: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    client, address = party.app.test_client(), f"/s/{party.link(may_upload=True)}"
    assert begin(client, address, gifts.LARGEST + 1).status_code == 413
    assert begin(client, address, 0).status_code == 422
    begun = begin(client, address, 4000)
    refused = tus(client, "PATCH", begun.headers["Location"], b"<html>" * 300, Upload_Offset="0")
    assert refused.status_code == 422 and refused.json["error"] == "no_photo"
    assert tus(client, "HEAD", begun.headers["Location"]).status_code == 404
    assert tus(client, "POST", address + "/uploads", Tus_Resumable="0.2").status_code == 412
    monkeypatch.setattr(gifts, "MOST_BYTES", 10_000)
    assert begin(client, address, 6000).status_code == 201
    assert begin(client, address, 6000).status_code == 429
    assert send(client, address, ("a.jpg", shot(1) + b"." * 7000)).status_code == 429  # with the form
    with party.db.writing() as session:  # an hour later; nothing of it is kept by a process
        session.execute(update(GuestGift).values(brought=now() - timedelta(minutes=61)))
    assert begin(client, address, 6000).status_code == 201
    assert begin(client, f"/s/{party.link(may_upload=False)}", 10).status_code == 404
    locked, shut = party.guest("locked")
    assert begin(locked, shut, 10).status_code in (401, 404)


def test_a_link_is_made_and_ended_on_the_albums_page(party: Party) -> None:
    anna = Browser(party.app, "Anna")
    made = anna.post("/albums/1/links", days="7", password=SECRET, may_upload="1")
    address = re.search(r'value="http://localhost(/s/[^"]+)"', made.text)
    assert address and re.search(r'class="qr"[^>]*><svg ', made.text)
    page = anna.get("/albums/1/edit").text
    assert "with a password" in page and address[1] not in page
    assert party.app.test_client().get(address[1]).status_code == 401
    for bad in ({"days": "8"}, {"days": "7", "password": "x"}):
        assert anna.post("/albums/1/links", **bad).status_code == 422
    anna.post("/albums/1/links/1/end")
    assert party.app.test_client().get(address[1]).status_code == 404


def test_a_link_ends_with_the_hand_over_of_its_album(party: Party) -> None:
    client, address = party.guest("open")
    with party.db.writing() as session:
        session.execute(update(Album).values(user_id=party.ben.id))
    assert client.get(address + "/").status_code == 404
