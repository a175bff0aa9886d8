"""The phone: an app that can be installed, sends only what is new, and loses nothing on the way."""

import base64
import json
import os
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from playwright.sync_api import Browser, BrowserContext, BrowserType, CDPSession, Page, Response, expect

from tests.browser import walk
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.running_station import RunningStation

pytestmark = pytest.mark.browser
PHOTOS = Path("/usr/share/backgrounds/mate/nature")
ANDROID = (
    "Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0 Mobile Safari/537.36"
)
RATE = 3_000_000  # bytes a second
SENT_MS = 90_000


@pytest.fixture
def phone(chromium: Browser, station: RunningStation) -> Iterator[BrowserContext]:
    """Anna's phone, signed in."""
    context = chromium.new_context(
        locale="en-GB",
        viewport=PHONE,
        base_url=station.url,
        storage_state=station.states["Anna"],
        reduced_motion="reduce",
        user_agent=ANDROID,
    )
    context.set_default_timeout(20_000)
    yield context
    context.close()


def photos(folder: Path, count: int, salt: str) -> list[Path]:
    """Real photos that nobody has sent before: each with some bytes after its end."""
    made = []
    for number, source in zip(range(count), sorted(PHOTOS.glob("*.jpg")) * count, strict=False):
        path = folder / f"{salt}-{number:02}.jpg"
        path.write_bytes(source.read_bytes() + f"{salt} {number}".encode())
        made.append(path)
    return made


def digest(path: Path) -> str:
    return blake3(path.read_bytes()).hexdigest()


def opened(context: BrowserContext) -> Page:
    """The page, with its service worker in charge."""
    page = context.new_page()
    page.goto("/phone/")
    until(page, "() => navigator.serviceWorker.controller !== null")
    return page


def until(page: Page, true: str) -> None:
    """Until something is so; Playwright's own way needs eval, which our pages forbid."""
    end = time.monotonic() + 20
    while not page.evaluate(true):
        assert time.monotonic() < end, true
        page.wait_for_timeout(50)


def network(page: Page, **conditions: Any) -> CDPSession:
    session = page.context.new_cdp_session(page)
    usual = {"offline": False, "latency": 5, "downloadThroughput": -1, "uploadThroughput": -1}
    session.send("Network.emulateNetworkConditions", usual | conditions)
    return session


def begun_uploads(context: BrowserContext) -> list[str]:
    """The uploads that the station has begun for any page of this phone, from now on."""
    begun: list[str] = []

    def hear(answer: Response) -> None:
        if answer.request.method == "POST" and answer.url.endswith("/uploads") and answer.status == 201:
            begun.append(answer.headers["location"])

    context.on("response", hear)
    return begun


def found_offsets(context: BrowserContext) -> list[int]:
    """How far the station says that uploads are, from now on."""
    found: list[int] = []

    def hear(answer: Response) -> None:
        if answer.request.method == "HEAD" and "/uploads/" in answer.url and answer.ok:
            found.append(int(answer.headers["upload-offset"]))

    context.on("response", hear)
    return found


def test_a_phone_can_install_it(phone: BrowserContext) -> None:
    page = opened(phone)
    session = phone.new_cdp_session(page)
    told = session.send("Page.getAppManifest")
    assert told["errors"] == []
    facts = json.loads(told["data"])
    assert (facts["start_url"], facts["scope"], facts["display"]) == ("/phone/", "/", "standalone")
    assert {icon["purpose"] for icon in facts["icons"]} == {"any", "maskable"}
    for icon in facts["icons"]:
        answer = page.request.get(icon["src"])
        assert answer.headers["content-type"] == "image/png"
        width, height = (int.from_bytes(answer.body()[at : at + 4], "big") for at in (16, 20))
        assert f"{width}x{height}" == icon["sizes"]
    errors = [found["errorId"] for found in session.send("Page.getInstallabilityErrors")["installabilityErrors"]]
    assert [error for error in errors if error != "in-incognito"] == []  # every window of a test is such a one


@pytest.mark.parametrize("language", ["en", "zh"])
def test_without_the_station_the_app_says_so_in_the_reader_s_language(
    phone: BrowserContext, station: RunningStation, language: str
) -> None:
    phone.add_cookies([{"name": "language", "value": language, "url": station.url}])
    page = opened(phone)
    until(page, f"async () => await phoneStore.meta('language') === '{language}'")  # the page notes what it spoke
    phone.set_offline(True)
    page.goto("/photos/")
    words = {"en": "The station is not within reach.", "zh": "现在连不上小站。"}
    expect(page.get_by_role("heading", name=words[language])).to_be_visible()
    assert page.locator("html").get_attribute("lang") == {"en": "en", "zh": "zh-Hans"}[language]
    phone.set_offline(False)
    page.get_by_role("link").click()
    navigation = {"en": "Main, bottom", "zh": "底部主导航"}
    expect(page.get_by_role("navigation", name=navigation[language])).to_be_visible()


def test_nothing_of_anybody_is_kept_on_the_phone(phone: BrowserContext) -> None:
    page = opened(phone)
    for address in ("/", "/photos/", "/phone/"):
        page.goto(address)
    kept = page.evaluate(
        """async () => (await Promise.all((await caches.keys()).map(async (name) =>
             (await (await caches.open(name)).keys()).map((asked) => new URL(asked.url).pathname)))).flat()"""
    )
    assert {re.sub(r"^/(static|offline)/.*", r"\1", path) for path in kept} == {"static", "offline"}
    assert len(kept) < 8


def test_only_what_is_new_is_sent_although_the_connection_is_lost_and_the_page_is_closed(
    phone: BrowserContext, station: RunningStation, tmp_path: Path
) -> None:
    every = photos(tmp_path, 12, "walk")
    sender = phone.new_page()
    for path in every[:5]:
        walk.send(sender, station, path.name, path.read_bytes())
    sender.close()

    begun = begun_uploads(phone)
    page = opened(phone)
    session = network(page, uploadThroughput=RATE)
    page.locator("#files").set_input_files(every)
    expect(page.get_by_text("was here already")).to_have_count(5, timeout=30_000)
    expect(page.get_by_text("arrived", exact=True).first).to_be_visible(timeout=30_000)
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1},
    )
    expect(page.get_by_text("no connection; goes on by itself").first).to_be_visible()
    page.wait_for_timeout(500)
    page.close()

    page = opened(phone)
    expect(page.get_by_role("heading", name=re.compile(r"chosen earlier and (is|are) not sent yet"))).to_be_visible()
    page.locator("#files").set_input_files(every)
    expect(page.get_by_text("All 12 have arrived on the drive.")).to_be_visible(timeout=SENT_MS)
    expect(page.get_by_role("heading", name=re.compile("not sent yet"))).to_be_hidden()
    assert len(begun) == 7  # each new one was begun once, whatever happened in between
    stored = {path.name: digest(path) for path in station.hot.glob("Anna/Photos/**/walk-*.jpg")}
    assert stored == {path.name: digest(path) for path in every}


def test_photos_shared_from_the_gallery_wait_on_the_phone_until_they_are_sent(
    phone: BrowserContext, station: RunningStation, tmp_path: Path
) -> None:
    shared = photos(tmp_path, 2, "shared")
    page = opened(phone)
    network(page, uploadThroughput=1000)  # the page does not get far before it is closed
    share(page, shared)
    expect(page.get_by_text("2 shared photos are taken.")).to_be_visible()
    page.close()
    page = opened(phone)
    expect(page.get_by_text("2 shared photos are taken.")).to_be_visible()
    expect(page.get_by_text("All 2 have arrived on the drive.")).to_be_visible(timeout=SENT_MS)
    stored = {path.name: digest(path) for path in station.hot.glob("Anna/Photos/**/shared-*.jpg")}
    assert stored == {path.name: digest(path) for path in shared}
    page.reload()
    expect(page.get_by_text("shared photos are taken.")).to_be_hidden()


GALLERY = """() => {
  const form = document.createElement("form");
  Object.assign(form, {method: "post", enctype: "multipart/form-data", action: "/phone/share", id: "share"});
  const input = document.createElement("input");
  form.append(Object.assign(input, {type: "file", name: "files", multiple: true, id: "gallery"}));
  document.body.append(form);
}"""


@contextmanager
def browser_of(kind: BrowserType, program: str, folder: Path, station: RunningStation) -> Iterator[BrowserContext]:
    """A whole browser with a folder of its own; it finds the station by a name, without https."""
    port = station.url.rpartition(":")[2]
    context = kind.launch_persistent_context(
        folder,
        executable_path=program,
        args=["--no-sandbox", "--host-resolver-rules=MAP everpx.local 127.0.0.1"],
        locale="en-GB",
        viewport=PHONE,
        user_agent=ANDROID,
        base_url=f"http://everpx.local:{port}",
    )
    context.set_default_timeout(20_000)
    yield context
    context.close()


def test_a_restarted_browser_goes_on_even_where_nothing_is_encrypted(
    chromium: Browser, program: Callable[[str], str], station: RunningStation, tmp_path: Path
) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(os.urandom(30_000_000))
    browser = (chromium.browser_type, program("chromium"), tmp_path / "browser", station)
    with browser_of(*browser) as context:
        page = context.new_page()
        page.goto("/sign-in?name=Anna")
        page.get_by_label("Password").fill(walk.PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("it needs the station’s safe line (https)")).to_be_visible()
        assert not page.evaluate("isSecureContext")
        network(page, uploadThroughput=6_000_000)
        page.locator("#files").set_input_files([film])
        page.wait_for_timeout(2500)
        expect(page.get_by_text("sending", exact=True)).to_be_visible()
    with browser_of(*browser) as context:
        page = context.new_page()
        page.goto("/phone/")
        expect(page.get_by_role("heading", name="One photo was chosen earlier and is not sent yet.")).to_be_visible()
        expect(page.get_by_text("film.mp4").first).to_be_visible()
        begun, found = begun_uploads(context), found_offsets(context)
        page.locator("#files").set_input_files([film])
        expect(page.get_by_text("It has arrived on the drive.")).to_be_visible(timeout=SENT_MS)
        expect(page.locator("#safe .rounds li")).to_have_count(2)  # the one that was cut off, and this one
        assert begun == []
        assert found and found[0] >= 8 << 20  # what had arrived is not sent again
    (stored,) = station.hot.glob(f"Anna/**/{film.name}")
    assert digest(stored) == digest(film)


def share(page: Page, files: list[Path]) -> None:
    """What Android does: a form with the files is sent to the app's share address."""
    page.evaluate(GALLERY)
    page.locator("#gallery").set_input_files(files)
    page.locator("#share").evaluate("form => form.submit()")
    page.wait_for_url("**/phone/?*")


def test_a_share_before_the_app_is_ready_is_told_and_not_taken(phone: BrowserContext, tmp_path: Path) -> None:
    page = phone.new_page()
    page.goto("/account")
    share(page, photos(tmp_path, 1, "early"))
    expect(page.get_by_text("The shared photos did not arrive")).to_be_visible()


def test_signing_in_on_a_phone_leads_to_its_photos_and_signing_out_leaves_nothing(
    chromium: Browser, station: RunningStation, serious: Callable[[Page], list[str]], tmp_path: Path
) -> None:
    context = chromium.new_context(locale="en-GB", viewport=PHONE, base_url=station.url, user_agent=ANDROID)
    page = context.new_page()
    page.goto("/")
    assert serious(page) == []
    page.get_by_role("link", name="Ben").click()
    page.get_by_label("Password").fill(walk.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Send from this phone")).to_be_visible()
    assert serious(page) == []
    until(page, "() => navigator.serviceWorker.controller !== null")
    page.locator("#files").set_input_files(photos(tmp_path, 1, "bens"))
    expect(page.get_by_text("It has arrived on the drive.")).to_be_visible(timeout=SENT_MS)
    until(page, "async () => (await phoneStore.items()).length === 1")
    page.goto("/more")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Who is it?")).to_be_visible()
    until(page, "async () => (await indexedDB.databases()).length === 0")
    context.close()


def copy_now(page: Page) -> None:
    """Make a real copy on the COLD drive, and wait until it is proven."""
    page.goto("/backup/")
    page.get_by_role("button", name="Copy now").click()
    expect(page.get_by_role("button", name=re.compile("Copy now"))).to_be_visible(timeout=60_000)
    expect(page.get_by_text("proven just now")).to_be_visible()


def test_the_ledger_is_right_before_and_after_a_real_copy_and_says_what_may_leave_the_phone(
    phone: BrowserContext, station: RunningStation, serious: Callable[[Page], list[str]], tmp_path: Path
) -> None:
    every = photos(tmp_path, 4, "ledger")
    page = opened(phone)
    page.locator("#files").set_input_files(every[:3])
    safe = page.locator("#safe")
    expect(safe.get_by_role("heading", name="0 of 3 are safe")).to_be_visible(timeout=SENT_MS)
    safe.get_by_text("3 are not safe yet").click()
    expect(safe.get_by_text("in one copy only; the next backup makes the second")).to_have_count(3)
    expect(safe.get_by_text("Keep everything for now")).to_be_visible()
    row = safe.locator(".rounds li").first
    expect(row).to_contain_text("3 chosen · 0 here already · 3 sent")
    expect(row).to_contain_text("took")
    assert serious(page) == []

    copy_now(page)
    page.goto("/phone/")
    expect(safe.get_by_role("heading", name="3 of 3 are safe")).to_be_visible()
    expect(safe.get_by_text("3 in 2 copies")).to_be_visible()
    expect(safe.get_by_text("3 photos and videos may be removed from this phone")).to_be_visible()
    safe.get_by_text("Which ones").click()
    assert safe.locator("#may-go li").all_inner_texts() == [path.name for path in every[:3]]
    for size in (PHONE, DESKTOP):
        page.set_viewport_size(size)
        assert serious(page) == []

    (stored,) = station.hot.glob(f"Anna/Photos/**/{every[0].name}")  # deleted on a computer: the row does not know
    stored.unlink()
    page.locator("#files").set_input_files([every[3]])
    expect(safe.get_by_role("heading", name="2 of 4 are safe")).to_be_visible(timeout=SENT_MS)
    expect(safe.get_by_text("2 photos and videos may be removed from this phone")).to_be_visible()
    page.goto("/people/1")
    expect(page.get_by_role("heading", name="Phones")).to_be_visible()
    expect(page.get_by_text(re.compile("1 chosen · 0 here already · 1 sent")).first).to_be_visible()


def delete_by_an_app(page: Page, station: RunningStation, photo: Path) -> None:
    """As a file manager on a computer does it: WebDAV, with a password made for it on the account page."""
    page.goto("/account")
    page.locator("#device").fill("File manager")
    page.locator("form", has=page.locator("#device")).get_by_role("button").click()
    secret = page.locator(".secret").last.inner_text().strip()
    (stored,) = station.hot.glob(f"Anna/Photos/**/{photo.name}")
    address = f"{station.url}/dav/{stored.relative_to(station.hot / 'Anna')}"
    asked = urllib.request.Request(address, method="DELETE")
    asked.add_header("Authorization", "Basic " + base64.b64encode(f"Anna:{secret}".encode()).decode())
    with urllib.request.urlopen(asked, timeout=20) as answer:
        assert answer.status == 204


def test_what_was_deleted_here_is_not_sent_again(
    phone: BrowserContext, station: RunningStation, tmp_path: Path
) -> None:
    (doomed, fresh) = photos(tmp_path, 2, "doomed")
    page = opened(phone)
    page.locator("#files").set_input_files([doomed])
    expect(page.get_by_text("It has arrived on the drive.")).to_be_visible(timeout=SENT_MS)
    delete_by_an_app(page, station, doomed)
    page = opened(phone)
    begun = begun_uploads(phone)
    page.locator("#files").set_input_files([doomed, fresh])
    expect(page.get_by_text("deleted here; not sent again")).to_be_visible()
    expect(page.get_by_text("It has arrived on the drive. One was deleted here and is not sent again.")).to_be_visible()
    expect(page.locator("#safe").get_by_text("1 more was deleted here and is not sent again")).to_be_visible()
    assert len(begun) == 1
    assert not list(station.hot.glob(f"Anna/Photos/**/{doomed.name}"))
