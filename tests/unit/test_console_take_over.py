"""The page on which a new box takes the place of an earlier station, on folder drives."""

import json
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from appliance import identity
from appliance.backup import station_copy
from appliance.db import Database, migrate
from appliance.drives import inventory
from appliance.drives.models import DriveRole
from appliance.people import service as people
from appliance.people.audit import By
from appliance.people.models import Role, User
from appliance.places import Places
from console.app import create_app
from tests.callers import PASSWORD
from tests.folder_root import FolderRoot
from tests.hot_drive import hand_over


@pytest.fixture
def app(tmp_path: Path, places: Places, folder_root: FolderRoot, quick_passwords: None) -> Flask:
    """A new box; plugged in is a drive on which an earlier station of Anna's left its database."""
    old = Places(data=tmp_path / "old", run=tmp_path / "old-run")
    for folder in (old.data, old.mounts):
        folder.mkdir(parents=True)
    migrate(old.database)
    db = Database(old.database)
    with db.writing() as session:
        people.add(session, By(), name="Anna", password=PASSWORD, role=Role.ADMIN)
    drive = hand_over(db, old, places.folder_drives / "Blue", role=DriveRole.COLD)
    station_copy.write(db, drive)
    db.close()
    migrate(places.database)
    identity.create(places)
    inventory.refresh(places, folder_root)
    built = create_app(places, broker=folder_root)
    built.testing, built.config["WTF_CSRF_ENABLED"] = True, False
    return built


def test_a_family_moves_into_a_new_box(app: Flask, places: Places) -> None:
    browser = app.test_client()
    page = browser.get("/wizard").get_data(as_text=True)
    assert "Take its place" in page and "The cold drive 1" in page
    refused = browser.post("/wizard/take-over", data={"code": "ABCDE-ABCDE-ABCDE-ABCDE"})
    assert refused.status_code == 422 and "Anna" not in refused.get_data(as_text=True)

    code = identity.new_code()
    stored = json.loads(places.identity.read_text())
    hashed = identity._hash(stored["station_id"], code)
    places.identity.write_text(json.dumps(stored | {"claim_hash": hashed}))
    assert "This is the station of Anna" in browser.post("/wizard/take-over", data={"code": code}).get_data(
        as_text=True
    )
    wrong = browser.post("/wizard/take-over", data={"code": code, "name": "Anna", "password": "no"})
    assert wrong.status_code == 422 and "not the name and password" in wrong.get_data(as_text=True)
    moved = browser.post("/wizard/take-over", data={"code": code, "name": "Anna", "password": PASSWORD})
    assert moved.status_code == 303
    assert "Welcome back" in browser.get("/").get_data(as_text=True)
    with Database(places.database).reading() as session:
        assert session.scalars(select(User.name)).all() == ["Anna"]
    assert browser.get("/wizard/take-over").status_code == 302  # it has an owner now
