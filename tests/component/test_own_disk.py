"""The station's own disk is full, or cannot be read: who is signed in is told so, and nobody is shut out (F22, F23)."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from appliance import identity, reserve
from appliance.db import Database, now
from appliance.health import service as health
from appliance.health.models import Issue
from appliance.people import service, tokens
from appliance.people.audit import By
from appliance.people.models import ApiToken, Role, SignIn, User
from appliance.places import Places
from appliance.words import Message
from tests.browsers import Browser
from tests.callers import PASSWORD, Caller
from tests.root import need_root

pytestmark = pytest.mark.component


@pytest.fixture
def card(places: Places) -> Iterator[Path]:
    """A memory card of 24 MB, where all that the station knows lies."""
    need_root()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "card", str(places.data)], check=True, timeout=10)
    yield places.data
    subprocess.run(["umount", "-l", str(places.data)], check=True, timeout=10)


@pytest.fixture
def db(card: Path, places: Places, empty_database: Path) -> Iterator[Database]:
    shutil.copyfile(empty_database, places.database)
    opened = Database(places.database)
    yield opened
    opened.close()


@pytest.fixture
def app(db: Database, places: Places, quick_passwords: None) -> Flask:
    from console.app import create_app

    identity.create(places)
    with db.writing() as session:
        service.add(session, By(), name="Anna", password=PASSWORD, role=Role.ADMIN)
    return create_app(places)


def fill(card: Path, db: Database) -> None:
    """To the last byte; and nobody has been here for so long that it should be noted."""
    with db.writing() as session:
        for table, column in ((SignIn, SignIn.last_seen), (ApiToken, ApiToken.last_used)):
            session.execute(update(table).values({column: now() - timedelta(days=1)}))
    with db.engine.connect() as connection:
        connection.exec_driver_sql("pragma wal_checkpoint(truncate)")
    with (card / "filler").open("ab", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(b"x" * 4096)


def test_with_a_full_card_people_stay_signed_in_and_are_told(app: Flask, db: Database, card: Path) -> None:
    anna = Browser(app, "Anna")
    with db.writing() as session:
        owner = session.scalars(select(User)).one()
        _, text = tokens.create(session, By(), owner, "A test")
    program = Caller(app.test_client(), owner, text)
    fill(card, db)
    assert anna.get("/").status_code == 200
    assert program("GET", "/health").status_code == 200
    refused = program("PATCH", "/plugins/smb", {"enabled": True})
    assert (refused.status_code, refused.json["error"]) == (503, "own_disk_trouble")
    page = anna.post("/system/plugins/smb/switch", on="1")
    assert page.status_code == 503
    assert re.search(r"<h1>[^<]*own disk takes nothing[^<]*</h1>\s*<p>The photos", page.text)
    (card / "filler").unlink()
    assert program("PATCH", "/plugins/smb", {"enabled": True}).status_code == 200


def test_a_card_that_is_full_at_one_blow_has_room_to_note_it(
    db: Database, places: Places, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not reserve.keep(places.database), "on a card with so little room nothing is set aside"
    monkeypatch.setattr(reserve, "PLENTY", 2**20)
    monkeypatch.setattr(reserve, "BYTES", 8 * 2**20)
    assert reserve.keep(places.database) and reserve.keep(places.database)
    fill(card, db)
    full = health.Finding("own_disk_full", health.Severity.DANGER, message=Message("full"), hint=Message("room"))
    with pytest.raises(OperationalError), db.writing() as session:
        health.tell(session, full)
    with db.writing() as session:
        health.tell(session, full)
    with db.reading() as session:
        assert session.scalars(select(Issue.code)).all() == ["own_disk_full"]
    (card / "filler").unlink()
    assert reserve.keep(places.database), "and it comes back"


def test_a_card_that_cannot_be_read_is_told_and_nobody_is_sent_to_sign_in(
    app: Flask, db: Database, places: Places
) -> None:
    anna = Browser(app, "Anna")
    app.extensions["everpx"].db.close()
    places.database.rename(places.database.with_suffix(".away"))
    for more in ("-wal", "-shm"):
        Path(f"{places.database}{more}").unlink(missing_ok=True)
    places.database.mkdir()
    page = anna.get("/")
    assert page.status_code == 503 and "own disk takes nothing" in page.text
