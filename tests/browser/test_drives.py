"""Drives in a real browser: they come and go by themselves, and are let go with a word."""

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser import walk
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.running_station import GREEN, RunningStation

pytestmark = pytest.mark.browser
LIVE_MS = 2000  # plug and unplug show within this
OVERHEAD_MS = 2500  # of pulling, looking, and a busy machine


def test_a_drive_that_is_pulled_and_plugged_in_shows_without_a_reload(admin: Page, station: RunningStation) -> None:
    admin.goto("/drives/")
    admin.evaluate("window.still = true")
    green = admin.get_by_role("region", name="The green drive")
    expect(green).to_contain_text("may be unplugged")
    station.pull(GREEN)
    expect(green).to_contain_text("off", timeout=LIVE_MS + OVERHEAD_MS)
    expect(green).to_contain_text("last here")
    station.plug(GREEN)
    expect(green).to_contain_text("may be unplugged", timeout=LIVE_MS + OVERHEAD_MS)
    assert admin.evaluate("window.still") is True


def test_what_was_opened_stays_open_when_something_changes(admin: Page, station: RunningStation) -> None:
    admin.goto("/drives/")
    blue = admin.get_by_role("region", name="The blue drive")
    blue.get_by_text("All facts").click()
    expect(blue.get_by_text("Serial number")).to_be_visible()
    station.pull(GREEN)
    expect(admin.get_by_role("region", name="The green drive")).to_contain_text("last here", timeout=5000)
    expect(blue.get_by_text("Serial number")).to_be_visible()
    station.plug(GREEN)
    expect(admin.get_by_role("region", name="The green drive")).to_contain_text("may be unplugged", timeout=5000)


def test_the_drive_that_holds_everything_is_let_go_and_taken_back(admin: Page) -> None:
    admin.goto("/drives/")
    admin.get_by_role("button", name="Unplug safely The blue drive").click()
    admin.get_by_role("button", name="Use it again").click(timeout=walk.SLOW)  # a job may have to end first
    expect(admin.get_by_text("on and in use")).to_be_visible(timeout=walk.SLOW)


def test_a_name_tag_is_changed_with_the_keyboard(admin: Page) -> None:
    admin.goto("/drives/1")
    admin.get_by_label("What the family calls it").focus()
    admin.keyboard.press("Control+A")
    admin.keyboard.type("Oma 🌻 & co")
    admin.keyboard.press("Enter")
    expect(admin.get_by_role("heading", name="Oma 🌻 & co")).to_be_visible()
    admin.get_by_label("What the family calls it").fill("The blue drive")
    admin.get_by_role("button", name="Save").click()
    expect(admin.get_by_text("Saved.")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_hand_over_page_is_clear_to_everybody(
    admin: Page, station: RunningStation, serious: Callable[[Page], list[str]], scheme: str
) -> None:
    drive = station.data / "loop-drives" / "Spare-drive.img"
    if not drive.exists():
        drive.write_bytes(b"")
        with drive.open("r+b") as image:
            image.truncate(100_000_000)
    station.plug("Spare-drive")
    admin.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    try:
        admin.goto("/drives/")
        admin.get_by_role("link", name=re.compile("Use it to keep the copy")).click(timeout=LIVE_MS + OVERHEAD_MS)
        expect(admin.get_by_text("This cannot be undone.")).to_be_visible()
        for size in (PHONE, DESKTOP):
            admin.set_viewport_size(size)
            assert serious(admin) == []
        admin.get_by_role("button", name="Yes, use this drive").click()
        expect(admin.get_by_role("alert")).to_contain_text("to erase this drive")
        expect(admin.get_by_role("alert")).to_be_focused()
    finally:
        station.pull("Spare-drive")
        time.sleep(1)
