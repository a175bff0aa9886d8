"""Takes the pictures for docs/flash.md and docs/recovery.md anew, from a real station with invented photos.

``python -m tests.browser.pictures`` as root; a minute.  What it shows is walked as a family walks it, so a step that is
no longer there breaks it.  ``tests/unit/test_pictures.py`` says whether docs and pictures fit together.
"""

import io
import json
import math
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect, sync_playwright

from appliance import identity
from image.build import label
from tests.browser import walk
from tests.browser.conftest import PHONE
from tests.browser.running_station import BLUE, REPO, RunningStation, start_station

FOLDER = REPO / "docs/pictures"
SCALE = 1.5  # dots of the picture for each of the page
EXIF, DATE = 0x8769, 0x9003
SKIES = [((255, 183, 120), (122, 162, 214)), ((250, 214, 165), (236, 132, 112)), ((190, 220, 245), (92, 148, 205))]


def landscape(number: int, taken: datetime) -> bytes:
    """A photo of hills that do not exist, on a day when nobody was there."""
    chance, size = random.Random(number), (640, 480) if number % 3 else (480, 640)
    photo = Image.new("RGB", size)
    draw = ImageDraw.Draw(photo)
    low, high = SKIES[number % len(SKIES)]
    for y in range(size[1]):
        share = y / size[1]
        sky = tuple(round(h + (w - h) * share) for w, h in zip(low, high, strict=True))
        draw.line([(0, y), (size[0], y)], sky)
    sun = (chance.randrange(size[0]), chance.randrange(60, size[1] // 2))
    draw.ellipse([sun[0] - 28, sun[1] - 28, sun[0] + 28, sun[1] + 28], (255, 244, 214))
    for depth in range(3):
        base, waves = size[1] * (0.5 + 0.16 * depth), [chance.uniform(0.004, 0.02) for _ in range(3)]
        shade = 120 - 34 * depth
        top = [(x, base + sum(22 * math.sin(x * w + number + depth) for w in waves)) for x in range(0, size[0] + 8, 8)]
        draw.polygon([(0, size[1]), *top, (size[0], size[1])], (shade - 30, shade + 20, shade - 10))
    exif = Image.Exif()
    exif.get_ifd(EXIF)[DATE] = taken.strftime("%Y:%m:%d %H:%M:%S")
    out = io.BytesIO()
    photo.save(out, "JPEG", quality=88, exif=exif)
    return out.getvalue()


class Camera:
    """A phone's browser whose screen is kept."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def shoot(self, name: str, *, whole: bool = False) -> None:
        """Keep what the screen shows (``whole``: also what one would scroll to)."""
        self.page.wait_for_load_state("networkidle")
        self.page.wait_for_timeout(400)
        save(Image.open(io.BytesIO(self.page.screenshot(full_page=whole))), name)


def save(picture: Image.Image, name: str) -> None:
    """As small as it stays readable."""
    picture.convert("RGB").save(FOLDER / f"{name}.webp", quality=70, method=6)


@contextmanager
def phone(browser: Browser, station: RunningStation) -> Iterator[Camera]:
    """Somebody's phone."""
    context = browser.new_context(
        locale="en-GB", viewport=PHONE, device_scale_factor=SCALE, base_url=station.url, reduced_motion="reduce"
    )
    context.set_default_timeout(30_000)
    yield Camera(context.new_page())
    context.close()


def first_evening(camera: Camera, station: RunningStation) -> None:
    """From the code on the label to the first photo."""
    page = camera.page
    page.goto(f"/wizard?code={station.claim_code}")
    page.locator("#name").fill("Anna")
    camera.shoot("claim")
    walk.claim(page, station, "Anna")
    camera.shoot("hot")
    page.get_by_role("link", name="Use it to hold everything").first.click()
    page.wait_for_load_state()
    camera.shoot("hand-over")
    walk.hand_over(page, station, "hot")
    camera.shoot("cold")
    walk.hand_over(page, station, "cold")
    camera.shoot("schedule")
    walk.schedule(page)
    camera.shoot("ready")
    day = datetime(2026, 6, 14, 17, 20, tzinfo=UTC)
    page.goto("/photos/upload")
    photos = [(f"IMG_{n:04}.jpg", landscape(n, day - timedelta(days=3 * n, minutes=17 * n))) for n in range(1, 22)]
    files: Any = [{"name": name, "mimeType": "image/jpeg", "buffer": content} for name, content in photos]
    page.locator("#files").set_input_files(files)
    expect(page.get_by_text("safe on the drive", exact=True)).to_have_count(len(photos), timeout=60_000)
    page.evaluate("scrollTo(0, 0)")
    camera.shoot("sent")
    tiles = page.locator(".cell img")
    walk.until(lambda: (page.goto("/photos/"), tiles.count() >= 12)[1])
    camera.shoot("photos")
    copy_now(page)
    page.goto("/")
    camera.shoot("home")
    page.goto("/people/recovery-card")
    camera.shoot("recovery-card")


def copy_now(page: Page) -> None:
    """A copy, and wait for its end."""
    page.goto("/backup/")
    page.get_by_role("button", name="Copy now").first.click()
    walk.until(lambda: (page.goto("/"), page.get_by_text("on one drive only").count() == 0)[1])


def look_at_health(page: Page, until: Callable[[], bool]) -> None:
    """“Look now”, until something is so."""

    def look() -> bool:
        page.goto("/system/health")
        if until():
            return True
        page.get_by_role("button", name="Look now").click()
        page.wait_for_timeout(2000)
        page.goto("/system/health")
        return until()

    walk.until(look, 120)


def what_goes_wrong(camera: Camera, station: RunningStation) -> None:
    """A drive that was pulled; a card that is older than its drives know."""
    page = camera.page
    station.pull(BLUE)
    look_at_health(page, lambda: page.get_by_text("is not connected").count() > 0)
    camera.shoot("missing")
    card = station.data / "starts.json"
    old = card.read_bytes()
    known = json.loads(old)
    card.write_text(json.dumps(known | {"number": known["number"] + 1, "marks": [*known["marks"], "later"]}))
    station.plug(BLUE)
    asked = station.hot.parents[1] / "met.json"
    look_at_health(page, lambda: "later" in asked.read_text())
    card.write_bytes(old)  # the card from the drawer
    look_at_health(page, lambda: page.get_by_text("at a later time").count() > 0)
    camera.shoot("copied-card")
    page.get_by_role("button", name="This box is the right one").click()
    page.goto("/backup/restore/")
    page.locator("main").get_by_role("link", name="The green drive").first.click()
    page.get_by_role("link", name="HOT-1").click()
    page.wait_for_load_state()
    camera.shoot("bring-back")


def moves_in(camera: Camera, station: RunningStation) -> None:
    """A new box with the old one's drive."""
    page = camera.page
    page.goto("/")
    expect(page.get_by_role("link", name="Take its place")).to_be_visible()
    camera.shoot("earlier-station")
    page.goto(f"/wizard/take-over?code={station.claim_code}")
    page.get_by_role("button", name="Whose drive is it?").click()
    expect(page.get_by_role("button", name="Move in")).to_be_visible()
    camera.shoot("take-over")


def main() -> None:
    """All of them."""
    FOLDER.mkdir(exist_ok=True)
    save(label.drawn(identity.id_of("EVERPXFAMLYA"), "ABCDE-FGHJK-LMNPQ-RSTUV"), "label")
    program = shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        station = start_station()
        try:
            with phone(browser, station) as camera:
                first_evening(camera, station)
                what_goes_wrong(camera, station)
            station = start_station(drives_of=station)
            with phone(browser, station) as camera:
                moves_in(camera, station)
        finally:
            station.stop()
            browser.close()
    for picture in sorted(FOLDER.glob("*.webp")):
        print(f"{picture.stat().st_size:8} {picture.relative_to(REPO)}")


if __name__ == "__main__":
    main()
