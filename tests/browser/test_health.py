"""Health in a real browser: something is wrong, it is read, its steps or its button are followed, and it is gone."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser import history, walk
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.running_station import BLUE, RunningStation

pytestmark = pytest.mark.browser
SMALLEST_LETTERS = 10.5  # px, on a phone


@pytest.fixture
def lived_with(station: RunningStation) -> Iterator[None]:
    """The blue drive has been with the family for more than a year."""
    history.lived_with(station, 1, 420)
    yield
    history.forgotten(station, 1)


def test_a_drive_that_was_pulled_is_told_its_steps_are_followed_and_it_is_gone(
    admin: Page, station: RunningStation, serious: Callable[[Page], list[str]]
) -> None:
    admin.set_viewport_size(PHONE)
    admin.goto("/system/health")
    station.pull(BLUE)
    try:
        told = admin.locator(".repair", has_text="The blue drive is not connected.")
        expect(told).to_be_visible(timeout=walk.SLOW)  # without a reload
        expect(told).to_contain_text("Nothing is lost")
        told.get_by_role("link", name="Connect a drive").click()
        expect(admin.get_by_role("heading", level=1, name="Connect a drive")).to_be_visible()
        steps = admin.locator(".guide li")
        assert steps.count() == 4 and all(step.bounding_box()["height"] > 20 for step in steps.all())  # type: ignore[index]
        assert serious(admin) == [] and _fits(admin)
    finally:
        station.plug(BLUE)
    admin.get_by_role("button", name="Look whether it helped").click()
    expect(admin.get_by_role("heading", level=1, name="Health")).to_be_visible()
    expect(admin.locator(".repair", has_text="The blue drive is not connected.")).to_have_count(0, timeout=walk.SLOW)


def test_a_drive_that_was_let_go_is_used_again_by_the_button_of_its_finding(admin: Page) -> None:
    admin.goto("/drives/1")
    admin.get_by_role("button", name="Unplug safely").click(timeout=walk.SLOW)
    expect(admin.get_by_text("Wait until the drive says that it may be unplugged.")).to_be_visible()
    admin.goto("/system/health")
    told = admin.locator(".repair", has_text="was let go and may be unplugged")
    expect(told).to_be_visible(timeout=walk.SLOW)
    told.get_by_role("button", name="Use it again").click()
    expect(admin.get_by_text("The drive is being taken into use again.")).to_be_visible()
    expect(told).to_have_count(0, timeout=walk.SLOW)
    admin.goto("/drives/1")
    expect(admin.get_by_text("on and in use")).to_be_visible(timeout=walk.SLOW)


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_how_a_drive_has_been_is_seen_in_charts_that_can_be_read(
    admin: Page, lived_with: None, serious: Callable[[Page], list[str]], size: dict[str, int]
) -> None:
    admin.set_viewport_size(size)  # type: ignore[arg-type]
    admin.goto("/drives/1")
    for chart, words in ((".chart.space", "used."), (".chart.trend", "°C now"), (".chart.trend", "bad spots now")):
        picture = admin.locator(f"{chart}[aria-label*='{words}']")
        expect(picture).to_be_visible()
        values = picture.locator("text").all_inner_texts()
        assert len(values) >= 5, values  # at the side and below
        heights = [text.bounding_box()["height"] for text in picture.locator("text").all()]  # type: ignore[index]
        assert min(heights) >= SMALLEST_LETTERS, heights
    expect(admin.locator(".chart text.limit")).to_contain_text("too warm from")
    admin.locator("#over-time").get_by_text("As a table").click()
    expect(admin.locator("#over-time").get_by_role("columnheader", name="Bad spots")).to_be_visible()
    assert serious(admin) == [] and _fits(admin)


def test_what_a_drive_does_not_tell_is_unknown(admin: Page) -> None:
    admin.goto("/drives/2")
    expect(admin.locator("#over-time")).to_contain_text("Unknown: this drive, or the case it is in")
    assert admin.locator("#over-time svg.chart").count() == 0


def _fits(page: Page) -> bool:
    """Nothing sticks out to the right."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))
