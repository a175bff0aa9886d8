"""From a photo to a proven copy and back, in a real browser with real drives and real programs."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import walk
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.running_station import GREEN, RunningStation

pytestmark = pytest.mark.browser
PHOTOS = Path("/usr/share/backgrounds/mate/nature")
PROVEN_MS = 60_000


def copy_now(page: Page) -> None:
    """Press the button and wait until the copy is proven."""
    page.goto("/backup/")
    page.get_by_role("button", name="Copy now").click()
    expect(page.get_by_text("The copy starts in a moment.")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Copy now"))).to_be_visible(timeout=PROVEN_MS)
    expect(page.get_by_text("proven just now")).to_be_visible()


@pytest.fixture
def careful(admin: Page, station: RunningStation) -> Iterator[None]:
    """A station that asks as soon as two files are gone."""
    usual = {"backup.brake_files": 200, "backup.brake_share": 25}

    def change(values: dict[str, int]) -> None:
        admin.goto("/")
        headers = {"X-CSRFToken": walk.csrf(admin), "Referer": station.url}
        for key, value in values.items():
            answer = admin.request.put(f"{station.url}/api/v1/settings/{key}", data={"value": value}, headers=headers)
            assert answer.ok, answer.text()

    change(dict.fromkeys(usual, 2))
    yield
    change(usual)


def test_real_photos_become_a_proven_copy(
    admin: Page, station: RunningStation, serious: Callable[[Page], list[str]]
) -> None:
    for photo in sorted(PHOTOS.glob("*.jpg"))[:4]:
        walk.send(admin, station, photo.name, photo.read_bytes())
    admin.goto("/backup/")
    expect(admin.get_by_text(re.compile(r"\d+ new, 0 changed, 0 deleted, .* MB"))).to_be_visible()
    copy_now(admin)
    expect(admin.get_by_text(re.compile("Everything is copied"))).to_be_visible()
    expect(admin.get_by_text("may be unplugged")).to_be_visible()
    admin.get_by_role("link", name="All copies").click()
    admin.get_by_text("As a table").click()
    expect(admin.get_by_role("row", name=re.compile("copied and proven")).first).to_be_visible()
    for size in (PHONE, DESKTOP):
        admin.set_viewport_size(size)
        assert serious(admin) == []


def test_a_copy_that_finds_its_drive_away_asks_for_it_and_goes_on_when_it_comes(
    admin: Page, station: RunningStation
) -> None:
    photo = next(PHOTOS.glob("*.jpg"))
    walk.send(admin, station, "while-away.jpg", photo.read_bytes() + b"another")
    station.pull(GREEN)
    try:
        admin.goto("/backup/")
        admin.get_by_role("button", name="Copy now").click()
        expect(admin.get_by_role("heading", name="Switch on The green drive")).to_be_visible(timeout=30_000)
    finally:
        station.plug(GREEN)
    expect(admin.get_by_role("button", name=re.compile("Copy now"))).to_be_visible(timeout=PROVEN_MS)
    expect(admin.get_by_role("heading", name="Switch on The green drive")).to_be_hidden()
    expect(admin.get_by_text("proven just now")).to_be_visible()


def test_a_waiting_copy_is_paused_goes_on_and_is_cancelled(admin: Page, station: RunningStation) -> None:
    walk.send(admin, station, "paused.jpg", next(PHOTOS.glob("*.jpg")).read_bytes() + b"paused")
    station.pull(GREEN)
    try:
        admin.goto("/backup/")
        admin.get_by_role("button", name="Copy now").click()
        expect(admin.get_by_role("heading", name="Switch on The green drive")).to_be_visible(timeout=30_000)
        admin.locator("#live").get_by_role("button", name="Pause").click()
        admin.goto("/backup/")
        expect(admin.locator("#live").get_by_text("paused", exact=True)).to_be_visible(timeout=10_000)
        admin.locator("#live").get_by_role("button", name="Go on").click()
        admin.goto("/backup/")
        expect(admin.get_by_role("heading", name="Switch on The green drive")).to_be_visible(timeout=30_000)
        admin.locator("#live").get_by_role("button", name="Cancel").click()
        admin.goto("/backup/")
        expect(admin.get_by_role("button", name=re.compile("Copy now"))).to_be_visible(timeout=10_000)
    finally:
        station.plug(GREEN)
    copy_now(admin)


def test_when_a_copy_is_made_is_said_in_plain_words(admin: Page) -> None:
    admin.goto("/backup/2/schedule")
    expect(admin.get_by_label("At", exact=True)).to_be_visible()
    admin.get_by_text("Only when somebody starts it").click()
    expect(admin.get_by_label("At", exact=True)).to_be_hidden()
    admin.get_by_text("On certain days").click()
    for day in ("Sunday", "Tuesday"):
        admin.get_by_label(day).check()
    admin.get_by_label("At", exact=True).fill("04:30")
    admin.get_by_role("button", name="Save").click()
    expect(admin.get_by_role("status").get_by_text("Every Tuesday and Sunday at 04:30")).to_be_visible()
    admin.goto("/backup/2/schedule")  # as the wizard left it, for whoever looks next
    admin.get_by_label("Every day").check()
    admin.get_by_label("At", exact=True).fill("03:00")
    admin.get_by_role("button", name="Save").click()
    expect(admin.get_by_role("status").get_by_text("Every day at 03:00")).to_be_visible()


def test_the_brake_asks_before_a_disaster_is_copied(
    admin: Page, station: RunningStation, careful: None, serious: Callable[[Page], list[str]]
) -> None:
    photos = next(PHOTOS.glob("*.jpg")).read_bytes()
    for number in range(4):
        walk.send(admin, station, f"doomed-{number}.jpg", photos + bytes([number]))
    copy_now(admin)
    for doomed in station.hot.glob("*/Photos/**/doomed-*.jpg"):
        doomed.unlink()
    admin.get_by_role("button", name="Copy now").click()
    question = admin.get_by_role("alert").filter(has_text="The copy stopped to ask")
    expect(question).to_be_visible(timeout=PROVEN_MS)
    expect(question).to_contain_text("4 deleted")
    for scheme in ("light", "dark"):
        admin.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert serious(admin) == []
    admin.get_by_role("button", name="Yes, that was us. Copy it").click()
    admin.goto("/backup/")
    expect(admin.get_by_role("button", name=re.compile("Copy now"))).to_be_visible(timeout=PROVEN_MS)
    expect(admin.get_by_text("proven just now")).to_be_visible()


def test_a_deleted_photo_comes_back_byte_for_byte(
    admin: Page, station: RunningStation, serious: Callable[[Page], list[str]]
) -> None:
    content = next(PHOTOS.glob("*.jpg")).read_bytes() + b"dear"
    walk.send(admin, station, "Oma & Opa 100%.jpg", content)
    copy_now(admin)
    (photo,) = station.hot.glob("*/Photos/**/Oma*.jpg")
    photo.unlink()
    admin.get_by_role("link", name=re.compile("Get files back")).first.click()
    for folder in photo.relative_to(station.hot).parts[:-1]:
        admin.locator("#main").get_by_role("link", name=folder, exact=True).click()
    admin.locator("#main").get_by_role("link", name=re.compile("^Oma")).click()
    for size in (PHONE, DESKTOP):
        admin.set_viewport_size(size)
        assert serious(admin) == []
    admin.get_by_role("link", name=re.compile("^Bring back")).click()
    expect(admin.get_by_text("Nothing is overwritten.")).to_be_visible()
    assert serious(admin) == []
    admin.get_by_role("button", name="Bring back").click()
    expect(admin.get_by_role("button", name="Copy now")).to_be_visible(timeout=PROVEN_MS)
    assert photo.read_bytes() == content


def test_trying_the_copy_out_brings_files_back_unchanged(admin: Page) -> None:
    admin.goto("/backup/2")
    admin.get_by_role("button", name="Try it now").click()
    expect(admin.get_by_role("button", name="Copy now")).to_be_visible(timeout=PROVEN_MS)
    admin.reload()
    expect(admin.get_by_text(re.compile(r"(\d+) of \1 came back unchanged")).first).to_be_visible(timeout=PROVEN_MS)
