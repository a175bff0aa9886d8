"""The first five minutes, in a real browser, on a phone, with real drives."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import walk
from tests.browser.conftest import PHONE
from tests.browser.running_station import BLUE, GREEN, RunningStation

pytestmark = pytest.mark.browser


def test_a_family_moves_in_within_five_minutes(
    fresh_visitor: Page, fresh_station: RunningStation, serious: Callable[[Page], list[str]]
) -> None:
    page = fresh_visitor
    page.goto("/")
    expect(page).to_have_url(re.compile("/wizard$"))
    walk.claim(page, fresh_station, "Anna")
    assert serious(page) == []
    walk.hand_over(page, fresh_station, "hot")
    expect(page.get_by_role("heading", name="Which drive keeps the copy?")).to_be_visible()
    walk.hand_over(page, fresh_station, "cold")
    assert serious(page) == []
    walk.schedule(page)
    page.get_by_role("link", name="Go to Home").click()
    expect(page).to_have_url(re.compile("/$"))


def test_the_first_steps_need_no_javascript(chromium: Browser, fresh_station: RunningStation) -> None:
    context = chromium.new_context(
        java_script_enabled=False, base_url=fresh_station.url, locale="en-GB", viewport=PHONE
    )
    page = context.new_page()
    walk.claim(page, fresh_station, "Anna")
    page.get_by_role("link", name="Use it to hold everything").first.click()
    expect(page.get_by_text("This cannot be undone.")).to_be_hidden()  # by CSS alone
    page.get_by_text("Erase it first").click()
    expect(page.get_by_text("This cannot be undone.")).to_be_visible()
    page.get_by_label(re.compile("to erase it")).fill("erase blue-drive")
    page.get_by_role("button", name="Yes, use this drive").click()
    expect(page.get_by_text("The drive is being prepared.")).to_be_visible()
    look_again = page.get_by_role("link", name="Look again")
    for _ in range(60):
        if page.get_by_role("link", name="Go on", exact=True).is_visible():
            break
        page.wait_for_timeout(500)
        look_again.click()
    page.get_by_role("link", name="Go on", exact=True).click()
    expect(page.get_by_role("heading", name="Which drive keeps the copy?")).to_be_visible()
    context.close()


def test_a_drive_appears_by_itself_while_the_wizard_waits_for_it(
    fresh_visitor: Page, fresh_station: RunningStation
) -> None:
    for drive in (BLUE, GREEN):
        fresh_station.pull(drive)
    walk.claim(fresh_visitor, fresh_station, "Anna")
    expect(fresh_visitor.get_by_role("heading", name="Plug in a drive")).to_be_visible(timeout=10_000)
    fresh_station.plug(BLUE)
    expect(fresh_visitor.get_by_role("heading", name="Blue-drive")).to_be_visible(timeout=5_000)
