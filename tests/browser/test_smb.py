"""Windows and Mac sharing in the browser, on a station of its own with the real Samba behind it."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import walk
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.running_station import RunningStation, start_station, switch_on
from tests.component.loop_drives import soon


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def sharing(program: Callable[[str], str]) -> Iterator[tuple[RunningStation, int]]:
    """A station on which sharing is switched on, and its port."""
    program("smbd")
    running, port = start_station(), _free_port()
    switch_on(running, "smb", port=str(port), only_here="on")
    try:
        yield running, port
    finally:
        running.stop()


def test_an_admin_shares_a_folder_says_who_may_use_it_and_tries_it(
    chromium: Browser, sharing: tuple[RunningStation, int], serious: Callable[[Page], list[str]]
) -> None:
    running, port = sharing
    page = _with_a_drive(chromium, running)
    walk.add_member(page, running, "Ben")
    page.goto("/plugins/smb/")
    page.get_by_label("New folder inside the family’s").fill("Music")
    page.get_by_role("button", name="Share it").click()
    expect(page.get_by_text("“Music” is shared now.")).to_be_visible()
    ben = page.locator("#smb-who ~ form details", has_text="Ben")
    expect(ben.get_by_text("may change everything")).to_be_visible()
    ben.get_by_role("group", name="Music – Ben").get_by_label("nothing").check()
    ben.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. It holds from now on.")).to_be_visible()
    expect(ben.get_by_role("group", name="Music – Ben").get_by_label("nothing")).to_be_checked()
    expect(ben.get_by_text("Finds “Family for Ben” in place of “Family”: “Music” not inside.")).to_be_visible()
    page.get_by_role("button", name="Try it now").click()
    expect(page.get_by_text("Yes. Signing in, listing, writing, reading back and deleting all worked.")).to_be_visible()
    assert _shares(port, "Anna") == {"Anna", "Family", "Music"} and _shares(port, "Ben") == {"Ben", "Family for Ben"}
    for width in (DESKTOP, PHONE):
        page.set_viewport_size(width)
        assert serious(page) == []
    page.context.close()


def test_what_a_computer_deletes_is_in_the_bin_while_one_looks_and_comes_back(
    chromium: Browser, sharing: tuple[RunningStation, int]
) -> None:
    running, port = sharing
    page = _with_a_drive(chromium, running)
    code, said = _client(port, "Anna", "Anna", "put /etc/hostname letter.txt; ls")
    assert code == 0, said
    code, said = _client(port, "Anna", "Anna", "del letter.txt")
    assert code == 0, said
    gone = time.monotonic()
    letter = _in_the_bin(page, "letter.txt")
    expect(letter).to_be_visible()
    assert time.monotonic() - gone <= max(10.0, soon(10.0))
    letter.get_by_role("checkbox").check()
    page.get_by_role("button", name="Bring back").click()
    expect(page.get_by_text("1 thing is back.")).to_be_visible()
    code, said = _client(port, "Anna", "Anna", "ls")
    assert "letter.txt" in said
    page.context.close()


def test_switched_off_it_serves_nobody_from_that_moment(chromium: Browser, sharing: tuple[RunningStation, int]) -> None:
    running, port = sharing
    page = _with_a_drive(chromium, running)
    assert _client(port, "Anna", "Anna", "ls")[0] == 0
    page.goto("/system/plugins")
    page.get_by_role("button", name="Switch off – Windows and Mac sharing").click()
    expect(page.get_by_text("Nobody is served by it any more, from this moment.")).to_be_visible()
    assert not _answers(port)
    page.goto("/plugins/smb/")  # this console began while it was on
    page.get_by_label("New folder inside the family’s").fill("Music")
    page.get_by_role("button", name="Share it").click()
    expect(page.get_by_text("nobody is served until it is on again")).to_be_visible()
    assert not _answers(port)
    page.context.close()


def _with_a_drive(chromium: Browser, running: RunningStation) -> Page:
    """Anna's browser, after she has claimed the station and handed a drive over."""
    context = chromium.new_context(locale="en-GB", viewport=DESKTOP, base_url=running.url, reduced_motion="reduce")
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.goto(running.url)
    expect(page.get_by_role("heading").first).to_be_visible(timeout=30_000)
    walk.claim(page, running, "Anna")
    walk.hand_over(page, running, "hot")
    return page


def _client(port: int, share: str, name: str, commands: str) -> tuple[int, str]:
    """Samba's own client; the share may be a moment away, since it follows what was done in the browser."""
    words = ["smbclient", f"//127.0.0.1/{share}", "-p", str(port), "-s", "/dev/null", "-U", f"{name}%{walk.PASSWORD}"]
    for _ in range(60):
        done = subprocess.run([*words, "-c", commands], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode == 0:
            break
        time.sleep(0.5)
    return done.returncode, done.stdout + done.stderr


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _in_the_bin(page: Page, name: str) -> Locator:
    """The file in the bin, looked for again and again."""
    row = page.locator("li", has_text=name)
    for _ in range(240):
        page.goto("/files/bin")
        if row.count():
            break
        page.wait_for_timeout(250)
    return row


def _shares(port: int, name: str) -> set[str]:
    """What somebody's computer finds."""
    sign_in = f"{name}%{walk.PASSWORD}"
    words = ["smbclient", "-g", "-L", "//127.0.0.1", "-p", str(port), "-s", "/dev/null", "-U", sign_in]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    return {line.split("|")[1] for line in done.stdout.splitlines() if line.startswith("Disk|")}
