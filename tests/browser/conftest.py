"""A real station and a real browser: started once, claimed through the real wizard, looked at by every browser test.

``station``  a running station, claimed by Anna (admin), with Ben (member) and two drives handed over
``fresh_station``  another one that nobody has claimed yet
``admin`` and ``member``  a page of somebody who is signed in; a script error or a blocked source fails the test
``visitor`` and ``fresh_visitor``  a page of nobody, at either station
``serious(page)``  what axe-core calls serious or critical
"""

from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser import walk
from tests.browser.running_station import RunningStation, start_station

PHONE: Any = {"width": 390, "height": 844}
DESKTOP: Any = {"width": 1280, "height": 800}
expect.set_options(timeout=30_000)  # ms; a test of speed says its own


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a failure: what the station was doing."""
    report = yield
    if report.when == "call" and report.failed:
        stations = [one for one in getattr(item, "funcargs", {}).values() if isinstance(one, RunningStation)]
        report.sections.extend(("what the station did", one.did()) for one in stations)
    return report


@pytest.fixture(scope="session")
def chromium(program: Callable[[str], str]) -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def station(chromium: Browser, program: Callable[[str], str]) -> Iterator[RunningStation]:
    """A station in everyday use."""
    program("nginx")
    running = start_station()
    try:
        _move_in(chromium, running)
        yield running
    finally:
        running.stop()


@pytest.fixture
def fresh_station(program: Callable[[str], str]) -> Iterator[RunningStation]:
    """A station that nobody has claimed."""
    program("nginx")
    running = start_station()
    try:
        yield running
    finally:
        running.stop()


def _move_in(browser: Browser, running: RunningStation) -> None:
    """Claim it, hand over both drives, add Ben."""
    context = browser.new_context(locale="en-GB", viewport=DESKTOP)
    page = context.new_page()
    walk.claim(page, running, "Anna")
    walk.hand_over(page, running, "hot")
    walk.hand_over(page, running, "cold")
    walk.schedule(page)
    walk.add_member(page, running, "Ben")
    running.states["Anna"] = context.storage_state()
    context.close()
    context = browser.new_context(locale="en-GB", viewport=DESKTOP)
    page = context.new_page()
    walk.sign_in(page, running, "Ben")
    running.states["Ben"] = context.storage_state()
    context.close()


def _pages(browser: Browser, running: RunningStation, state: Any) -> Iterator[Page]:
    """A page that fails its test when a script breaks or the page's policy blocks something."""
    context = browser.new_context(
        locale="en-GB", viewport=DESKTOP, base_url=running.url, storage_state=state, reduced_motion="reduce"
    )
    context.set_default_timeout(30_000)
    page = context.new_page()
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("console", lambda said: trouble.append(said.text) if _is_trouble(said.type, said.text) else None)
    yield page
    context.close()
    assert trouble == []


def _is_trouble(kind: str, text: str) -> bool:
    """Errors, but not the browser's own line for an answer like 422, which pages handle."""
    return kind == "error" and "Failed to load resource" not in text


@pytest.fixture
def admin(chromium: Browser, station: RunningStation) -> Iterator[Page]:
    """Anna's browser."""
    yield from _pages(chromium, station, station.states["Anna"])


@pytest.fixture
def member(chromium: Browser, station: RunningStation) -> Iterator[Page]:
    """Ben's browser."""
    yield from _pages(chromium, station, station.states["Ben"])


@pytest.fixture
def visitor(chromium: Browser, station: RunningStation) -> Iterator[Page]:
    """A browser that nobody is signed in with."""
    yield from _pages(chromium, station, None)


@pytest.fixture
def fresh_visitor(chromium: Browser, fresh_station: RunningStation) -> Iterator[Page]:
    """A phone in front of a station that nobody has claimed."""
    pages = _pages(chromium, fresh_station, None)
    page = next(pages)
    page.set_viewport_size(PHONE)
    yield page
    next(pages, None)


@pytest.fixture(scope="session")
def serious() -> Callable[[Page], list[str]]:
    """``serious(page)``: what axe-core calls serious or critical on the page as it is now."""
    axe = Axe()

    def look(page: Page) -> list[str]:
        found = axe.run(page).response["violations"]
        return [
            f"{one['id']}: {node['target']} {node['failureSummary']}"
            for one in found
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]

    return look
