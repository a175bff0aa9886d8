"""The family, as an admin looks after it in the browser: with a mouse, with the keyboard alone, without JavaScript."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import walk
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.running_station import RunningStation


@pytest.fixture
def plain(chromium: Browser, station: RunningStation) -> Iterator[Page]:
    """Anna's browser with JavaScript off."""
    context = chromium.new_context(
        base_url=station.url, storage_state=station.states["Anna"], java_script_enabled=False, viewport=PHONE
    )
    yield context.new_page()
    context.close()


def add(page: Page, name: str) -> None:
    page.goto("/people/")
    page.get_by_role("link", name="Add somebody").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password", exact=False).first.fill(walk.PASSWORD)
    page.get_by_text("Violet", exact=True).click()
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text(f"{name} can sign in now.")).to_be_visible()


def test_somebody_new_signs_in_with_their_picture(admin: Page, chromium: Browser, station: RunningStation) -> None:
    add(admin, "Cleo")
    expect(admin.get_by_role("link", name="Cleo")).to_be_visible()
    context = chromium.new_context(base_url=station.url, viewport=DESKTOP)
    hers = context.new_page()
    walk.sign_in(hers, station, "Cleo")
    expect(hers.get_by_role("link", name="People")).to_have_count(0)
    context.close()


def test_the_own_password_is_asked_for_only_when_somebody_becomes_an_admin(admin: Page) -> None:
    admin.goto("/people/add")
    own = admin.get_by_label("Your own password")
    expect(own).to_be_hidden()
    admin.get_by_role("radio", name="Admin").check()
    expect(own).to_be_visible()


def test_without_javascript_somebody_is_added_kept_out_let_in_and_removed(plain: Page) -> None:
    add(plain, "Dora")
    plain.get_by_role("link", name="Dora").click()
    plain.get_by_role("button", name="Keep out").click()
    expect(plain.get_by_text("Dora can no longer sign in. All files are kept.")).to_be_visible()
    plain.get_by_role("link", name="Dora").click()
    plain.get_by_role("button", name="Let in again").click()
    expect(plain.get_by_text("Dora can sign in again.")).to_be_visible()
    plain.get_by_role("link", name="Remove Dora").click()
    expect(plain.get_by_label("Who gets them?")).to_be_hidden()
    plain.get_by_label("Hand over to somebody").check()
    expect(plain.get_by_label("Who gets them?")).to_be_visible()
    plain.get_by_label("Keep as plain files").check()
    plain.get_by_label("Your own password").fill(walk.PASSWORD)
    plain.get_by_role("button", name="Remove Dora").click()
    expect(plain.get_by_text("Dora was removed. All files are still there.")).to_be_visible()
    expect(plain.get_by_role("link", name="Dora")).to_have_count(0)


def test_with_the_keyboard_alone_somebody_is_added(admin: Page) -> None:
    admin.set_viewport_size(DESKTOP)
    admin.goto("/people/")
    admin.keyboard.press("Tab")
    expect(admin.get_by_role("link", name="Skip to the page")).to_be_focused()
    admin.keyboard.press("Enter")
    admin.keyboard.press("Tab")
    expect(admin.get_by_role("link", name="Add somebody")).to_be_focused()
    admin.keyboard.press("Enter")
    admin.get_by_label("Name").focus()
    admin.keyboard.type("Emil")
    admin.keyboard.press("Tab")
    admin.keyboard.type("short")
    admin.keyboard.press("Tab")
    admin.keyboard.press("ArrowRight")  # the next colour
    admin.keyboard.press("Tab")
    admin.keyboard.press("ArrowRight")  # the first emoji
    admin.keyboard.press("Tab")
    admin.locator("#add-form").evaluate("form => { form.noValidate = true; }")
    admin.keyboard.press("Tab")
    expect(admin.get_by_role("button", name="Add", exact=True)).to_be_focused()
    admin.keyboard.press("Enter")
    expect(admin.get_by_role("alert")).to_be_focused()
    admin.keyboard.press("Tab")
    admin.keyboard.press("Enter")  # the problem is a link to its field
    admin.keyboard.press("Tab")
    expect(admin.get_by_label("Name")).to_have_value("Emil")
    admin.get_by_role("textbox", name="Password").first.fill(walk.PASSWORD)
    admin.keyboard.press("Enter")
    expect(admin.get_by_text("Emil can sign in now.")).to_be_visible()


def test_the_recovery_card_prints_on_one_small_page_and_nothing_else(
    admin: Page, serious: Callable[[Page], list[str]]
) -> None:
    admin.goto("/people/recovery-card")
    admin.get_by_label("Your own password").fill(walk.PASSWORD)
    admin.get_by_role("button", name=re.compile("Make")).click()
    card = admin.get_by_role("region", name="Recovery card")
    for scheme in ("light", "dark"):
        admin.emulate_media(color_scheme=scheme)
        assert serious(admin) == []
    for wide in (False, True):
        printed = admin.pdf(format="A6", landscape=wide)
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
    admin.emulate_media(media="print")
    expect(card.get_by_text(re.compile(r"^(\w{5}-){3}\w{5}$"))).to_be_visible()
    expect(admin.get_by_role("navigation")).to_have_count(0)
    admin.emulate_media(media="screen", color_scheme="light")
    admin.get_by_role("link", name="I have it").click()
    expect(admin.get_by_text("There is a card")).to_be_visible()
