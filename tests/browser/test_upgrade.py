"""New versions in the browser, on a station with two slots that the real RAUC writes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.places import Places
from appliance.upgrade import attempt
from appliance.upgrade.attempt import Attempt, Phase
from appliance.words import Message
from tests.browser import walk
from tests.browser.conftest import DESKTOP
from tests.browser.looks import usable
from tests.browser.running_station import RunningStation, start_station
from tests.component.rauc_bed import RaucBed, rauc_bed
from tests.root import need_root

pytestmark = pytest.mark.browser
PAGE = "/plugins/upgrade/"


@pytest.fixture
def slotted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: Callable[[str], str]
) -> Iterator[tuple[RunningStation, RaucBed]]:
    """A station whose root side finds two slots."""
    need_root()
    for name in ("nginx", "dbus-daemon", "mksquashfs", "openssl"):
        program(name)
    here = Places(tmp_path / "data", tmp_path / "run", tmp_path / "upgrade")
    here.upgrade.mkdir()
    for folder in (tmp_path, *tmp_path.parents):
        folder.chmod(folder.stat().st_mode | 0o011)
    with rauc_bed(tmp_path / "rauc", here, monkeypatch) as rauc:
        running = start_station()
        try:
            yield running, rauc
        finally:
            running.stop()


def test_an_owner_brings_a_version_says_when_it_is_tried_and_reads_how_it_ended(
    chromium: Browser, slotted: tuple[RunningStation, RaucBed], serious: Callable[[Page], list[str]]
) -> None:
    running, rauc = slotted
    context = chromium.new_context(locale="en-GB", viewport=DESKTOP, base_url=running.url, reduced_motion="reduce")
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.goto(running.url)
    walk.claim(page, running, "Anna")
    page.goto(PAGE)
    expect(page.get_by_role("heading", name="Version 1.1.0 runs")).to_be_visible()
    usable(page, serious, "upgrade-empty")

    photo = rauc.folder / "photo.raucb"
    photo.write_bytes(b"no bundle at all" * 100_000)
    _send(page, photo, "later")
    failed = page.get_by_role("region", name="It was not installed")
    expect(failed).to_contain_text("This file is not a new version", timeout=walk.SLOW)
    expect(page.locator("#bundle")).to_be_visible()  # without a reload
    usable(page, serious, "upgrade-failed")

    _send(page, rauc.bundle("1.2.0"), "quiet")
    ready = page.get_by_role("region", name="Version 1.2.0 is ready")
    expect(ready).to_contain_text("with about two minutes without service", timeout=walk.SLOW)
    expect(page.get_by_role("heading", name="From a file")).to_have_count(0)
    usable(page, serious, "upgrade-ready")
    ready.get_by_role("button", name="Call it off").click()
    expect(page.get_by_text("Version 1.2.0 is not installed. Nothing else has changed.")).to_be_visible()
    assert rauc.reboots() == 0

    _send(page, rauc.bundle("1.3.0"), "now")
    expect(page.get_by_text("In about two minutes it is back.").first).to_be_visible(timeout=walk.SLOW)
    walk.until(lambda: rauc.reboots() == 1)
    assert rauc.trying() == "B"
    page.goto(PAGE)  # until it goes down, and on the version before
    trying = page.get_by_role("region", name="Version 1.3.0 is being tried")
    expect(trying).to_contain_text("The station restarts now.")
    expect(page.get_by_role("heading", name="From a file")).to_have_count(0)
    usable(page, serious, "upgrade-trying")

    why = Message("Version {version} did not start.", {"version": "1.3.0"})
    attempt.write(rauc.here.upgrade, Attempt("1.3.0", "1.1.0", "B").at(Phase.CAME_BACK, why=why))
    page.goto(PAGE)
    ended = page.get_by_role("region", name="Version 1.3.0 was not kept")
    expect(ended).to_contain_text("Version 1.3.0 did not start.")
    expect(ended).to_contain_text("Nothing is lost.")
    usable(page, serious, "upgrade-came-back")
    walk.speak(page, running, "zh")
    page.goto(PAGE)
    expect(page.get_by_role("heading", name="新版本", exact=True)).to_be_visible()
    usable(page, serious, "upgrade-zh")
    walk.speak(page, running, "")
    page.goto(PAGE)
    ended.get_by_role("button", name="I know").click()
    expect(page.get_by_text("It stays in the history below.")).to_be_visible()
    attempt.write(rauc.here.upgrade, Attempt("1.1.0", "1.0.0", "B").at(Phase.KEPT))
    page.goto(PAGE)
    expect(page.get_by_role("region", name="Version 1.1.0 is kept")).to_be_visible()

    page.get_by_label("Where news of versions is").fill("http://example.org/news")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Enter a whole address")
    usable(page, serious, "upgrade-settings")
    context.close()


def _send(page: Page, file: Path, when: str) -> None:
    page.goto(PAGE)
    form = page.locator("#bundle")
    form.get_by_label("The file").set_input_files(file)
    form.locator(f"#file-{when}").check()
    form.get_by_role("button", name="Send and install").click()
