"""The files page in a real browser: at a desk with the keyboard, on a phone with a finger, and without JavaScript."""

import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PHONE
from tests.browser.running_station import RunningStation

pytestmark = pytest.mark.browser


def new_folder(page: Page, name: str) -> None:
    """In the family's folder; the page of the new one is open then."""
    page.goto("/files/")
    page.get_by_role("link", name="Family").click()
    page.locator("#new-folder summary").click()
    page.locator("#name").fill(name)
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def add(page: Page, tmp_path: Path, *names: str) -> None:
    """Files into the folder that is open, by its own button."""
    address = page.url
    for name in names:
        (tmp_path / name).write_text(f"this is {name} in {address}")
    page.locator(".tools").get_by_role("link", name="Add files").click()
    page.locator("#files").set_input_files([tmp_path / name for name in names])
    page.get_by_role("link", name="See the folder").click()
    for name in names:
        expect(page.get_by_text(name, exact=True)).to_be_visible()


def test_at_a_desk_files_are_added_chosen_by_keys_moved_and_downloaded(
    admin: Page, station: RunningStation, tmp_path: Path
) -> None:
    new_folder(admin, "Desk")
    add(admin, tmp_path, "a.txt", "b.txt", "c.txt")
    assert sorted(path.name for path in (station.hot / "Family/Desk").iterdir()) == ["a.txt", "b.txt", "c.txt"]
    admin.keyboard.press("ArrowDown")
    admin.keyboard.press("x")
    admin.keyboard.press("ArrowDown")
    admin.keyboard.press("x")
    expect(admin.get_by_text("2 chosen")).to_be_visible()
    with admin.expect_download() as waiting:
        admin.locator(".file-bar").get_by_role("button", name="Download").click()
    with zipfile.ZipFile(waiting.value.path()) as archive:
        assert archive.namelist() == ["a.txt", "b.txt", "About this download.txt"]
        assert archive.testzip() is None
    admin.keyboard.press("Escape")
    expect(admin.locator("[data-count]")).to_have_text("")
    admin.locator(".tick input").first.check()
    admin.locator(".tick input").nth(2).click(modifiers=["Shift"])
    admin.get_by_role("button", name="Move").click()
    admin.get_by_role("button", name="Family").click()
    admin.get_by_role("button", name="Move to “Family”").click()
    expect(admin.get_by_text("3 things were moved here.")).to_be_visible()
    assert list((station.hot / "Family/Desk").iterdir()) == []


def test_on_a_phone_a_long_touch_chooses_and_a_deletion_is_undone(
    chromium: Browser, station: RunningStation, tmp_path: Path
) -> None:
    context = chromium.new_context(
        locale="en-GB", viewport=PHONE, has_touch=True, base_url=station.url, storage_state=station.states["Ben"]
    )
    page = context.new_page()
    new_folder(page, "Pocket")
    add(page, tmp_path, "one.txt", "two.txt")
    row = page.locator("[data-rows] > li").first
    row.dispatch_event("touchstart", {"touches": []})
    page.wait_for_timeout(700)
    row.dispatch_event("touchend")
    expect(page.get_by_text("1 chosen")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("1 thing is in the bin.")).to_be_visible()
    assert [path.name for path in (station.hot / "Family/Pocket").iterdir()] == ["two.txt"]
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("1 thing is back.")).to_be_visible()
    assert len(list((station.hot / "Family/Pocket").iterdir())) == 2
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off"
    context.close()


def test_without_javascript_the_same_buttons_do_the_same(chromium: Browser, station: RunningStation) -> None:
    context = chromium.new_context(
        locale="en-GB", base_url=station.url, storage_state=station.states["Anna"], java_script_enabled=False
    )
    page = context.new_page()
    new_folder(page, "Plain")
    page.goto("/files/folder?drive=HOT-1&path=Family")
    page.get_by_label("Choose Plain").check()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("1 thing is in the bin.")).to_be_visible()
    page.get_by_role("link", name="See the bin").click()
    page.get_by_label("Choose Plain").check()
    page.get_by_role("button", name="Bring back").click()
    assert (station.hot / "Family/Plain").is_dir()
    context.close()
