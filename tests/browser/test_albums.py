"""Albums in a real browser: chosen by keys and by finger, shown to a guest, with words in the viewer; and axe."""

import io
import time
from collections.abc import Callable, Iterator

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect

from tests.browser import walk
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.running_station import RunningStation

COUNT = 8


def picture(number: int) -> bytes:
    """A photo of its own day and colour."""
    image = Image.new("RGB", (640, 480), ((37 * number) % 256, 120, 90))
    ImageDraw.Draw(image).ellipse((200, 100, 440, 340), fill=(250, 30 * number, 60))
    exif = Image.Exif()
    exif[0x0132] = f"2025:0{1 + number}:11 10:00:00"
    out = io.BytesIO()
    image.save(out, "jpeg", exif=exif)
    return out.getvalue()


@pytest.fixture(scope="module")
def sent(chromium: Browser, station: RunningStation) -> None:
    """Ben's photos, with their previews."""
    context = chromium.new_context(base_url=station.url, storage_state=station.states["Ben"])
    page = context.new_page()
    for number in range(COUNT):
        walk.send(page, station, f"album_{number}.jpg", picture(number))
    end = time.monotonic() + 60
    while time.monotonic() < end:
        page.goto("/photos/")
        if page.locator(".cell img").count() >= COUNT:
            break
        page.wait_for_timeout(500)
    context.close()


def choose_some(page: Page, count: int) -> None:
    """The newest, by keys alone."""
    page.goto("/photos/")
    page.locator(".cell").first.focus()
    page.keyboard.press("x")
    for _ in range(count - 1):
        page.keyboard.press("Shift+ArrowRight")
    expect(page.locator(".chosen-bar [data-words]")).to_have_text(f"{count} chosen")


def test_an_album_by_keys_alone_and_what_can_be_undone(
    sent: None, member: Page, serious: Callable[[Page], list[str]]
) -> None:
    choose_some(member, 3)
    assert serious(member) == []
    member.locator(".chosen-bar summary", has_text="Add to album").focus()
    member.keyboard.press("Enter")
    member.locator("#chosen-new").fill("By keys")
    member.keyboard.press("Enter")
    expect(member.locator("#notices")).to_contain_text("3 photos are in “By keys” now.")
    expect(member.locator(".chosen-bar")).to_be_hidden()
    choose_some(member, 2)
    member.locator(".chosen-bar").get_by_role("button", name="Favourite", exact=True).click()
    expect(member.locator("#notices")).to_contain_text("2 photos are favourites now.")
    member.get_by_role("button", name="Undo").click()
    expect(member.locator("#notices")).to_contain_text("2 photos are as they were.")
    member.goto("/albums/")
    assert serious(member) == []
    member.get_by_role("link", name="By keys").click()
    expect(member.locator(".cell")).to_have_count(3)
    assert serious(member) == []
    member.locator(".cell").first.click(modifiers=["Shift"])
    member.locator(".chosen-bar").get_by_role("button", name="Take out of the album").click()
    expect(member.locator(".cell")).to_have_count(2)


def test_words_are_written_and_stay_where_one_is(
    sent: None, member: Page, serious: Callable[[Page], list[str]]
) -> None:
    member.goto("/photos/")
    member.locator(".cell").last.click()
    member.locator("details.say summary").click()
    member.locator("#title").fill("A day at the sea")
    member.locator("#tags").fill("Sea, sun")
    member.get_by_role("button", name="Save").click()
    expect(member.get_by_role("heading", name="A day at the sea")).to_be_visible()
    member.get_by_role("button", name="4 stars").click()
    expect(member.locator(".stars .lit")).to_have_count(4)
    member.get_by_role("button", name="Ours").click()
    expect(member.get_by_role("button", name="Ours")).to_have_attribute("aria-pressed", "true")
    assert serious(member) == []
    member.goto("/photos/ours")
    expect(member.locator(".cell")).to_have_count(1)
    assert serious(member) == []


@pytest.fixture
def finger(chromium: Browser, station: RunningStation) -> Iterator[Page]:
    """Ben's phone."""
    context = chromium.new_context(
        base_url=station.url, storage_state=station.states["Ben"], viewport=PHONE, has_touch=True, is_mobile=True,
        locale="en-GB", reduced_motion="reduce",
    )  # fmt: skip
    yield context.new_page()
    context.close()


def test_a_long_press_begins_choosing_and_a_tap_goes_on(
    sent: None, finger: Page, serious: Callable[[Page], list[str]]
) -> None:
    finger.goto("/photos/")
    first = finger.locator(".cell").first
    box = first.bounding_box()
    assert box
    at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    hand = finger.context.new_cdp_session(finger)
    hand.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
    finger.wait_for_timeout(700)
    hand.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(finger.locator(".chosen")).to_have_count(1)
    finger.locator(".cell").nth(1).tap()
    expect(finger.locator(".chosen-bar [data-words]")).to_have_text("2 chosen")
    assert finger.evaluate("location.pathname") == "/photos/"
    assert serious(finger) == []
    assert not finger.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_guest_looks_and_brings_photos(
    sent: None, size: object, member: Page, visitor: Page, serious: Callable[[Page], list[str]]
) -> None:
    name = f"For guests {id(size)}"
    choose_some(member, 4)
    member.locator(".chosen-bar summary", has_text="Add to album").click()
    member.locator("#chosen-new").fill(name)
    member.keyboard.press("Enter")
    expect(member.locator("#notices")).to_contain_text("4 photos are in")
    member.goto("/albums/")
    member.get_by_role("link", name=name).click()
    member.get_by_role("link", name="Edit and share").click()
    assert serious(member) == []
    member.locator("summary", has_text="Make a link").click()
    member.get_by_label("Password").fill("cake")
    member.get_by_label("Others can add photos here").check()
    member.get_by_role("button", name="Make the link").click()
    address = member.get_by_role("textbox", name="Address").input_value()
    assert serious(member) == []
    visitor.set_viewport_size(size)  # type: ignore[arg-type]
    visitor.goto(address)
    assert serious(visitor) == []
    visitor.get_by_label("Password").fill("cake")
    visitor.get_by_role("button", name="Show the album").click()
    expect(visitor.locator(".cell")).to_have_count(4)
    assert serious(visitor) == []
    new = [{"name": f"{n}.jpg", "mimeType": "image/jpeg", "buffer": picture(n) + name.encode()} for n in (20, 21)]
    visitor.locator("#files").set_input_files(new)  # type: ignore[arg-type]
    visitor.get_by_role("button", name="Send").click()
    expect(visitor.get_by_role("status").first).to_contain_text("2 photos are in the album now.")
    expect(visitor.locator(".cell")).to_have_count(6)
    visitor.locator(".cell").first.click()
    expect(visitor.locator(".stage")).to_be_visible()
    assert serious(visitor) == []
    assert not visitor.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
