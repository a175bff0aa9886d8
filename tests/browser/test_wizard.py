"""The first five minutes, in a real browser, on a phone, with real drives."""

import re
from collections.abc import Callable

import pytest
import walk
from playwright.sync_api import Page, expect
from running_station import RunningStation

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
