"""Searching as a person does it: a key, a word, and pictures that follow."""

import io
import re

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def send(page: Page, name: str, colour: str) -> None:
    """A picture of one colour, by the browser's own sign-in."""
    page.goto("/photos/upload")
    out = io.BytesIO()
    Image.new("RGB", (80, 60), colour).save(out, "PNG")
    token = page.locator("#upload").get_attribute("data-token") or ""
    answer = page.request.put(f"/api/v1/files/{name}", data=out.getvalue(), headers={"X-CSRFToken": token})
    assert answer.ok, answer.text()


def test_typing_finds_and_a_search_is_kept_and_dropped(member: Page) -> None:
    for name, colour in (
        ("Harbour at dawn.png", "orange"),
        ("Screenshot_Lake.png", "blue"),
        ("湖边的小船.png", "green"),
    ):
        send(member, name, colour)
    cells = member.locator("[data-grid] .cell")
    member.goto("/photos/")
    expect(cells.nth(2)).to_be_visible()
    member.keyboard.press("/")
    member.keyboard.type("harb")
    expect(cells).to_have_count(1)
    expect(member).to_have_url(re.compile(r"/photos/search\?words=harb$"))
    member.locator("#words").fill("小船")
    expect(cells).to_have_count(1)
    member.locator("#words").fill("nothing like it")
    expect(member.get_by_text("No photo matches.")).to_be_visible()
    member.locator("#words").fill("")
    expect(cells.nth(2)).to_be_visible()

    member.goto("/photos/search")
    member.get_by_text("Filters", exact=True).click()
    member.get_by_label("Kind").select_option("screenshot")
    member.get_by_role("button", name="Show").click()
    expect(cells).to_have_count(1)
    member.get_by_text("Keep this search").click()
    member.get_by_placeholder("Name").fill("What was on the screen")
    member.get_by_role("button", name="Keep", exact=True).click()
    member.goto("/photos/search")
    member.get_by_role("link", name="What was on the screen").click()
    expect(cells).to_have_count(1)
    member.get_by_role("button", name="no longer").click()
    expect(member.get_by_role("link", name="What was on the screen")).to_have_count(0)
