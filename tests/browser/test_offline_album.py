"""The page on a COLD drive, opened from a read-only copy of its image, without a network and without a station."""

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlparse

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from appliance.album_page import build, texts
from appliance.db import Database, migrate
from appliance.drives import layout
from appliance.drives.models import DriveRole
from appliance.places import Places
from tests.album_bed import Photos
from tests.backup_bed import Bed, loop_mount, unmount
from tests.browser.conftest import DESKTOP, PHONE

pytestmark = pytest.mark.browser
EVIL = '"><img src=x onerror="window.broken=1">'
ODD_NAMES = ["50% of #1?.jpg", "爸爸 ’é.jpg", "<svg onload=window.broken=1>.jpg", "new\nline & 'quote' \".jpg"]


@dataclass
class OldDrive:
    """A COLD drive in somebody's drawer, mounted read-only on another computer."""

    top: Path
    originals: dict[str, bytes]

    @property
    def address(self) -> str:
        """What a double click opens."""
        return (self.top / layout.PAGE).as_uri()


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]) -> Iterator[OldDrive]:
    """A family's drive after its last copy; the station is gone."""
    program("rsync")
    place = tmp_path_factory.mktemp("drawer")
    here = Places(data=place / "data", run=place / "run")
    here.data.mkdir()
    migrate(here.database)
    db = Database(here.database)
    image, mounted = place / "cold.img", place / "cold"
    loop_mount(image, mounted, 192, ["mkfs.ext4", "-q", "-F"], ["mount"])
    try:
        bed = Bed(db, here, place / "hot", mounted)
        originals = _family(Photos(db, bed.hot))
        bed.run()
    finally:
        unmount(mounted)
        db.close()
    copy = place / "copy.img"
    copy.write_bytes(image.read_bytes())
    subprocess.run(["mount", "-o", "loop,ro", str(copy), str(mounted)], check=True, timeout=60)
    try:
        yield OldDrive(mounted, originals)
    finally:
        unmount(mounted)


def _family(photos: Photos) -> dict[str, bytes]:
    """Anna and Xiaoyu, with photos of eight years; the originals by their name."""
    anna, xiaoyu = photos.person("Anna"), photos.person("小雨")
    every = []
    for year in range(2019, 2027):
        for month in (3, 7, 11):
            for number in range(8 + year % 5):
                every.append(photos.add(anna, f"IMG_{year}{month:02}{number}.jpg", month=year * 100 + month))
    beach = photos.add(
        anna, "IMG_9001.jpg", title="Beach with Grandma", tags=("holidays", EVIL), shared=True, favourite=True
    )
    for name in ODD_NAMES:
        every.append(photos.add(anna, name, title=EVIL, month=202612, description=EVIL))
    photos.add(
        anna, "broken.heic", content=b"not a picture that a browser knows", month=202612, title="From the new phone"
    )
    every.append(photos.add(xiaoyu, "海边.jpg", title="海边的一天"))
    photos.album(anna, f"Summer {EVIL}", [beach, *every[:3]], members=(xiaoyu,))
    return {path.name: path.read_bytes() for path in photos.hot.path.rglob("*.jpg")}


def opened(browser: Browser, drive: OldDrive, **options: Any) -> Iterator[Page]:
    """The page in a browser without a network; a script error, a blocked source or a broken word fails the test."""
    context = browser.new_context(**{"locale": "en-GB", "viewport": DESKTOP, "offline": True} | options)
    page = context.new_page()
    trouble: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("console", lambda said: trouble.append(said.text) if said.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(drive.address)
    yield page
    assert page.evaluate("window.broken") is None
    context.close()
    assert [line for line in trouble if "Failed to load resource" not in line] == []
    assert all(url.startswith((drive.top.as_uri(), "data:")) for url in asked), asked


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def page(request: pytest.FixtureRequest, chromium: Browser, drive: OldDrive) -> Iterator[Page]:
    yield from opened(chromium, drive, viewport=request.param)


@pytest.fixture
def wide(chromium: Browser, drive: OldDrive) -> Iterator[Page]:
    yield from opened(chromium, drive)


def cell(page: Page, name: str) -> Locator:
    return page.locator(".cell").filter(has=page.locator("img")).and_(page.get_by_label(name))


def bytes_at(link: str | None) -> bytes:
    """What a link leads to, as any program would open it."""
    assert link
    return Path(unquote_to_bytes(urlparse(link).path).decode()).read_bytes()


def test_the_drive_can_only_be_read(drive: OldDrive) -> None:
    with pytest.raises(OSError, match="Read-only"):
        (drive.top / "x").write_bytes(b"")


def test_somebody_is_chosen_and_their_years_are_there(page: Page, serious: Callable[[Page], list[str]]) -> None:
    assert "#" not in page.url
    cards = page.locator(".cards strong")
    expect(cards).to_have_text(["Ours", "Anna", "小雨"])
    assert serious(page) == []
    page.get_by_role("link", name="Anna").click()
    expect(page.locator(".month h2").first).to_contain_text("December 2026")
    expect(page.locator(".cell img").first).to_have_js_property("complete", True)
    assert page.locator(".cell img").first.evaluate("image => image.naturalHeight") == 320
    assert page.locator(".month").count() == 25
    assert page.locator(".cell").count() < 200  # of 245: what is far away does not exist yet
    page.get_by_role("slider", name="Go to a month").press("End")
    expect(page.get_by_role("heading", name="March 2019")).to_be_in_viewport()
    assert page.get_by_role("slider").get_attribute("aria-valuetext") in ("March 2019", "July 2019", "November 2019")
    expect(page.get_by_role("link", name="IMG_2019030.jpg, photo")).to_be_visible()
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_photo_is_found_opened_and_is_the_original(
    page: Page, drive: OldDrive, serious: Callable[[Page], list[str]]
) -> None:
    page.get_by_role("link", name="Anna").click()
    page.get_by_role("searchbox").fill("grandma beach")
    expect(page.locator("#said")).to_have_text("1 photo found")
    page.get_by_role("link", name="Beach with Grandma").click()
    dialog = page.get_by_role("dialog", name="Beach with Grandma")
    expect(dialog).to_contain_text("holidays")
    large = dialog.locator("img.large")
    expect(large).to_have_js_property("naturalWidth", 1200)
    assert serious(page) == []
    link = dialog.get_by_role("link", name="Open the original").evaluate("link => link.href")
    assert bytes_at(link) == drive.originals["IMG_9001.jpg"]
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("searchbox").fill("March 2021")
    expect(page.locator("#said")).to_have_text("9 photos found")
    page.get_by_role("searchbox").fill("no such thing")
    expect(page.get_by_text("Nothing found.")).to_be_visible()


def test_the_strangest_names_are_only_names(wide: Page, drive: OldDrive, serious: Callable[[Page], list[str]]) -> None:
    wide.get_by_role("link", name="Anna").click()
    wide.locator(".cell").nth(1).click()
    seen: dict[str, bytes] = {}
    about = wide.locator("#about")
    for name in reversed(ODD_NAMES):
        expect(about.locator("dt", has_text="File").locator("+ dd")).to_have_text(name)
        expect(about.locator("h2")).to_have_text(EVIL)
        seen[name] = bytes_at(about.locator("a.open").evaluate("link => link.href"))
        wide.keyboard.press("ArrowRight")
    assert seen == {name: drive.originals[name] for name in ODD_NAMES}
    wide.goto(drive.address + "#/p/1/albums")
    wide.reload()
    expect(wide.get_by_role("link", name="Summer")).to_contain_text(EVIL)
    assert serious(wide) == []
    wide.get_by_role("link", name="Summer").click()
    expect(wide.locator(".cell")).to_have_count(4)


def test_the_keyboard_is_enough(wide: Page) -> None:
    wide.keyboard.press("Tab")
    expect(wide.locator(".skip")).to_be_focused()
    wide.get_by_role("link", name="Anna").focus()
    wide.keyboard.press("Enter")
    expect(wide.locator(".cell img").first).to_be_visible()
    for _ in range(40):
        wide.keyboard.press("ArrowDown")
    focused = wide.locator(".cell:focus")
    expect(focused).to_be_in_viewport()
    name = focused.get_attribute("aria-label")
    wide.keyboard.press("Enter")
    expect(wide.get_by_role("dialog")).to_be_visible()
    wide.keyboard.press("ArrowRight")
    expect(wide.locator("#about h2")).not_to_have_text((name or "").split(",")[0])
    wide.keyboard.press("ArrowLeft")
    expect(wide.locator("#about h2")).to_have_text((name or "").split(",")[0])
    wide.keyboard.press("Escape")
    expect(focused).to_have_attribute("aria-label", name or "")
    wide.keyboard.press("/")
    expect(wide.get_by_role("searchbox")).to_be_focused()


def test_what_the_browser_cannot_show_is_said_and_its_small_picture_shown(wide: Page) -> None:
    wide.get_by_role("link", name="Anna").click()
    wide.get_by_role("searchbox").fill("new phone")
    wide.get_by_role("link", name="From the new phone").click()
    expect(wide.get_by_text("Your browser cannot show the original of this kind.")).to_be_visible()
    expect(wide.locator("#stage img.small.only")).to_be_visible()


def test_twenty_thousand_photos_open_at_once(chromium: Browser, db: Database, places: Places, tmp_path: Path) -> None:
    bed = Bed(db, places, tmp_path / "hot", tmp_path / "cold")
    photos = Photos(db, bed.hot)
    photos.many(photos.person("Anna"), 20_000)
    texts.leave(bed.hot, DriveRole.HOT)
    build.build(bed.progress(), bed.hot, DriveRole.HOT, flush=lambda: None)
    for page in opened(chromium, OldDrive(bed.hot.path, {})):
        began = time.monotonic()
        page.reload()
        expect(page.get_by_text("20,000 photos")).to_be_visible()
        page.get_by_role("link", name="Anna").click()
        expect(page.locator(".cell").first).to_be_visible()
        assert time.monotonic() - began < 10  # 0.6 s where nothing else runs; what follows says why
        assert page.locator(".cell").count() < 150
        assert page.evaluate("performance.getEntriesByType('resource').length") < 12  # the index and a few months
        page.get_by_role("searchbox").fill("picnic 19900")
        expect(page.locator("#said")).to_have_text("1 photo found")


def test_it_speaks_chinese(chromium: Browser, drive: OldDrive) -> None:
    for page in opened(chromium, drive, locale="zh-CN", viewport=PHONE, color_scheme="dark"):
        expect(page.get_by_role("heading", name="看谁的照片？")).to_be_visible()
        page.get_by_role("link", name="小雨").click()
        expect(page.get_by_role("heading", name="2026年11月")).to_be_visible()
        page.get_by_role("link", name="海边的一天").click()
        expect(page.get_by_role("dialog")).to_contain_text("打开原始文件")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="English").click()
        expect(page.get_by_role("heading", name="November 2026")).to_be_visible()


def test_the_page_alone_says_what_is_missing(chromium: Browser, drive: OldDrive, tmp_path: Path) -> None:
    (tmp_path / layout.PAGE).write_bytes((drive.top / layout.PAGE).read_bytes())
    for page in opened(chromium, OldDrive(tmp_path, {})):
        expect(page.get_by_role("alert")).to_contain_text("The list of photos cannot be read.")
