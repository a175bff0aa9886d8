"""Every page there is, found by following links: nothing serious for axe-core, nothing wider than its screen.

Phone and desktop, light and dark, an admin's pages and a member's.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.running_station import RunningStation

LINK = re.compile(r'href="(/[^"#]*)')
#: Not pages: files, streams, and what ends the sign-in.
NOT_PAGES = re.compile(r"/(static|live|internal|photos/\d+/(original|preview|thumbnail))\b|openapi\.json")
#: Pages that no link leads to.
ALSO = ("/nowhere", "/system/history?room=nothing", "/people/999")


def crawl(page: Page) -> list[str]:
    """One address for each kind of page: numbers, names and queries do not make another."""
    found: dict[str, str] = {}
    waiting = ["/", *ALSO]
    while waiting:
        address = waiting.pop()
        kind = re.sub(r"\d+|(?<=/found/)[^/?]+|\?.*", "N", address)
        if kind in found or NOT_PAGES.search(address):
            continue
        answer = page.request.get(address)
        if "text/html" not in answer.headers.get("content-type", ""):
            continue
        found[kind] = address
        waiting += [link.replace("&amp;", "&") for link in LINK.findall(answer.text())]
    return sorted(found.values())


@pytest.fixture(scope="session")
def addresses(chromium: Browser, station: RunningStation) -> dict[str, list[str]]:
    """Name -> the pages that this person can reach."""
    reached = {}
    for name in ("Anna", "Ben"):
        context = chromium.new_context(base_url=station.url, storage_state=station.states[name])
        reached[name] = crawl(context.new_page())
        context.close()
    return reached


def test_the_crawl_reaches_every_room(addresses: dict[str, list[str]]) -> None:
    rooms = {address.split("/")[1].split("?")[0] for address in addresses["Anna"]}
    assert {"", "photos", "drives", "backup", "people", "system", "activity", "account", "more", "api"} <= rooms
    assert not {"drives", "backup", "people", "system"} & {a.split("/")[1] for a in addresses["Ben"] if a not in ALSO}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("name", ["Anna", "Ben"])
def test_every_page_is_usable_by_everybody(
    name: str,
    size: Any,
    scheme: Any,
    chromium: Browser,
    station: RunningStation,
    addresses: dict[str, list[str]],
    serious: Callable[[Page], list[str]],
) -> None:
    context = chromium.new_context(
        base_url=station.url,
        storage_state=station.states[name],
        viewport=size,
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    page = context.new_page()
    wrong = {}
    for address in addresses[name]:
        page.goto(address)
        trouble = serious(page)
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            trouble.append("wider than the screen")
        if trouble:
            wrong[address] = trouble
    context.close()
    assert wrong == {}, "\n".join(f"{address}: {what}" for address, trouble in wrong.items() for what in trouble)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_the_way_in_is_usable_by_everybody(
    size: Any, scheme: Any, visitor: Page, serious: Callable[[Page], list[str]]
) -> None:
    visitor.set_viewport_size(size)
    visitor.emulate_media(color_scheme=scheme)
    for address in ("/sign-in", "/sign-in?name=Anna"):
        visitor.goto(address)
        assert serious(visitor) == []


def test_a_form_with_problems_is_usable_by_everybody(admin: Page, serious: Callable[[Page], list[str]]) -> None:
    admin.goto("/people/add")
    admin.locator("#add-form").evaluate("form => { form.noValidate = true; }")
    admin.get_by_role("button", name="Add", exact=True).click()
    expect(admin.get_by_role("alert")).to_be_focused()
    assert serious(admin) == []
