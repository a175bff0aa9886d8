"""Finding the station with a phone in the same home network: real avahi, a real browser, a code that is really read."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import walk
from tests.browser.conftest import DESKTOP
from tests.browser.looks import usable
from tests.browser.running_station import RunningStation, start_station
from tests.component.home_network import Computer, home_network

pytestmark = pytest.mark.browser


@pytest.fixture
def house(program: Callable[[str], str]) -> Iterator[tuple[RunningStation, Computer]]:
    """A station that its home network reaches, and a phone there."""
    for name in ("avahi-daemon", "wsdd2", "ip", "nsenter"):
        program(name)
    with home_network() as (box, phone):
        running = box.do(lambda: start_station(box.address))
        try:
            yield running, phone
        finally:
            running.stop()


@pytest.fixture
def page(
    house: tuple[RunningStation, Computer], chromium: Browser, tmp_path: Path, program: Callable[[str], str]
) -> Iterator[Page]:
    """The phone's browser: its program is started in the phone's network."""
    running, phone = house
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nexec nsenter --net=/run/netns/{phone.name} {program("chromium")} "$@"\n')
    browser.chmod(0o755)
    opened = chromium.browser_type.launch(executable_path=browser, args=["--no-sandbox"])
    context = opened.new_context(locale="en-GB", viewport=DESKTOP, base_url=running.url, reduced_motion="reduce")
    context.set_default_timeout(30_000)
    yield context.new_page()
    opened.close()


def read_code(page: Page, program: Callable[[str], str], into: Path) -> str:
    """What a phone's camera sees in the first code of the page."""
    page.locator(".qr").first.screenshot(path=into)
    done = subprocess.run([program("zbarimg"), "-q", "--raw", str(into)], capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


def test_a_phone_finds_the_station_by_its_name_its_number_and_a_code(
    house: tuple[RunningStation, Computer],
    page: Page,
    serious: Callable[[Page], list[str]],
    program: Callable[[str], str],
    tmp_path: Path,
) -> None:
    running, _ = house
    port = running.url.rpartition(":")[2]
    walk.claim(page, running, "Anna")
    page.goto("/plugins/discovery/")
    page.get_by_role("button", name="Look again").click()
    expect(page.get_by_text("Looking around. It takes a few seconds.")).to_be_visible()

    def announced() -> bool:
        page.goto("/plugins/discovery/")
        return page.get_by_text(f"everpx.local:{port}").first.is_visible()

    walk.until(announced)
    expect(page.get_by_text("The console, in any browser")).to_be_visible()
    assert read_code(page, program, tmp_path / "code.png") == f"http://everpx.local:{port}"
    usable(page, serious, "discovery")
    page.get_by_text("The name does not open?").click()
    expect(page.get_by_role("link", name=running.url.removeprefix("http://"))).to_be_visible()
    usable(page, serious, "discovery-number")
    page.get_by_role("link", name=running.url.removeprefix("http://")).click()
    expect(page.get_by_role("navigation", name="Main", exact=True)).to_be_visible()

    page.goto("/plugins/discovery/label")
    assert read_code(page, program, tmp_path / "label.png") == f"http://everpx.local:{port}"
    usable(page, serious, "discovery-label")
    walk.speak(page, running, "zh")
    page.goto("/plugins/discovery/")
    expect(page.get_by_text("everpx.local").first).to_be_visible()
    usable(page, serious, "discovery-zh")
    walk.speak(page, running, "")

    page.goto("/plugins/discovery/")
    page.get_by_label("Name on the network").fill("my box")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Use small letters, digits and hyphens")
    usable(page, serious, "discovery-wrong")
    page.get_by_label("Name on the network").fill("attic")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_text(f"attic.local:{port}").first).to_be_visible()
    assert read_code(page, program, tmp_path / "renamed.png") == f"http://attic.local:{port}"
