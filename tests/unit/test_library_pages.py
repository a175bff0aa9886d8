"""The pages of the library: whole, in parts, without JavaScript, and for their owner only."""

import html
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from appliance.db import Database
from appliance.drives.mounts import Mount
from appliance.jobs.models import Job
from appliance.jobs.progress import Progress
from appliance.library.albums import service as albums
from appliance.library.filters import Filter
from appliance.library.jobs import make_previews
from appliance.library.models import Media, PreviewState
from appliance.people.models import Role
from appliance.places import Places
from appliance.words import Message
from tests.callers import PASSWORD, Caller
from tests.hot_drive import hand_over
from tests.unit.test_library_ingest import files, photo
from tests.unit.test_library_uploads import send


@pytest.fixture
def hot(db: Database, places: Places, tmp_path: Path) -> Mount:
    """An empty HOT drive."""
    return hand_over(db, places, tmp_path / "hot")


@pytest.fixture
def browser(app: Flask, admin: Caller) -> FlaskClient:
    """Anna's browser, signed in."""
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    client.post("/api/v1/session", json={"name": "Anna", "password": PASSWORD})
    return client


def stored(who: Caller, name: str = "IMG_1.jpg", content: bytes | None = None) -> int:
    """An uploaded file's id."""
    return int(send(who, "PUT", f"/api/v1/files/{name}", content or photo()).json["id"])


def prepare(db: Database, places: Places) -> None:
    """Run the preview job."""
    with db.writing() as session:
        job = Job(kind="library.previews", title=Message("Previews"), lock="p")
        session.add(job)
    make_previews(Progress(db, lambda verb, request: {}, places, job))


def test_an_empty_library_teaches_the_next_step(browser: FlaskClient, hot: Mount) -> None:
    page = browser.get("/photos/").text
    assert "Your photos will be here." in page and "/photos/upload" in page


def test_the_timeline_names_months_and_continues_for_htmx(
    browser: FlaskClient, admin: Caller, hot: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.library.timeline.PAGE", 3)
    monkeypatch.setattr("appliance.library.timeline.page.__defaults__", (None, 3))
    for number, month in enumerate(("07", "07", "07", "06", "06")):
        stored(admin, f"{number}.jpg", photo(f"2023:{month}:05 10:11:{number:02d}") + bytes([number]))
    page = browser.get("/photos/").text
    assert "July 2023" in page and "June 2023" not in page and page.count('class="cell') == 3
    address = page.split('class="older" hx-get="')[1].split('"')[0].replace("&amp;", "&")
    part = browser.get(address, headers={"HX-Request": "true"}).text
    assert "June 2023" in part and "July 2023" not in part and part.count('class="cell') == 2 and "<html" not in part
    whole = browser.get(address).text  # the same link without JavaScript
    assert "<html" in whole and whole.count('class="cell') == 2
    june = browser.get("/photos/?month=202306").text
    assert june.count('class="cell') == 2 and "style=" not in june


@pytest.mark.parametrize("query", ["after=x", "after=1-2-3", "month=0", "month=999999999999", "month=x", "seen=x"])
def test_a_query_that_makes_no_sense_begins_at_the_newest(
    browser: FlaskClient, admin: Caller, hot: Mount, query: str
) -> None:
    stored(admin)
    assert browser.get(f"/photos/?{query}").text.count('class="cell') == 1


def test_one_photo_with_preview_original_and_ranges(
    browser: FlaskClient, admin: Caller, hot: Mount, db: Database, places: Places, program: Callable[[str], str]
) -> None:
    media_id = stored(admin, "Käse 👍.jpg")
    assert "still being made" in browser.get(f"/photos/{media_id}").text
    assert browser.get(f"/photos/{media_id}/preview/320", buffered=True).status_code == 404
    prepare(db, places)
    page = browser.get(f"/photos/{media_id}").text
    assert "32 × 24" in page and "1 copy" in page and "on one drive only" in page
    small = browser.get(f"/photos/{media_id}/preview/320", buffered=True)
    assert small.status_code == 200 and small.data[8:12] == b"WEBP" and small.mimetype == "image/webp"
    assert browser.get(f"/photos/{media_id}/preview/99", buffered=True).status_code == 404
    whole = browser.get(f"/photos/{media_id}/original?download=1", buffered=True)
    assert whole.data == photo() and "attachment" in whole.headers["Content-Disposition"]
    assert "sandbox" in whole.headers["Content-Security-Policy"]
    part = browser.get(f"/photos/{media_id}/original", headers={"Range": "bytes=2-5"}, buffered=True)
    assert (part.status_code, part.data) == (206, photo()[2:6])


def test_what_cannot_be_decoded_is_told_and_kept(
    browser: FlaskClient, admin: Caller, hot: Mount, db: Database, places: Places
) -> None:
    media_id = stored(admin, "broken.jpg", photo()[:300])
    prepare(db, places)
    with db.reading() as session:
        assert session.scalars(select(Media.preview)).all() == [PreviewState.NONE]
    assert "The original is safe" in browser.get(f"/photos/{media_id}").text
    assert browser.get(f"/photos/{media_id}/original", buffered=True).data == photo()[:300]


def test_nobody_sees_anothers_photos(
    app: Flask,
    browser: FlaskClient,
    admin: Caller,
    caller: Callable[..., Caller],
    hot: Mount,
    db: Database,
    places: Places,
) -> None:
    ben = caller("Ben", Role.MEMBER)
    media_id = stored(ben)
    prepare(db, places)
    for path in ("", "/preview/320", "/preview/1600", "/original"):
        assert browser.get(f"/photos/{media_id}{path}", buffered=True).status_code == 404
    assert 'class="cell' not in browser.get("/photos/").text


def test_a_plain_form_uploads_too(browser: FlaskClient, hot: Mount) -> None:
    def form(*names: str) -> dict[str, object]:
        return {"files": [(io.BytesIO(photo() + name.encode()), name) for name in names]}

    answer = browser.post("/photos/upload", data=form("a.jpg", "../b.jpg"))
    assert answer.status_code == 303
    assert files(hot) == ["Anna/Photos/2023/2023-07/_.._b.jpg", "Anna/Photos/2023/2023-07/a.jpg"]
    assert "2 files are safe on the drive." in browser.get("/photos/").text
    again = browser.post("/photos/upload", data=form("a.jpg"), follow_redirects=True)
    assert "1 of them were here already" in again.text
    nothing = browser.post("/photos/upload", data={})
    assert nothing.status_code == 422 and "Choose at least one file." in nothing.text


def test_only_the_worker_that_hashes_may_compile_webassembly(browser: FlaskClient, hot: Mount) -> None:
    assert "'wasm-unsafe-eval'" in browser.get("/hash-worker.js").headers["Content-Security-Policy"]
    for page in ("/photos/upload", "/phone/", "/photos/"):
        assert "wasm" not in browser.get(page).headers["Content-Security-Policy"]
    assert "unsafe-inline" not in browser.get("/photos/upload").headers["Content-Security-Policy"]


def turns(page: str) -> dict[str, str]:
    """Where the arrows and Escape of a photo's page lead."""
    found = re.findall(r'href="([^"]+)" data-key="(\w+)"', page)
    return {key: html.unescape(address) for address, key in found}


def test_the_viewer_follows_the_list_that_it_was_opened_from_and_leads_back_to_the_place(
    browser: FlaskClient, admin: Caller, hot: Mount, db: Database
) -> None:
    ids = []
    for day in range(1, 8):
        ids.append(stored(admin, f"{day}.jpg", photo(f"2023:07:{day:02d} 10:11:12") + bytes([day])))
    odd = [ids[day] for day in (0, 2, 4, 6)]
    admin("POST", "/media/notes", {"ids": odd, "add_tags": ["sea"]})
    album = admin("POST", "/albums", {"title": "Trip"}).json["id"]
    admin("POST", f"/albums/{album}/items", {"ids": [ids[1], ids[5]]})
    with db.writing() as session:
        smart = albums.create(session, session.merge(admin.user), "Sea", chosen=Filter(words="sea")).id
    lists = {
        "/photos/": ids[::-1],
        "/photos/search?words=sea": odd[::-1],
        f"/albums/{album}": [ids[1], ids[5]],
        f"/albums/{smart}": odd[::-1],
    }
    for address, inside in lists.items():
        shown = re.findall(r'class="cell[^"]*" id="p(\d+)" href="([^"]+)"', browser.get(address).text)
        assert [int(media_id) for media_id, _ in shown] == inside, address
        here = html.unescape(shown[0][1])
        for media_id in inside:
            leads = turns(browser.get(here).text)
            assert leads["Escape"].partition("#") == (address, "#", f"p{media_id}")
            here = leads.get("ArrowRight", "")
        assert not here
    with db.writing() as session:
        session.execute(update(Media).values(preview=PreviewState.READY))
    folder = browser.get("/files/folder?drive=HOT-1&path=Anna/Photos/2023/2023-07").text
    assert "in=folder" in folder
    leads = turns(browser.get(f"/photos/{ids[2]}?in=folder").text)
    assert leads["ArrowLeft"] == f"/photos/{ids[1]}?in=folder" and leads["Escape"].startswith(
        "/files/folder?drive=HOT-1"
    )


def test_the_way_back_from_far_down_begins_with_the_photo(
    browser: FlaskClient, admin: Caller, hot: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.library.search.PAGE", 2)
    monkeypatch.setattr("appliance.library.search.page.__defaults__", (None, 2))
    ids = [stored(admin, f"{d}.jpg", photo(f"2023:07:{d:02d} 10:11:12") + bytes([d])) for d in range(1, 8)]
    leads = turns(browser.get(f"/photos/{ids[1]}?in=search").text)
    assert leads["ArrowLeft"].startswith(f"/photos/{ids[2]}?") and leads["ArrowRight"].startswith(f"/photos/{ids[0]}?")
    there = browser.get(leads["Escape"].partition("#")[0]).text
    assert re.findall(r'id="p(\d+)"', there)[0] == str(ids[1]) and "To the newest" in there


@pytest.mark.parametrize("query", ["in=day&day=x", "in=day&day=2023-07-05", "in=x", "in=search&since=x", "album=0"])
def test_a_list_that_makes_no_sense_still_shows_the_photo(
    browser: FlaskClient, admin: Caller, hot: Mount, query: str
) -> None:
    media_id = stored(admin)
    assert browser.get(f"/photos/{media_id}?{query}").status_code in (200, 404)


def test_the_tab_of_a_page_is_marked_also_below_it(browser: FlaskClient, admin: Caller, hot: Mount) -> None:
    media_id = stored(admin)
    marked = re.compile(r'<a (?:class="tab" )?href="([^"]+)" aria-current="page"><svg')
    for address, tabs in {
        "/photos/": ["/photos/", "/photos/"],
        f"/photos/{media_id}": ["/photos/", "/photos/"],
        "/photos/search": ["/photos/", "/photos/"],
        "/photos/upload": ["/photos/upload", "/more"],
        "/files/bin": ["/files/", "/more"],
        "/system/settings": ["/system/", "/more"],
        "/phone/ledger": ["/phone/", "/phone/"],
        "/activity/": ["/more"],
    }.items():
        page = browser.get(address).text
        both = page.split("<main")[0] + page.split('class="bottom"')[1]
        assert marked.findall(both) == tabs, address
