"""A device comes to trust the station: the page as people see it, and a Chromium that believes the home's authority."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import walk
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.running_station import RunningStation

NAME = "everpx.local"


@pytest.fixture(scope="module")
def safe(station: RunningStation) -> RunningStation:
    """The station, once its front door answers by https."""
    end = time.monotonic() + 60
    while not (station.data / "certificate.pem").exists():
        assert time.monotonic() < end, "no certificate was made"
        time.sleep(0.2)
    return station


def named(url: str) -> str:
    """The same by its name at home."""
    return url.replace("127.0.0.1", NAME)


@pytest.fixture
def trusting(
    safe: RunningStation, chromium: Browser, program: Callable[[str], str], tmp_path: Path
) -> Iterator[Callable[[], Browser]]:
    """A Chromium of its own, in a home folder that is empty until somebody puts the certificate into it."""
    browsers: list[Browser] = []

    def start() -> Browser:
        argv = ["--no-sandbox", f"--host-resolver-rules=MAP {NAME} 127.0.0.1"]
        home: dict[str, str | float | bool] = {**os.environ, "HOME": str(tmp_path)}
        kind = chromium.browser_type
        browsers.append(kind.launch(executable_path=program("chromium"), args=argv, env=home))
        return browsers[-1]

    yield start
    for browser in browsers:
        browser.close()


def install(certificate: bytes, home: Path, program: Callable[[str], str]) -> None:
    """What the steps for Linux come down to."""
    store, file = home / ".pki/nssdb", home / "everpx.crt"
    store.mkdir(parents=True)
    file.write_bytes(certificate)
    certutil = program("certutil")
    subprocess.run([certutil, "-d", f"sql:{store}", "-N", "--empty-password"], check=True, timeout=30)
    argv = [certutil, "-d", f"sql:{store}", "-A", "-t", "C,,", "-n", "Everpx", "-i", str(file)]
    subprocess.run(argv, check=True, timeout=30)


def test_a_device_that_has_the_certificate_goes_to_https_by_itself_and_stays_there(
    safe: RunningStation, trusting: Callable[[], Browser], program: Callable[[str], str], tmp_path: Path
) -> None:
    browser = trusting()
    page = browser.new_page(locale="en-GB")
    page.goto(named(safe.url) + "/safe/")
    expect(page.get_by_text("This browser does not use the safe line yet.")).to_be_visible()
    page.wait_for_timeout(2000)  # it asks, and is refused
    assert page.url.startswith("http://")
    with page.expect_download() as download:
        page.get_by_role("link", name="Get the certificate").first.click()
    certificate = Path(download.value.path()).read_bytes()
    browser.close()
    install(certificate, tmp_path, program)

    page = trusting().new_page(locale="en-GB")
    page.goto(named(safe.url) + "/safe/")
    page.wait_for_url(f"{named(safe.https)}/safe/")
    expect(page.get_by_text("This browser uses the safe line.")).to_be_visible()
    assert page.evaluate("isSecureContext")
    page.goto(named(safe.url) + "/sign-in?next=/photos/")
    assert page.url.startswith(named(safe.https)), "led there from now on"
    page.get_by_label("Name").fill("Ben")
    page.get_by_label("Password", exact=True).fill(walk.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{named(safe.https)}/photos/")
    (cookie,) = [one for one in page.context.cookies() if one["name"] == "__Host-everpx"]
    assert cookie["secure"] and cookie["httpOnly"]
    page.goto(named(safe.https) + "/safe/")
    page.get_by_role("button", name="No longer by itself").click()
    page.goto(named(safe.url) + "/sign-in")
    assert page.url.startswith(named(safe.url))


def test_a_device_without_it_is_warned_by_its_browser(safe: RunningStation, trusting: Callable[[], Browser]) -> None:
    page = trusting().new_page()
    with pytest.raises(Exception, match="ERR_CERT_AUTHORITY_INVALID"):
        page.goto(named(safe.https) + "/")


@pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_for_everybody(
    safe: RunningStation, chromium: Browser, serious: Callable[[Page], list[str]], screen: Any, scheme: Any
) -> None:
    context = chromium.new_context(base_url=safe.url, viewport=screen, color_scheme=scheme, locale="en-GB")
    page = context.new_page()
    page.goto("/safe/")
    for closed in page.locator("details").all():
        closed.locator("summary").click()
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
    context.close()


def test_it_works_without_scripts(safe: RunningStation, chromium: Browser) -> None:
    context = chromium.new_context(
        base_url=safe.url, java_script_enabled=False, ignore_https_errors=True, locale="en-GB"
    )
    page = context.new_page()
    page.goto("/safe/")
    page.get_by_role("link", name="Try it now").click()
    expect(page.get_by_text("This browser uses the safe line.")).to_be_visible()
    assert page.url == f"{safe.https}/safe/"
    context.close()
