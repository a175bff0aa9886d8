"""Imports by the API, and who may: a member brings in what is theirs, sees their own imports, and nobody else's."""

import json

import pytest

from appliance.db import Database
from appliance.jobs.models import JobState
from appliance.places import Places
from plugins.importer.models import ImportRun, ImportSource, SourceKind
from tests.callers import Caller
from tests.hot_drive import hand_over
from tests.photos import jpeg
from tests.unit.test_import_pages import work

RUNS = "/plugins/importer/runs"


@pytest.fixture
def hot(db: Database, places: Places) -> int:
    """A HOT drive where Anna, Ben and the family have photos in a folder."""
    drive = hand_over(db, places, places.data / "hot")
    for number, owner in enumerate(("Anna", "Ben", "Family")):
        folder = drive.path / owner / "Files" / "Old"
        folder.mkdir(parents=True)
        for count in range(3):
            (folder / f"IMG_{count}.jpg").write_bytes(jpeg(10 * number + count))
        (folder / "broken.zip").write_bytes(b"PK\3\4 and no end")
    return drive.drive_id


def test_a_member_imports_from_a_folder_of_their_own_from_the_look_to_the_end(
    member: Caller, admin: Caller, hot: int, db: Database, places: Places
) -> None:
    sources = member("GET", "/plugins/importer/sources").json
    assert [one["drive_id"] for one in sources["hot"]] == [hot] and sources["drives"] == []
    assert [one["name"] for one in sources["people"]] == ["Ben"]
    asked = member("POST", "/plugins/importer/looks/folder", {"drive_id": hot, "folder": "Ben/Files/Old"})
    assert (asked.status_code, asked.json["state"], asked.json["person"]) == (202, "looking", "Ben")
    run = f"{RUNS}/{asked.json['id']}"
    assert member("POST", f"{run}/import", {}).status_code == 409  # there is no report yet
    assert work(db, places).state is JobState.DONE
    told = member("GET", run).json
    assert (told["state"], told["report"]["new"], told["report"]["unreadable"]) == ("ready", 3, 1)
    (broken,) = member("GET", f"{run}/files?state=unreadable").json
    assert broken["path"] == "broken.zip" and "incomplete" in broken["why"]
    first = member("GET", f"{run}/files?state=new&limit=2").json
    rest = member("GET", f"{run}/files?state=new&limit=2&after={first[-1]['id']}").json
    assert [one["path"] for one in first + rest] == [f"IMG_{n}.jpg" for n in range(3)]
    assert member("POST", f"{run}/import", {}).status_code == 202
    assert work(db, places).state is JobState.DONE
    done = member("GET", run).json
    assert done["state"] == "done" and done["result"]["done"] == 3 and done["job"]["state"] == "done"
    assert len(list((places.data / "hot" / "Ben" / "Photos").rglob("*.jpg"))) == 3
    assert not (places.data / "hot" / "Anna" / "Photos").exists()
    assert admin("GET", RUNS).json == [] and admin("GET", run).status_code == 404
    for change in ("import", "again", "cancel"):
        assert admin("POST", f"{run}/{change}", {}).status_code == 404


def test_a_look_can_be_cancelled_and_made_again(member: Caller, hot: int, db: Database, places: Places) -> None:
    asked = member("POST", "/plugins/importer/looks/folder", {"drive_id": hot, "folder": "Family/Files/Old"}).json
    stopped = member("POST", f"{RUNS}/{asked['id']}/cancel", {})
    assert (stopped.status_code, stopped.json["state"]) == (202, "stopped")
    assert member("POST", f"{RUNS}/{asked['id']}/cancel", {}).status_code == 409
    again = member("POST", f"{RUNS}/{asked['id']}/again", {}).json
    assert again["id"] != asked["id"] and work(db, places).state is JobState.DONE
    assert [run["id"] for run in member("GET", RUNS).json] == [again["id"], asked["id"]]
    assert [run["id"] for run in member("GET", f"{RUNS}?before={again['id']}").json] == [asked["id"]]
    assert member("GET", f"{RUNS}?limit=0").status_code == 422


@pytest.mark.parametrize("folder", ["Anna/Files/Old", "anna/files/old", "ANNA", "./Anna", "Nobody/Files", "Bens/Files"])
def test_a_member_cannot_read_what_is_not_theirs(member: Caller, admin: Caller, hot: int, folder: str) -> None:
    answer = member("POST", "/plugins/importer/looks/folder", {"drive_id": hot, "folder": folder})
    assert answer.status_code == 422 and "Ben/Files/Takeout" in answer.json["problems"]["folder"]


@pytest.mark.parametrize("folder", ["Ben/../Anna/Files", "..", "Ben/..", "/", ".everpx/bin", "\\\\..\\Anna"])
def test_no_way_leads_out_of_a_folder(member: Caller, hot: int, folder: str) -> None:
    answer = member("POST", "/plugins/importer/looks/folder", {"drive_id": hot, "folder": folder})
    assert answer.status_code == 422 and set(answer.json["problems"]) == {"folder"}


def test_a_link_into_another_persons_folder_is_not_followed(
    member: Caller, hot: int, db: Database, places: Places
) -> None:
    (places.data / "hot" / "Ben" / "Files" / "link").symlink_to("../../Anna/Files/Old")
    asked = {"drive_id": hot, "folder": "Ben/Files/link"}
    assert member("POST", "/plugins/importer/looks/folder", asked).status_code == 202
    assert work(db, places).state is JobState.FAILED
    asked = {"drive_id": hot, "folder": "Ben/Files"}
    run = member("POST", "/plugins/importer/looks/folder", asked).json
    assert work(db, places).state is JobState.DONE
    assert member("GET", f"{RUNS}/{run['id']}").json["report"]["new"] == 3


def test_a_member_brings_in_for_nobody_else(member: Caller, admin: Caller, hot: int) -> None:
    theirs = {"user_id": admin.user.id}
    for path, body in (
        ("folder", {"drive_id": hot, "folder": "Ben/Files/Old"}),
        ("share", {"host": "127.0.0.1", "share": "photos"}),
        ("drive", {"device": "sdx1"}),
    ):
        assert member("POST", f"/plugins/importer/looks/{path}", body | theirs).status_code == 403, path


def test_an_admin_does_not_look_into_the_folder_of_somebody_who_is_here(
    admin: Caller, member: Caller, hot: int
) -> None:
    body = {"drive_id": hot, "folder": "Ben/Files/Old"}
    answer = admin("POST", "/plugins/importer/looks/folder", body)
    assert answer.status_code == 422 and "Ben’s" in answer.json["problems"]["folder"]
    for folder in ("Anna/Files/Old", "Family/Files/Old", "Old scans"):
        body = {"drive_id": hot, "folder": folder, "user_id": member.user.id}
        assert admin("POST", "/plugins/importer/looks/folder", body).status_code == 202, folder
    assert len(member("GET", RUNS).json) == 3  # they become Ben's photos, so he sees them


def test_a_password_is_never_told_again(member: Caller, hot: int, db: Database, places: Places) -> None:
    body = {"host": "127.0.0.1", "share": "photos", "port": 9, "user": "ben", "password": "s3cret-word", "keep": True}
    run = member("POST", "/plugins/importer/looks/share", body).json
    assert work(db, places).error_code == "import_source_gone"
    again = member("POST", f"{RUNS}/{run['id']}/again", {"password": "an0ther"})
    assert again.status_code == 202 and "s3cret" not in again.text and "an0ther" not in again.text
    assert "s3cret" not in json.dumps(member("GET", RUNS).json)
    assert b"s3cret" not in b"".join(path.read_bytes() for path in places.data.rglob("*") if path.is_file())


def test_a_card_is_an_admins_to_give_and_then_its_persons(member: Caller, admin: Caller, db: Database) -> None:
    with db.writing() as session:
        for user in (member.user, admin.user):
            source = ImportSource(
                user_id=user.id, kind=SourceKind.DRIVE, key=f"drive:{user.name}", title=user.name, place={}
            )
            session.add(source)
            session.flush()
            session.add(ImportRun(source_id=source.id))  # a card that was looked at by itself
    assert [run["person"] for run in member("GET", RUNS).json] == ["Ben"]
    assert {run["person"] for run in admin("GET", RUNS).json} == {"Anna", "Ben"}
    assert member("POST", "/plugins/importer/looks/drive", {"device": "sdx1"}).status_code == 404
