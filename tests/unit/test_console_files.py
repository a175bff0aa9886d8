"""The pages about files: every step without JavaScript, for the right person only."""

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from appliance.db import Database
from appliance.drives.layout import BIN
from appliance.drives.mounts import Mount
from appliance.library.models import BinnedFile
from appliance.people.models import Role
from appliance.places import Places
from tests.callers import PASSWORD, Caller
from tests.hot_drive import hand_over
from tests.unit.test_library_ingest import photo


@pytest.fixture
def hot(db: Database, places: Places, tmp_path: Path) -> Mount:
    return hand_over(db, places, tmp_path / "hot")


def browser_of(app: Flask, name: str) -> FlaskClient:
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    client.post("/api/v1/session", json={"name": name, "password": PASSWORD})
    return client


@pytest.fixture
def anna(app: Flask, admin: Caller) -> FlaskClient:
    return browser_of(app, "Anna")


@pytest.fixture
def ben(app: Flask, admin: Caller, caller: Callable[..., Caller]) -> FlaskClient:
    caller("Ben", Role.MEMBER)
    return browser_of(app, "Ben")


def write(hot: Mount, name: str, content: bytes = b"x") -> Path:
    path = hot.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def post(client: FlaskClient, path: str, /, *, follow: bool = True, **form: Any) -> TestResponse:
    data = {"drive": "HOT-1"} | form
    return client.post(f"/files/{path}", data=data, follow_redirects=follow, buffered=True)


def get(client: FlaskClient, address: str, **more: Any) -> TestResponse:
    return client.get(address, buffered=True, **more)


def test_the_folder_is_listed_with_sizes_and_the_way_back(anna: FlaskClient, hot: Mount) -> None:
    write(hot, "Anna/Files/Tax & Co/letter.txt", b"x" * 2048)
    write(hot, "Anna/Files/a.jpg.xmp")
    write(hot, "Anna/Files/a.jpg")
    start = get(anna, "/files/").text
    assert "My files" in start and "Family" in start and "Bin" in start
    page = get(anna, "/files/folder?drive=HOT-1&path=Anna/Files").text
    assert "Tax &amp; Co" in page and "a.jpg" in page and "a.jpg.xmp" not in page
    inside = get(anna, "/files/folder?drive=HOT-1&path=Anna/Files/Tax%2520%2526%2520Co").text
    assert "letter.txt" in inside and "2.0 kB" in inside and "My files" in inside


def test_names_that_are_no_text_can_be_opened_renamed_and_deleted(anna: FlaskClient, hot: Mount, db: Database) -> None:
    path = hot.path / "Anna"
    path.mkdir()
    with open(bytes(path) + b"/caf\xe9.txt", "wb") as file:
        file.write(b"latin")
    page = get(anna, "/files/folder?drive=HOT-1&path=Anna").text
    assert "caf\\xe9.txt" in page
    address = re.search(r'href="(/files/file\?[^"]*)"', page)
    assert address and get(anna, address[1].replace("&amp;", "&")).data == b"latin"
    assert post(anna, "rename", path="Anna/caf%E9.txt", name="café.txt").status_code == 200
    assert (path / "café.txt").read_bytes() == b"latin"


def test_a_file_is_answered_in_ranges_and_never_as_a_page(anna: FlaskClient, hot: Mount) -> None:
    write(hot, "Anna/page.html", b"<script>alert(1)</script>")
    got = get(anna, "/files/file?drive=HOT-1&path=Anna/page.html", headers={"Range": "bytes=0-6"})
    assert (got.status_code, got.data) == (206, b"<script")
    assert got.headers["Content-Type"] == "application/octet-stream"
    assert got.headers["Content-Disposition"].startswith("attachment")
    write(hot, "Anna/a.jpg", photo())
    assert get(anna, "/files/file?drive=HOT-1&path=Anna/a.jpg").headers["Content-Type"] == "image/jpeg"


def test_nobody_sees_another_s_files_and_the_admin_neither(anna: FlaskClient, ben: FlaskClient, hot: Mount) -> None:
    write(hot, "Ben/secret.txt")
    write(hot, "Family/all.txt", b"all")
    for path in ("Ben", "Ben/secret.txt", "Anna/../Ben", "Anna/%2e%2e/Ben", ".everpx", "%2E%2E", ""):
        assert get(anna, f"/files/folder?drive=HOT-1&path={path}").status_code == 404
        assert get(anna, f"/files/file?drive=HOT-1&path={path}").status_code == 404
        assert post(anna, "zip", path=path).status_code == 404
        assert post(anna, "delete", path="Anna", paths=path).status_code == 200  # told on the page, nothing done
    assert (hot.path / "Ben/secret.txt").exists()
    for one in (anna, ben):
        assert get(one, "/files/file?drive=HOT-1&path=Family/all.txt").data == b"all"


def test_a_new_folder_is_made_and_a_bad_name_is_told_at_its_field(anna: FlaskClient, hot: Mount) -> None:
    made = post(anna, "new-folder", path="Family", name="Holiday 2026")
    assert "The folder is ready." in made.text and (hot.path / "Family/Holiday 2026").is_dir()
    bad = post(anna, "new-folder", path="Family", name="Holiday: 2027")
    assert bad.status_code == 422 and "This name has a character that Windows drives do not allow." in bad.text
    assert 'value="Holiday: 2027"' in bad.text and 'aria-invalid="true"' in bad.text
    again = post(anna, "new-folder", path="Family", name="holiday 2026")
    assert again.status_code == 422 and "There is already something called" in again.text


def test_renaming_keeps_what_was_typed_when_it_cannot_be(anna: FlaskClient, hot: Mount) -> None:
    write(hot, "Anna/a.txt", b"a")
    assert 'value="a.txt"' in get(anna, "/files/rename?drive=HOT-1&path=Anna/a.txt").text
    bad = post(anna, "rename", path="Anna/a.txt", name="con")
    assert bad.status_code == 422 and 'value="con"' in bad.text and "kept by Windows" in bad.text
    assert "called “b.txt” now" in post(anna, "rename", path="Anna/a.txt", name="b.txt").text
    assert (hot.path / "Anna/b.txt").read_bytes() == b"a"


def test_many_are_moved_by_walking_to_a_folder(anna: FlaskClient, hot: Mount) -> None:
    for name in ("a", "b", "c"):
        write(hot, f"Anna/{name}")
    write(hot, "Anna/Old/Deep/x")
    ticked = {"path": "Anna", "paths": ["Anna/a", "Anna/b"]}
    page = post(anna, "where-to", **ticked).text
    assert "Move or copy 2 things" in page and "Old" in page and "disabled" in page
    deep = post(anna, "where-to", **ticked, into="Anna/Old").text
    assert "Deep" in deep and "Move to “Old”" in deep
    assert "2 things were moved here." in post(anna, "move", **ticked, into="Anna/Old/Deep").text
    assert sorted(path.name for path in (hot.path / "Anna/Old/Deep").iterdir()) == ["a", "b", "x"]
    assert "Choose at least one." in post(anna, "move", path="Anna", into="Anna/Old").text
    stays = post(anna, "move", path="Anna", paths="Anna/Old", into="Anna/Old/Deep").text
    assert "“Old” cannot be moved into itself." in stays


def test_things_are_copied_and_taken_to_another_drive(
    anna: FlaskClient, hot: Mount, db: Database, places: Places, tmp_path: Path
) -> None:
    second = hand_over(db, places, tmp_path / "second", number=2)
    write(hot, "Anna/Trip/a.txt", b"a")
    ticked = {"path": "Anna", "paths": ["Anna/Trip"]}
    assert "HOT-2:Anna" in post(anna, "where-to", **ticked).text
    there = post(anna, "where-to", **ticked, into="HOT-2:Anna").text
    assert "Copy to “My files”" in there
    assert "1 thing was copied here." in post(anna, "copy", **ticked, into="HOT-2:Anna").text
    assert (second.path / "Anna/Trip/a.txt").read_bytes() == b"a" == (hot.path / "Anna/Trip/a.txt").read_bytes()
    assert "1 thing was moved here." in post(anna, "move", **ticked, into="HOT-2:Family").text
    assert (second.path / "Family/Trip/a.txt").exists() and not (hot.path / "Anna/Trip").exists()
    assert "There is no such folder" in post(anna, "copy", path="Family", paths="Family/x", into="HOT-2:Ben").text
    assert not (second.path / "Ben").exists()


def test_what_is_deleted_can_be_undone_from_the_notice_and_from_the_bin(
    anna: FlaskClient, hot: Mount, db: Database
) -> None:
    write(hot, "Anna/a.txt", b"a")
    write(hot, "Anna/Old/b.txt", b"b")
    page = post(anna, "delete", path="Anna", paths=["Anna/a.txt", "Anna/Old"]).text
    assert "2 things are in the bin." in page and "Undo" in page and not (hot.path / "Anna/a.txt").exists()
    ids = re.findall(r'name="ids" value="(\d+)"', page)
    assert "a.txt" in get(anna, "/files/bin").text
    assert "2 things are back." in post(anna, "bin/bring-back", ids=ids).text
    assert (hot.path / "Anna/Old/b.txt").read_bytes() == b"b"
    post(anna, "delete", path="Anna", paths="Anna/a.txt")
    assert "1 thing is gone for good." in post(anna, "bin/empty").text
    assert list((hot.path / BIN).iterdir()) == [] and "The bin is empty" in get(anna, "/files/bin").text
    with db.reading() as session:
        assert session.scalars(select(BinnedFile)).all() == []


def test_another_s_bin_is_neither_shown_nor_emptied(
    anna: FlaskClient, ben: FlaskClient, hot: Mount, db: Database
) -> None:
    write(hot, "Anna/hers.txt")
    write(hot, "Family/all.txt")
    post(anna, "delete", path="Anna", paths="Anna/hers.txt")
    post(anna, "delete", path="Family", paths="Family/all.txt")
    page = get(ben, "/files/bin").text
    assert "all.txt" in page and "hers.txt" not in page
    with db.reading() as session:
        ids = {row.path: str(row.id) for row in session.scalars(select(BinnedFile))}
    post(ben, "bin/empty", ids=list(ids.values())[:1])
    assert "There is no such file." in post(ben, "bin/bring-back", ids=ids[b"Anna/hers.txt"]).text
    assert "1 thing is back." in post(ben, "bin/bring-back", ids=ids[b"Family/all.txt"]).text
    assert post(ben, "bin/empty").status_code == 200
    with db.reading() as session:
        assert [row.path for row in session.scalars(select(BinnedFile))] == [b"Anna/hers.txt"]


def test_a_zip_of_what_was_ticked_says_how_long_it_is(anna: FlaskClient, hot: Mount) -> None:
    write(hot, "Anna/a.txt", b"a" * 100_000)
    write(hot, "Anna/Old/b.txt", b"b")
    got = post(anna, "zip", path="Anna", paths=["Anna/a.txt", "Anna/Old"])
    assert int(got.headers["Content-Length"]) == len(got.data)
    archive = zipfile.ZipFile(io.BytesIO(got.data))
    assert archive.namelist() == ["a.txt", "Old/b.txt", "About this download.txt"]
    assert "All of its files are complete." in archive.read("About this download.txt").decode()
    whole = post(anna, "zip", path="Anna/Old")
    assert "Old.zip" in whole.headers["Content-Disposition"]


def test_only_a_few_zips_are_made_at_once_and_each_lets_the_next_one_in(
    anna: FlaskClient, hot: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(hot, "Anna/a.txt", b"a")
    for _ in range(5):
        assert post(anna, "zip", path="Anna").status_code == 200
    running = [anna.post("/files/zip", data={"drive": "HOT-1", "path": "Anna"}, buffered=False) for _ in range(3)]
    busy = post(anna, "zip", path="Anna")
    assert busy.status_code == 503 and "Several downloads are already under way." in busy.text
    running[0].close()
    assert post(anna, "zip", path="Anna").status_code == 200
    for answer in running:
        answer.close()


def test_files_are_added_to_a_folder_also_when_they_are_elsewhere_already(
    anna: FlaskClient, admin: Caller, hot: Mount
) -> None:
    (hot.path / "Family").mkdir()
    content = photo()
    for _ in range(2):
        form = {"drive": "HOT-1", "folder": "Family", "files": (io.BytesIO(content), "a.jpg")}
        sent = anna.post("/photos/upload", data=form, follow_redirects=True)
        assert "safe on the drive" in sent.text
    assert [path.name for path in (hot.path / "Family").iterdir()] == ["a.jpg"]
    anna.post("/photos/upload", data={"files": (io.BytesIO(content), "a.jpg")}, follow_redirects=True)
    assert len(list(hot.path.rglob("a.jpg"))) == 1, "sorted by date, it is known"
    page = get(anna, "/photos/upload?drive=HOT-1&folder=Family").text
    assert 'data-folder="/Family"' in page and "Add files to “Family”" in page
    assert get(anna, "/photos/upload?drive=HOT-1&folder=Ben").status_code == 404


def test_a_long_folder_is_shown_in_pages(anna: FlaskClient, hot: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.files.views.SHOWN", 3)
    for number in range(5):
        write(hot, f"Anna/{number}.txt", b"x" * number)
    first = get(anna, "/files/folder?drive=HOT-1&path=Anna&sort=largest").text
    assert "4.txt" in first and "1.txt" not in first
    link = re.search(r'href="([^"]*from=3[^"]*)"', first)
    assert link
    query = parse_qs(urlsplit(link[1].replace("&amp;", "&")).query)
    assert query["sort"] == ["largest"]
    assert "1.txt" in get(anna, link[1].replace("&amp;", "&")).text


def test_without_a_drive_the_page_says_so(anna: FlaskClient) -> None:
    assert "No drive is connected" in get(anna, "/files/").text
