"""What people do in the browser, step by step; tests and the shared station use the same steps."""

import re
import time
from collections.abc import Callable
from urllib.parse import quote

from playwright.sync_api import Page, expect

from tests.browser.running_station import RunningStation

PASSWORD = "four green words here"
SLOW = 180_000  # ms; a drive is prepared by real programs, on a machine that may have other work


def claim(page: Page, station: RunningStation, name: str) -> None:
    """The first step of the wizard, reached by the QR code's address."""
    page.goto(f"{station.url}/wizard?code={station.claim_code}")
    page.locator("#name").fill(name)
    page.locator("#password").fill(PASSWORD)
    page.locator("#again").fill(PASSWORD)
    page.get_by_role("button", name="This box is mine").click()
    expect(page.get_by_role("heading", name="Which drive holds everything?")).to_be_visible()


def hand_over(page: Page, station: RunningStation, role: str) -> None:
    """Choose the first drive that is offered, as it is, and wait until it is in use."""
    page.goto(f"{station.url}/wizard/{role}")
    words = "Use it to hold everything" if role == "hot" else "Use it to keep the copy"
    page.get_by_role("link", name=words).first.click()
    page.get_by_role("button", name="Yes, use this drive").click()
    page.get_by_role("link", name="Go on", exact=True).click(timeout=SLOW)


def schedule(page: Page) -> None:
    """Take the usual choice: every night."""
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name=re.compile("Ready"))).to_be_visible()


def sign_in(page: Page, station: RunningStation, name: str) -> None:
    """By picture and password."""
    page.goto(f"{station.url}/")
    page.get_by_role("link", name=name).click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("navigation", name="Main", exact=True)).to_be_visible()


def csrf(page: Page) -> str:
    """The token that a signed-in page carries."""
    found = re.search(r'"X-CSRFToken": "([^"]+)"', page.locator("body").get_attribute("hx-headers") or "")
    assert found
    return found[1]


def speak(page: Page, station: RunningStation, language: str) -> None:
    """Choose a language, by the page of one's own account; "" is the browser's."""
    page.goto(f"{station.url}/account")
    page.locator("select[name=language]").select_option(language)
    page.locator("form:has(select[name=language]) button").click()
    expect(page.locator("html")).to_have_attribute("lang", re.compile(language or "en"))


def add_member(page: Page, station: RunningStation, name: str) -> None:
    """Another person, by the REST API of the signed-in browser."""
    page.goto(f"{station.url}/")
    answer = page.request.post(
        f"{station.url}/api/v1/people",
        data={"name": name, "password": PASSWORD, "role": "member"},
        headers={"X-CSRFToken": csrf(page), "Referer": station.url},
    )
    assert answer.ok, answer.text()


def send(page: Page, station: RunningStation, name: str, content: bytes) -> None:
    """One file by the REST API, as a script would send it: acknowledged when it is durable."""
    page.goto(f"{station.url}/")
    answer = page.request.put(
        f"{station.url}/api/v1/files/{quote(name)}",
        data=content,
        headers={"X-CSRFToken": csrf(page), "Referer": station.url, "Content-Type": "application/octet-stream"},
    )
    assert answer.ok, answer.text()


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for it; fail when it never is."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.5)
