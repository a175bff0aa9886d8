"""Files and the bin by the API, and photos as one ZIP."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import update

from appliance.db import Database
from appliance.drives.mounts import Mount
from appliance.library.models import Media
from appliance.people.models import Role
from appliance.places import Places
from tests.callers import Caller
from tests.hot_drive import hand_over
from tests.unit.test_library_ingest import photo
from tests.unit.test_library_uploads import send


@pytest.fixture
def hot(db: Database, places: Places, tmp_path: Path) -> Mount:
    return hand_over(db, places, tmp_path / "hot")


def read(answer: bytes) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(answer))


def test_files_are_listed_read_renamed_moved_deleted_and_brought_back(admin: Caller, hot: Mount) -> None:
    assert [each["path"] for each in admin("GET", "/folders").json] == ["Anna", "Family"]
    made = admin("POST", "/folders", {"drive": "HOT-1", "path": "Anna", "name": "100% mine"})
    assert made.status_code == 201 and made.json == {"drive": "HOT-1", "path": "Anna/100%25%20mine"}
    (hot.path / "Anna/a.txt").write_text("hello")
    (listed,) = [each for each in admin("GET", "/folders/entries?drive=HOT-1&path=Anna").json if not each["folder"]]
    assert (listed["name"], listed["size"], listed["path"]) == ("a.txt", 5, "Anna/a.txt")
    where = {"drive": "HOT-1", "paths": ["Anna/a.txt"]}
    copied = admin("POST", "/folders/copy", where | {"into": "Family"}).json
    assert copied == {"places": [{"drive": "HOT-1", "path": "Family/a.txt"}], "job": None, "left": []}
    (moved,) = admin("POST", "/folders/move", where | {"into": made.json["path"]}).json["places"]
    renamed = admin("POST", "/folders/rename", moved | {"name": "b.txt"}).json
    with admin("GET", "/folders/file?drive=HOT-1&path=Anna/100%2525%2520mine/b.txt") as answer:
        assert answer.data == b"hello"
    bad = admin("POST", "/folders/rename", renamed | {"name": "b:txt"})
    assert bad.status_code == 422 and bad.json["problems"] == {
        "name": "This name has a character that Windows drives do not allow."
    }
    archive = admin("POST", "/folders/zip", {"drive": "HOT-1", "paths": ["Anna"]}).data
    assert read(archive).namelist()[0] == "Anna/100% mine/b.txt"
    (binned,) = admin("POST", "/folders/delete", {"drive": "HOT-1", "paths": [made.json["path"]]}).json
    assert admin("GET", "/bin").json == [binned]
    assert admin("POST", "/bin/bring-back", {"ids": [binned["id"]]}).json == [made.json]
    (again,) = admin("POST", "/folders/delete", {"drive": "HOT-1", "paths": [made.json["path"]]}).json
    assert admin("POST", "/bin/empty", {"ids": [again["id"]]}).status_code == 204
    assert admin("GET", "/bin").json == []


def test_another_persons_files_and_bin_are_not_reached(
    admin: Caller, caller: Callable[..., Caller], hot: Mount
) -> None:
    ben = caller("Ben", Role.MEMBER)
    (hot.path / "Ben").mkdir()
    (hot.path / "Ben/x").write_text("x")
    (binned,) = ben("POST", "/folders/delete", {"drive": "HOT-1", "paths": ["Ben/x"]}).json
    for path in ("Ben", "Ben/x", "Anna/..", "%2e%2e"):
        assert admin("GET", f"/folders/entries?drive=HOT-1&path={path}").status_code == 404
        assert admin("POST", "/folders/delete", {"drive": "HOT-1", "paths": [path]}).status_code == 404
    assert admin("GET", "/bin").json == []
    assert admin("POST", "/bin/bring-back", {"ids": [binned["id"]]}).status_code == 404
    admin("POST", "/bin/empty", {"ids": [binned["id"]]})
    assert ben("GET", "/bin").json == [binned]


def test_a_file_is_stored_in_the_folder_that_was_chosen_and_in_no_other(admin: Caller, hot: Mount) -> None:
    (hot.path / "Family").mkdir()
    into = "/api/v1/files/a.jpg?drive=HOT-1&folder=/Family"
    assert send(admin, "PUT", into, photo()).json["path"] == "Family/a.jpg"
    assert send(admin, "PUT", into, photo()).json["known"] is True
    assert send(admin, "PUT", "/api/v1/files/a.jpg?drive=HOT-1&folder=/Anna/x", photo()).json["path"] == "Anna/x/a.jpg"
    for folder in ("/Ben", "/", "/Anna/../Ben", "/.everpx/bin"):
        refused = send(admin, "PUT", f"/api/v1/files/a.jpg?drive=HOT-1&folder={folder}", photo())
        assert refused.status_code == 404
    assert {path.name for path in hot.path.iterdir() if path.is_dir()} == {"Anna", "Family", ".everpx"}


def test_photos_by_id_come_as_one_zip_as_far_as_one_may_see_them(
    admin: Caller, caller: Callable[..., Caller], hot: Mount, db: Database
) -> None:
    ben = caller("Ben", Role.MEMBER)
    hers = [send(admin, "PUT", "/api/v1/files/IMG.jpg", photo(colour=colour)).json for colour in ("red", "blue")]
    his = send(ben, "PUT", "/api/v1/files/IMG.jpg", photo(colour="green")).json
    ids = [each["id"] for each in [*hers, his]]
    archive = read(admin("POST", "/media/zip", {"ids": ids}).data)
    assert archive.namelist() == ["IMG.jpg", "IMG (2).jpg", "About this download.txt"]
    with db.writing() as session:
        session.execute(update(Media).where(Media.id == his["id"]).values(shared=True))
    (hot.path / hers[0]["path"]).unlink()
    archive = read(admin("POST", "/media/zip", {"ids": ids}).data)
    assert len(archive.namelist()) == 3
    assert "IMG.jpg" in archive.read("About this download.txt").decode()
    assert ben("POST", "/media/zip", {"ids": ids[:2]}).status_code == 404
