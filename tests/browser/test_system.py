"""The station's own pages in the browser, and what every page promises: keys, weight, themes, no JavaScript needed."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from appliance.db import Database
from appliance.jobs import schedule
from appliance.jobs.plan import Plan, Rhythm
from appliance.plugin import PluginRow
from appliance.words import Message
from tests.browser import walk
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.running_station import RunningStation

HEAVIEST = 150_000  # bytes over the wire on the first visit, without photos


@pytest.fixture
def plain(chromium: Browser, station: RunningStation) -> Iterator[Page]:
    """Anna's browser with JavaScript off."""
    context = chromium.new_context(
        base_url=station.url, storage_state=station.states["Anna"], java_script_enabled=False, viewport=PHONE
    )
    yield context.new_page()
    context.close()


def test_every_section_of_system_opens(admin: Page) -> None:
    admin.goto("/system/")
    for name, heading in (
        ("Health", "Health"),
        ("Schedules", "Schedules"),
        ("Settings", "Settings"),
        ("Plugins", "Plugins"),
        ("History", "History"),
        ("Programs and keys", "Programs and keys"),
        ("About", "Everpx"),
    ):
        admin.get_by_role("main").get_by_role("link", name=name).first.click()
        expect(admin.get_by_role("heading", level=1, name=heading)).to_be_visible()
        admin.get_by_role("navigation", name="Back").get_by_role("link").click()


def test_looking_now_shows_every_check_as_healthy_or_what_is_wrong(admin: Page) -> None:
    admin.goto("/system/health")
    admin.get_by_role("button", name="Look now").click()
    expect(admin.get_by_text("Last looked just now")).to_be_visible(timeout=30_000)
    expect(admin.get_by_text("healthy").first).to_be_visible()
    titles = admin.locator(".tight li > span:first-child").all_inner_texts()
    assert len(titles) > 5 and not [title for title in titles if "." in title or "_" in title]  # said in words


def test_the_schedule_of_the_wizard_is_listed_and_changed(admin: Page) -> None:
    admin.goto("/system/schedules")
    expect(admin.get_by_text("Every day at 03:00")).to_be_visible()
    admin.get_by_role("link", name="Change").first.click()
    admin.get_by_label("On certain days").check()
    admin.get_by_label("Sunday").check()
    admin.get_by_label("At", exact=True).fill("04:30")
    admin.get_by_role("button", name="Save").click()
    expect(admin.get_by_text("Every Sunday at 04:30")).to_be_visible()
    admin.get_by_role("link", name="Change").first.click()
    admin.get_by_label("Every day").check()
    admin.get_by_label("At", exact=True).fill("03:00")
    admin.get_by_role("button", name="Save").click()
    expect(admin.get_by_text("Every day at 03:00")).to_be_visible()


def test_without_javascript_settings_are_saved_and_keys_made_and_taken_away(plain: Page) -> None:
    plain.goto("/system/settings")
    plain.get_by_label("Time zone").fill("Asia/Shanghai")
    plain.get_by_role("button", name="Save – Station").click()
    expect(plain.get_by_text("Saved.")).to_be_visible()
    plain.goto("/system/schedules")
    expect(plain.get_by_text("Times are those of Asia/Shanghai.")).to_be_visible()
    plain.goto("/system/settings")
    plain.get_by_label("Time zone").fill("")
    plain.get_by_role("button", name="Save – Station").click()
    plain.goto("/system/keys")
    plain.get_by_label("What is it for?").fill("Lamp")
    plain.get_by_label("Your own password").fill(walk.PASSWORD)
    plain.get_by_role("button", name="Make a key").click()
    expect(plain.get_by_text(re.compile("^everpx_"))).to_be_visible()
    plain.get_by_role("button", name="Take it away – Lamp").click()
    expect(plain.get_by_text("That key no longer opens anything.")).to_be_visible()


def test_a_plugin_is_switched_and_the_console_starts_anew(plain: Page) -> None:
    plain.goto("/system/plugins")
    switch = plain.get_by_role("button", name=re.compile("^Switch (on|off) – ")).first
    word = switch.inner_text()
    switch.click()
    expect(plain.get_by_text("The change takes effect when the console starts anew.")).to_be_visible()
    plain.get_by_role("button", name="Start the console anew").click()
    _reload_until_gone(plain, "The change takes effect")
    expect(plain.get_by_role("button", name=re.compile("^Switch (on|off) – ")).first).not_to_have_text(word)
    plain.get_by_role("button", name=re.compile("^Switch (on|off) – ")).first.click()  # as it was


def test_what_a_removed_plugin_left_is_shown_and_goes_after_a_question(
    admin: Page, station: RunningStation, serious: Callable[[Page], list[str]]
) -> None:
    rows = Database(station.data / "everpx.db")
    with rows.writing() as session:
        session.add(PluginRow(name="lamp", enabled=True, options={"relay": "192.168.1.40:2000"}))
        plan = Plan(Rhythm.WEEKLY, hour=12, days=(6,))
        schedule.upsert(session, "lamp.blink", "lamp.blink", plan, title=Message("Blinking"))
    rows.close()
    admin.goto("/system/plugins")
    left = admin.locator("#left-lamp")
    expect(left.get_by_text("This plugin is no longer installed.")).to_be_visible()
    assert serious(admin) == []
    admin.once("dialog", lambda question: question.dismiss())
    left.get_by_role("button", name="Remove what it left").click()
    expect(left).to_be_visible()
    admin.once("dialog", lambda question: question.accept())
    left.get_by_role("button", name="Remove what it left").click()
    expect(admin.get_by_text("What lamp left was removed.")).to_be_visible()
    expect(left).to_have_count(0)
    admin.goto("/system/schedules")
    expect(admin.get_by_text("Blinking")).to_have_count(0)


def _reload_until_gone(page: Page, words: str) -> None:
    for _ in range(30):
        page.wait_for_timeout(500)
        page.goto("/system/plugins")
        there = page.get_by_role("heading", name="Plugins").count()
        if there and not page.get_by_text(words).count():
            return
    raise AssertionError("the console did not start anew")


# ---- every page


def test_keys_open_the_drawer_the_list_of_keys_and_the_search(admin: Page) -> None:
    admin.goto("/people/")
    admin.keyboard.press("a")
    expect(admin.get_by_role("dialog", name="Activity")).to_be_visible()
    admin.reload()
    expect(admin.get_by_role("dialog", name="Activity")).to_be_visible()  # survives a reload
    admin.keyboard.press("Escape")
    expect(admin.get_by_role("dialog", name="Activity")).to_be_hidden()
    admin.keyboard.press("?")
    expect(admin.get_by_role("dialog", name="Keys")).to_be_visible()
    admin.keyboard.press("Escape")
    expect(admin.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_light_and_dark_are_one_click_and_survive_a_reload(admin: Page) -> None:
    admin.set_viewport_size(DESKTOP)
    admin.emulate_media(color_scheme="light")
    admin.goto("/system/")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = admin.evaluate(ground)
    admin.get_by_role("button", name="Light or dark").click()
    dark = admin.evaluate(ground)
    admin.reload()
    assert dark != light and admin.evaluate(ground) == dark
    admin.get_by_role("button", name="Light or dark").click()
    assert admin.evaluate(ground) == light


@pytest.mark.parametrize("address", ["/", "/people/", "/drives/", "/backup/", "/system/"])
def test_a_first_visit_is_light(chromium: Browser, station: RunningStation, address: str) -> None:
    context = chromium.new_context(base_url=station.url, storage_state=station.states["Anna"])
    page = context.new_page()
    weighed: list[tuple[int, str]] = []
    page.on("requestfinished", lambda asked: weighed.append((_weight(asked.response()), asked.url)))
    page.goto(address, wait_until="load")
    page.wait_for_timeout(300)
    context.close()
    assert sum(weight for weight, _ in weighed) <= HEAVIEST, sorted(weighed, reverse=True)


def _weight(answer: Response | None) -> int:
    if answer is None or "/live" in answer.url or "/photos/" in answer.url:
        return 0
    sizes = answer.request.sizes()
    return sizes["responseBodySize"] + sizes["responseHeadersSize"]
