"""Windows and Mac sharing in the browser, on a station of its own with the real Samba behind it."""

import socket
import subprocess
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from appliance import plugin
from appliance.db import Database
from tests.browser import walk
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.running_station import RunningStation, start_station


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def sharing(program: Callable[[str], str]) -> Iterator[tuple[RunningStation, int]]:
    """A station on which sharing is switched on, and its port."""
    program("smbd")
    running, port = start_station(), _free_port()
    db = Database(running.data / "everpx.db")
    with db.writing() as session:
        plugin.switch(session, "smb", on=True)
        plugin.configure(session, "smb", {"port": str(port), "only_here": "on"})
    db.close()
    for word in ("console.serve", "jobs.worker"):  # a plugin is there from the next start on
        running.kill(word)
    try:
        yield running, port
    finally:
        running.stop()


def test_an_admin_shares_a_folder_says_who_may_use_it_and_tries_it(
    chromium: Browser, sharing: tuple[RunningStation, int], serious: Callable[[Page], list[str]]
) -> None:
    running, port = sharing
    context = chromium.new_context(locale="en-GB", viewport=DESKTOP, base_url=running.url, reduced_motion="reduce")
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.goto(running.url)
    expect(page.get_by_role("heading").first).to_be_visible(timeout=30_000)
    walk.claim(page, running, "Anna")
    walk.hand_over(page, running, "hot")
    walk.add_member(page, running, "Ben")
    page.goto("/plugins/smb/")
    page.get_by_label("New folder inside the family’s").fill("Music")
    page.get_by_role("button", name="Share it").click()
    expect(page.get_by_text("“Music” is shared now.")).to_be_visible()
    page.locator("fieldset", has_text="Ben").get_by_label("Music").select_option("nothing")
    page.locator("#smb-who ~ form").get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. It holds from now on.")).to_be_visible()
    expect(page.locator("fieldset", has_text="Ben").get_by_label("Music")).to_have_value("nothing")
    page.get_by_role("button", name="Try it now").click()
    expect(page.get_by_text("Yes. Signing in, listing, writing, reading back and deleting all worked.")).to_be_visible()
    assert _shares(port, "Anna") == {"Anna", "Family", "Music"} and _shares(port, "Ben") == {"Ben", "Family"}
    for width in (DESKTOP, PHONE):
        page.set_viewport_size(width)
        assert serious(page) == []
    context.close()


def _shares(port: int, name: str) -> set[str]:
    """What somebody's computer finds."""
    sign_in = f"{name}%{walk.PASSWORD}"
    words = ["smbclient", "-g", "-L", "//127.0.0.1", "-p", str(port), "-s", "/dev/null", "-U", sign_in]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    return {line.split("|")[1] for line in done.stdout.splitlines() if line.startswith("Disk|")}
