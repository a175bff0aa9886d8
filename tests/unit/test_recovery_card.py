"""The recovery card: shown once, kept as a hash, good until the next one; and what it opens on a new box."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from appliance import identity
from appliance.backup import station_copy
from appliance.db import Database, migrate
from appliance.drives import inventory
from appliance.drives.models import DriveRole
from appliance.people import passwords, recovery_card
from appliance.people import service as people
from appliance.people.audit import By
from appliance.people.models import Role, User
from appliance.places import Places
from console.app import create_app
from tests.browsers import Browser
from tests.callers import PASSWORD, Caller
from tests.folder_root import FolderRoot
from tests.hot_drive import hand_over

CODE = re.compile(r"\b(?:[2-9A-Z]{5}-){3}[2-9A-Z]{5}\b")
NEW = "seven new grey owls"


def test_its_code_is_on_one_page_once_and_nowhere_in_the_database(app: Flask, admin: Caller, places: Places) -> None:
    anna = Browser(app, "Anna")
    assert "There is no card yet." in anna.get("/people/recovery-card").text
    assert "/people/recovery-card" in anna.get("/people/").text
    wrong = anna.post("/people/recovery-card", own_password="wrong")
    assert wrong.status_code == 422 and not CODE.search(wrong.text.replace("<wbr>", ""))
    page = anna.post("/people/recovery-card", own_password=PASSWORD)
    (code,) = set(CODE.findall(page.text.replace("<wbr>", "")))  # it may break in the middle on a small card
    assert page.headers["Cache-Control"].startswith("no-store") and "Print" in page.text
    again = anna.get("/people/recovery-card").text
    assert "There is a card" in again and not CODE.search(again.replace("<wbr>", ""))
    kept = b"".join(path.read_bytes() for path in places.data.glob("everpx.db*"))
    assert code.encode() not in kept and recovery_card.plain(code).encode() not in kept and b"$argon2id$" in kept


def test_a_new_card_ends_the_old_one_and_one_can_have_none(db: Database, admin: Caller) -> None:
    first = admin("POST", "/recovery-card", {}).json["code"]
    second = admin("POST", "/recovery-card", {}).json["code"]
    with db.reading() as session:
        card = recovery_card.current(session)
    assert card is not None and card.made_by == admin.user.id
    assert recovery_card.opens(card.code_hash, second) and not recovery_card.opens(card.code_hash, first)
    assert recovery_card.opens(card.code_hash, f" {second.lower().replace('-', ' ')} ")
    assert admin("GET", "/recovery-card").json["made"] is not None
    assert admin("POST", "/recovery-card/end", {}).status_code == 204
    assert admin("GET", "/recovery-card").json == {"made": None}
    assert not recovery_card.opens("", second) and not recovery_card.opens("", "")


class NewBox:
    """A box that nobody has claimed; plugged in is a drive with the copy of Anna's and Ben's earlier station."""

    def __init__(self, tmp_path: Path, places: Places, root: FolderRoot) -> None:
        old = Places(data=tmp_path / "old", run=tmp_path / "old-run")
        for folder in (old.data, old.mounts):
            folder.mkdir(parents=True)
        migrate(old.database)
        db = Database(old.database)
        with db.writing() as session:
            people.add(session, By(), name="Anna", password=PASSWORD, role=Role.ADMIN)
            people.add(session, By(), name="Ben", password=PASSWORD)
            self.earlier = recovery_card.make(session, By())
        self.drive = hand_over(db, old, places.folder_drives / "Blue", role=DriveRole.COLD)
        with db.writing() as session:
            self.card = recovery_card.make(session, By())
        station_copy.write(db, self.drive)
        db.close()
        migrate(places.database)
        identity.create(places)
        self.code = identity.new_code()
        stored = json.loads(places.identity.read_text())
        hashed = identity._hash(stored["station_id"], self.code)
        places.identity.write_text(json.dumps(stored | {"claim_hash": hashed}))
        inventory.refresh(places, root)
        self.places, self.root = places, root
        self.app = create_app(places, broker=root)
        self.app.testing, self.app.config["WTF_CSRF_ENABLED"] = True, False
        self.browser: FlaskClient = self.app.test_client()

    def try_card(self, card: str, **more: str) -> tuple[int, str]:
        """Status and page."""
        form = {"code": self.code, "name": "Anna", "card": card, "new_password": NEW} | more
        answer = self.browser.post("/wizard/take-over", data=form)
        return answer.status_code, answer.get_data(as_text=True)


@pytest.fixture
def box(tmp_path: Path, places: Places, folder_root: FolderRoot, quick_passwords: None) -> NewBox:
    return NewBox(tmp_path, places, folder_root)


def test_with_the_card_an_admin_moves_in_and_has_a_new_password(box: NewBox) -> None:
    page = box.browser.post("/wizard/take-over", data={"code": box.code}).get_data(as_text=True)
    assert "there is a recovery card" in page and box.card not in page
    assert box.try_card(box.card.lower())[0] == 303
    assert "Welcome back" in box.browser.get("/").get_data(as_text=True)
    with Database(box.places.database).reading() as session:
        anna, ben = session.scalars(select(User).order_by(User.id)).all()
        assert passwords.matches(anna.password_hash, NEW) and not passwords.matches(anna.password_hash, PASSWORD)
        assert passwords.matches(ben.password_hash, PASSWORD)
        assert recovery_card.current(session) is None  # it was used: a new one is made when somebody has time


@pytest.mark.parametrize(
    ("card", "more", "said"),
    [
        ("ABCDE-FGHJK-LMNPQ-RSTUV", {}, "not the code of the card"),
        ("earlier", {}, "not the code of the card"),
        ("good", {"name": "Ben"}, "one of the admins"),
        ("good", {"name": "Nobody"}, "one of the admins"),
        ("good", {"new_password": "short"}, "at least 8 characters"),
        ("good", {"new_password": ""}, "at least 8 characters"),
        ("good", {"code": "ABCDE-ABCDE-ABCDE-ABCDE"}, "not the code on this station"),
    ],
)
def test_the_card_opens_nothing_else(box: NewBox, card: str, more: dict[str, str], said: str) -> None:
    code = {"good": box.card, "earlier": box.earlier}.get(card, card)
    status, page = box.try_card(code, **more)
    assert status == 422 and said in page
    with Database(box.places.database).reading() as session:
        assert session.scalars(select(User)).all() == []


def test_guesses_at_the_card_are_slowed_down(box: NewBox) -> None:
    statuses = [box.try_card(identity.new_code())[0] for _ in range(6)]
    assert statuses == [422] * 5 + [429]
    assert box.try_card(box.card)[0] == 429


def test_a_drive_that_knows_no_card_has_none(box: NewBox) -> None:
    copy = next((box.drive.path / ".everpx").rglob("everpx.db"))
    with closing(sqlite3.connect(copy)) as rows, rows:
        rows.execute("delete from recovery_card")
    for card in (box.card, "", " "):
        assert box.try_card(card)[0] in (200, 422)
    with Database(box.places.database).reading() as session:
        assert session.scalars(select(User)).all() == []
