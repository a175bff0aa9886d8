"""Folders for Linux and media players in the browser, on a station of its own with the real ganesha behind it."""

import socket
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from plugins.nfs import client
from tests.browser import walk
from tests.browser.conftest import DESKTOP
from tests.browser.looks import usable
from tests.browser.running_station import RunningStation, start_station, switch_on

pytestmark = pytest.mark.browser


@pytest.fixture
def serving(program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[RunningStation, int]]:
    """A station on which the plugin is switched on, and where its server will listen."""
    program("ganesha.nfsd")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    monkeypatch.setenv("EVERPX_NFS_PORT", str(port))
    running = start_station()
    switch_on(running, "nfs")
    try:
        yield running, port
    finally:
        running.stop()


def test_an_admin_lists_a_device_gives_it_a_folder_tries_it_and_shuts_it_out(
    chromium: Browser, serving: tuple[RunningStation, int], serious: Callable[[Page], list[str]]
) -> None:
    running, port = serving
    context = chromium.new_context(locale="en-GB", viewport=DESKTOP, base_url=running.url, reduced_motion="reduce")
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.goto(running.url)
    expect(page.get_by_role("heading").first).to_be_visible(timeout=30_000)
    walk.claim(page, running, "Anna")
    walk.hand_over(page, running, "hot")
    (running.hot / "Family").mkdir(exist_ok=True)

    page.goto("/plugins/nfs/")
    expect(page.get_by_text("NFS asks for no password.")).to_be_visible()
    expect(page.get_by_text("Nobody gets anything")).to_be_visible()
    usable(page, serious, "nfs-empty")
    page.get_by_label("What you call it").fill("Television")
    page.get_by_label("Its address").fill("8.8.8.8")
    page.get_by_role("button", name="List it").click()
    expect(page.get_by_role("alert")).to_contain_text("not in a home network")
    usable(page, serious, "nfs-wrong")
    page.get_by_label("Its address").fill("192.168.1.20")
    page.get_by_role("button", name="List it").click()
    expect(page.get_by_text("Television is listed. Choose what it may see.")).to_be_visible()

    device = page.get_by_role("region", name="Television")
    device.get_by_role("group", name="Family").get_by_label("see", exact=True).check()
    device.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved, and in force.")).to_be_visible()
    expect(device.get_by_role("group", name="Family").get_by_label("see", exact=True)).to_be_checked()
    expect(page.get_by_text("127.0.0.1:/HOT-1/Family").first).to_be_visible()
    assert client.answers("127.0.0.1", port)
    page.get_by_role("button", name="Try it now").click()
    expect(page.get_by_text("Yes. One folder is served, and the server answers.")).to_be_visible(timeout=walk.SLOW)
    usable(page, serious, "nfs-served")
    walk.speak(page, running, "zh")
    page.goto("/plugins/nfs/")
    expect(page.get_by_role("heading", name="供 Linux 和媒体播放器使用的文件夹")).to_be_visible()
    usable(page, serious, "nfs-zh")
    walk.speak(page, running, "")
    page.goto("/plugins/nfs/")

    device.get_by_role("button", name="Shut this device out").click()
    expect(page.get_by_text("Television gets nothing any more.")).to_be_visible()
    expect(page.get_by_text("Nobody gets anything")).to_be_visible()
    assert not client.answers("127.0.0.1", port)
    context.close()
