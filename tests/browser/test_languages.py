"""The station in Chinese, as a family sees it: chosen before signing in and after, and complete on every page."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import walk
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.running_station import RunningStation
from tests.browser.test_axe import crawl
from tests.english import english

SPEAKS = {"Accept-Language": "zh-CN,zh;q=0.9"}  # also where no page asks, but the crawl
GIVEN = (  # by the family to its drives, folders, photos and albums, and by makers to their cameras
    "anna@example.org",  # how an address looks
    "https://home.example.org/hook",
    "The blue drive",
    "The green drive",
    "Blue-drive",
    "Green-drive",
    "Canon EOS DIGITAL REBEL",
    "Canon EOS 350D DIGITAL",
    *("Desk", "Pocket", "Plain", "A day at the sea", "For guests"),
)


@pytest.fixture
def chinese(chromium: Browser, station: RunningStation) -> Iterator[Page]:
    """Anna in front of a browser that speaks Chinese."""
    context = chromium.new_context(base_url=station.url, locale="zh-CN", viewport=DESKTOP, extra_http_headers=SPEAKS)
    page = context.new_page()
    page.goto("/sign-in?name=Anna")
    page.get_by_label("密码").fill(walk.PASSWORD)
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("navigation", name="主导航", exact=True)).to_be_visible()
    yield page
    context.close()


def test_every_page_of_a_station_in_use_is_chinese(chinese: Page) -> None:
    left = {}
    for address in crawl(chinese):
        if address.startswith("/api/"):
            continue  # for programs
        if found := english(chinese.request.get(address).text(), GIVEN):
            left[address] = found
    assert left == {}, "\n".join(f"{address}: {found}" for address, found in left.items())


def test_a_visitor_chooses_the_language_before_signing_in(visitor: Page) -> None:
    visitor.set_viewport_size(PHONE)
    visitor.goto("/sign-in")
    visitor.get_by_role("button", name="简体中文").click()
    expect(visitor.get_by_role("heading", name="您是哪一位？")).to_be_visible()
    visitor.get_by_role("button", name="English").click()
    expect(visitor.get_by_role("heading", name="Who is it?")).to_be_visible()


def test_a_person_keeps_a_language_whatever_the_browser_speaks(member: Page) -> None:
    member.goto("/account")
    member.get_by_label("Language of the pages").select_option("zh")
    member.get_by_role("button", name="Save language").click()
    expect(member.get_by_role("heading", name="您登录的地方")).to_be_visible()
    assert member.locator("html").get_attribute("lang") == "zh-Hans"
    member.get_by_label("页面的语言").select_option("")
    member.get_by_role("button", name="保存语言").click()
    expect(member.get_by_role("heading", name="Where you are signed in")).to_be_visible()
