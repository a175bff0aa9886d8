"""The import pages without JavaScript: what is chosen is looked at, told and brought in; and what is wrong is said."""

import pytest
from flask import Flask

from appliance import plugin
from appliance.broker.client import Broker
from appliance.db import Database
from appliance.errors import BrokerUnavailable
from appliance.jobs import runner
from appliance.jobs.models import Job, JobState
from appliance.jobs.progress import Progress
from appliance.people import service as people
from appliance.people.audit import By
from appliance.people.models import Role
from appliance.places import Places
from plugins.importer import secrets
from plugins.importer.models import ImportRun, ImportSource
from tests.browsers import Browser
from tests.callers import PASSWORD
from tests.hot_drive import hand_over
from tests.photos import jpeg


@pytest.fixture
def anna(app: Flask, db: Database, places: Places) -> Browser:
    """An admin, and a HOT drive with a folder of photos."""
    with db.writing() as session:
        people.add(session, By(), name="Anna", password=PASSWORD, role=Role.ADMIN)
    hot = hand_over(db, places, places.data / "hot")
    folder = hot.path / "Anna" / "Files" / "Old"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"IMG_{number}.jpg").write_bytes(jpeg(number))
    (folder / "broken.zip").write_bytes(b"PK\3\4 and no end")
    return Browser(app, "Anna")


def work(db: Database, places: Places) -> Job:
    """Run the newest job."""

    def nobody(*_: object) -> dict[str, object]:
        raise BrokerUnavailable()

    broker: Broker = nobody
    with db.reading() as session:
        newest = session.query(ImportRun).order_by(ImportRun.id.desc()).first()
    assert newest is not None and newest.job_id is not None
    job = runner.claim(db, newest.job_id)
    assert job is not None
    runner.run(db, Progress(db, broker, places, job), job)
    with db.reading() as session:
        return session.get_one(Job, job.id)


def test_a_folder_is_looked_at_told_and_brought_in(anna: Browser, db: Database, places: Places) -> None:
    assert "Whose photos they become" in anna.get("/plugins/importer/").text
    answer = anna.post("/plugins/importer/folder", drive_id=1, folder="Anna/Files/Old", user_id=1)
    page = anna.follow(answer)
    assert "Looking at" in page and "Cancel" in page
    address = answer.headers["Location"]
    live = anna.get(address, headers={"HX-Request": "true"})
    assert live.status_code == 200 and "Cancel" in live.text and "<html" not in live.text
    assert work(db, places).state is JobState.DONE
    told = anna.get(address).text
    assert "3 are new" in told and "3 without a date" in told and "1 cannot be read" in told
    assert "broken.zip" in told and "it is incomplete or damaged" in told
    assert "Importing from" in anna.follow(anna.post(f"{address}/import"))
    assert work(db, places).state is JobState.DONE
    done = anna.get(address).text
    assert "3 photos and videos came in." in done
    assert "3 came in" in anna.get("/plugins/importer/").text
    assert "Something else is using this" in anna.follow(anna.post(f"{address}/import"))  # it is done
    assert len(list((places.data / "hot" / "Anna" / "Photos").rglob("*.jpg"))) == 3


def test_what_is_wrong_is_said_beside_its_field_and_what_was_typed_stays(anna: Browser) -> None:
    answer = anna.post("/plugins/importer/share", host="-", share="a/b", folder_there="../x", port="0", user_id=1)
    assert answer.status_code == 422
    for words in ("address of the other computer", "name of the share", "a folder of the share", "between 1 and 65535"):
        assert words in answer.text
    answer = anna.post("/plugins/importer/folder", drive_id=1, folder="../../etc", user_id=1)
    assert answer.status_code == 422 and "../../etc" in answer.text


def test_a_password_is_in_no_row_unless_it_shall_be_kept_and_then_encrypted(
    anna: Browser, db: Database, places: Places
) -> None:
    form = {
        "host": "127.0.0.1",
        "share": "photos",
        "port": "9",
        "user": "anna",
        "user_id": 1,
        "password": "s3cret-word",
    }
    anna.post("/plugins/importer/share", **form)
    with db.reading() as session:
        source = session.query(ImportSource).one()
    assert source.secret is None and secrets.password_of(places, source) == "s3cret-word"
    assert b"s3cret-word" not in b"".join(path.read_bytes() for path in places.data.rglob("*") if path.is_file())
    job = work(db, places)
    assert job.state is JobState.FAILED and job.error_code == "import_source_gone"
    secrets.forget(places, source.id)
    assert secrets.password_of(places, source) is None
    anna.post("/plugins/importer/share", **form, keep="on")
    with db.reading() as session:
        source = session.query(ImportSource).one()
    secrets.forget(places, source.id)
    assert source.secret and b"s3cret" not in source.secret and secrets.password_of(places, source) == "s3cret-word"
    places.secret_key.write_bytes(b"x" * 32)
    assert secrets.password_of(places, source) is None


@pytest.mark.parametrize("page", ["/photos/upload", "/photos/", "/more"])
def test_it_is_where_people_look_for_it_also_for_members(anna: Browser, app: Flask, db: Database, page: str) -> None:
    with db.writing() as session:
        people.add(session, By(), name="Ben", password=PASSWORD)
    ben = Browser(app, "Ben")
    assert 'href="/plugins/importer/"' in ben.get(page).text
    form = ben.get("/plugins/importer/").text
    assert "Ben/Files/Takeout" in form and "Whose photos they become" not in form
    assert "An admin says once whose photos are on it" in form
    with db.writing() as session:
        plugin.switch(session, "importer", on=False)
    plugin.load(db)
    assert "/plugins/importer/" not in ben.get(page).text
