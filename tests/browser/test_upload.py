"""Uploads that are disturbed half-way: they go on by themselves, or when the same file is chosen again."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from playwright.sync_api import CDPSession, Page, Request, Response, expect

from tests.browser.running_station import RunningStation

pytestmark = pytest.mark.browser
PIECE = 8 << 20  # bytes; as upload.js has it
SIZE = 5 * PIECE + 12_345
RATE = 6_000_000  # bytes a second: slow enough that "half-way" is some seconds long
WHOLE_MS = 90_000


class Phone:
    """A page that uploads over a slow network; ``begun`` uploads, ``found`` offsets and ``sent`` offsets were seen."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.begun = 0
        self.found: list[int] = []
        self.sent: list[int] = []
        self.network: CDPSession = page.context.new_cdp_session(page)
        page.on("request", self._asks)
        page.on("response", self._hears)
        page.goto("/photos/upload")

    def _asks(self, request: Request) -> None:
        if "/api/v1/uploads" in request.url:
            self.begun += request.method == "POST"
            if request.method == "PATCH":
                self.sent.append(int(request.headers["upload-offset"]))

    def _hears(self, response: Response) -> None:
        if response.request.method == "HEAD" and "/api/v1/uploads/" in response.url and response.ok:
            self.found.append(int(response.headers["upload-offset"]))

    def connect(self, *, lost: bool = False) -> None:
        """Be on a slow network, or on none."""
        conditions: dict[str, Any] = {"latency": 5, "downloadThroughput": -1, "uploadThroughput": RATE}
        self.network.send("Network.emulateNetworkConditions", conditions | {"offline": lost})

    def choose(self, file: Path) -> None:
        self.connect()
        self.page.locator("#files").set_input_files(file)

    def wait_for(self, share: float) -> None:
        """Until so much of the file has left."""
        bar = self.page.locator("[data-queue] progress")
        end = time.monotonic() + WHOLE_MS / 1000
        while (now := bar.evaluate("bar => bar.value")) < share:
            assert time.monotonic() < end, f"only {now:.0%} has left"
            self.page.wait_for_timeout(50)
        assert now < 1

    def expect_whole(self, station: RunningStation, file: Path) -> None:
        """Until the page says so; then it must be true on the drive."""
        said = self.page.get_by_text("The file is safe on the drive.")
        expect(said).to_be_visible(timeout=WHOLE_MS)
        (stored,) = (station.hot / "Anna").rglob(file.name)
        assert blake3(stored.read_bytes()).digest() == blake3(file.read_bytes()).digest()


@pytest.fixture
def film(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A file that nobody has seen before, under a name of its own."""
    path = tmp_path / f"{request.node.name.translate(str.maketrans('[].', '---'))}.bin"
    path.write_bytes(os.urandom(SIZE))
    return path


def test_a_lost_connection_is_waited_for_and_the_upload_goes_on_by_itself(
    admin: Page, station: RunningStation, film: Path
) -> None:
    phone = Phone(admin)
    phone.choose(film)
    phone.wait_for(0.4)
    phone.connect(lost=True)
    expect(admin.get_by_text("no connection; goes on by itself")).to_be_visible()
    before = len(phone.sent)
    phone.connect()
    phone.expect_whole(station, film)
    assert phone.begun == 1
    assert phone.found and phone.sent[before] == phone.found[-1] >= PIECE  # what had arrived is not sent again


def test_a_closed_page_goes_on_where_it_was_when_the_same_file_is_chosen(
    admin: Page, station: RunningStation, film: Path
) -> None:
    closed = Phone(admin.context.new_page())
    closed.choose(film)
    closed.wait_for(0.4)
    closed.page.close()
    phone = Phone(admin)
    phone.choose(film)
    phone.expect_whole(station, film)
    assert phone.begun == 0
    assert phone.found and phone.sent[0] == phone.found[0] >= PIECE


@pytest.mark.parametrize("victim", ["console.serve", "nginx"])
def test_a_killed_process_is_survived_by_the_upload(
    admin: Page, station: RunningStation, film: Path, victim: str
) -> None:
    phone = Phone(admin.context.new_page())  # fragments of the page ask in vain for a moment, and may say so
    phone.choose(film)
    for share in (0.3, 0.6):
        phone.wait_for(share)
        station.kill(victim)
    phone.expect_whole(station, film)
    assert phone.begun == 1
