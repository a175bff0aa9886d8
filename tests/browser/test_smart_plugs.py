"""Smart plugs in the browser: found, named, a drive hung on it, tried, and what it cost."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser import walk
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.looks import shoot
from tests.browser.running_station import GREEN, TEST_PLUGS, RunningStation
from tests.component.plugs.relay import Relay
from tests.component.plugs.web_plugs import ShellyPlug

pytestmark = pytest.mark.browser


@pytest.fixture
def plug(station: RunningStation) -> Iterator[ShellyPlug]:
    """A Shelly that the green drive hangs on; the drive is plugged in again in the end."""
    relay = Relay(plug=lambda: station.plug(GREEN), pull=lambda: station.pull(GREEN), on=True)
    made = ShellyPlug(relay, "127.0.0.1", 0)
    made.name = "Cellar socket"
    listed = station.data / TEST_PLUGS
    listed.write_text(f"127.0.0.1:{made.port}\n")
    yield made
    made.stop()
    listed.unlink()
    if not relay.on:
        station.plug(GREEN)


def test_a_plug_is_found_hung_tried_and_its_energy_is_shown(
    admin: Page, plug: ShellyPlug, serious: Callable[[Page], list[str]]
) -> None:
    admin.goto("/drives/2")
    admin.get_by_role("link", name="Set up – A smart plug switches it on and off").click()
    expect(admin.get_by_text("Choose the plug that The green drive hangs on.")).to_be_visible()
    admin.get_by_role("button", name="Look for plugs").click()
    admin.get_by_role("button", name="Use it Cellar socket").click(timeout=walk.SLOW)
    admin.get_by_label("The green drive").check()
    admin.locator("form", has=admin.locator("#drives")).get_by_role("button", name="Save").click()
    expect(admin.get_by_text("Try it now")).to_be_visible()
    admin.get_by_role("button", name="Try it").click()
    expect(admin.get_by_text("It works: switched on, and off again, proven by its meter.")).to_be_visible(
        timeout=walk.SLOW
    )
    assert plug.relay.switched[-1] is False and not plug.relay.on
    for size in (PHONE, DESKTOP):
        admin.set_viewport_size(size)
        assert serious(admin) == []
    shoot(admin, "one")
    admin.goto("/plugins/smart_plugs/")
    expect(admin.get_by_role("heading", name="Cellar socket")).to_be_visible()
    assert serious(admin) == []
    shoot(admin, "page")
    admin.goto("/drives/2")
    expect(admin.get_by_text("The plug “Cellar socket” switches it.")).to_be_visible()
    shoot(admin, "drive")
    admin.goto("/plugins/smart_plugs/energy")
    expect(admin.get_by_role("img", name="Hours that each drive was on, month by month")).to_be_visible()
    admin.get_by_label("Price of 100 kilowatt hours").fill("34")
    admin.get_by_role("button", name="Save").click()
    expect(admin.get_by_text("Saved.")).to_be_visible()
    admin.get_by_text("As a table").click()
    assert serious(admin) == []
    shoot(admin, "energy")
    for how in ("address", "mqtt", "webhook"):
        admin.goto(f"/plugins/smart_plugs/new/{how}")
        assert serious(admin) == []
        shoot(admin, how)
    admin.goto("/plugins/smart_plugs/")
    admin.get_by_role("link", name="Cellar socket").first.click()
    admin.get_by_role("button", name="Remove").click()
    expect(admin.get_by_text("Cellar socket is no longer used.")).to_be_visible()
    admin.goto("/drives/2")
    expect(admin.get_by_text("A person switches it on and off")).to_be_visible()
