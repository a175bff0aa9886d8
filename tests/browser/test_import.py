"""A camera's card in the browser: plugged in it stands on Home, is looked at, comes in, and may be formatted."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.running_station import RunningStation
from tests.photos import jpeg

pytestmark = pytest.mark.browser


def card_image(station: RunningStation, folder: Path, count: int) -> None:
    """An image of a card, beside the other test drives."""
    photos = folder / "DCIM" / "100MSDCF"
    photos.mkdir(parents=True)
    for number in range(count):
        taken = datetime(2026, 6, 1 + number, 10, tzinfo=UTC)
        (photos / f"DSC{number:05d}.JPG").write_bytes(jpeg(7000 + number, taken, (640, 480)))
    image = station.data / "loop-drives" / "Camera-card.img"
    with image.open("wb") as out:
        out.truncate(96 << 20)
    make = ["mkfs.ext4", "-q", "-F", "-L", "CANON_EOS", "-d", str(folder), str(image)]
    subprocess.run(make, check=True, capture_output=True, timeout=60)


def test_a_card_is_seen_looked_at_and_comes_in(station: RunningStation, admin: Page, tmp_path: Path) -> None:
    card_image(station, tmp_path, 9)
    station.plug("Camera-card")
    try:
        admin.goto("/")
        expect(admin.get_by_role("heading", name="Camera card CANON_EOS")).to_be_visible(timeout=30_000)
        admin.get_by_role("link", name="Import").click()
        admin.get_by_role("button", name="Look at what is new").first.click()
        expect(admin.get_by_role("heading", name="9 are new")).to_be_visible(timeout=60_000)
        admin.get_by_role("button", name="Import", exact=True).click()
        expect(admin.get_by_role("heading", name="9 photos and videos came in.")).to_be_visible(timeout=60_000)
        expect(admin.get_by_text("Safe to format")).to_be_visible()
        admin.goto("/")
        expect(admin.get_by_role("heading", name="Anna’s camera card CANON_EOS")).to_be_visible()
    finally:
        station.pull("Camera-card")
