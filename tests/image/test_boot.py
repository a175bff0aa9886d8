"""The image starts on a machine with EFI firmware, and whoever has the label becomes its owner."""

import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from image.build.station import Station
from tests.browsers import TOKEN
from tests.image.machine import Machine, visitor

ROOM = 2**29
pytestmark = [pytest.mark.image, pytest.mark.timeout(1800)]


def test_a_flashed_disk_starts_and_its_claim_code_makes_an_owner(
    stamped: tuple[Station, Path], plug_in: Callable[[Path], Machine]
) -> None:
    station, disk = stamped
    os.truncate(disk, disk.stat().st_size + ROOM)  # a card is larger than the image
    machine = plug_in(disk)
    loader = machine.marker(r"EVERPX-GRUB slot=A trial=0")
    first = machine.marker(r"EVERPX-INIT slot=A trial=0 root=/dev/vda5 data=/dev/vda7")
    machine.marker(r"EVERPX-INIT data grown to (\d+) sectors", 60)
    console = machine.answers("/wizard")
    print(f"loader {loader:.0f} s, slot {first:.0f} s, console {console:.0f} s")
    assert "cannot go on" not in machine.said() and "EVERPX-INIT no " not in machine.said()

    browser = visitor()
    page = browser.open(f"{machine.address}/wizard?code={station.claim_code}", timeout=120).read().decode()
    assert f'value="{station.claim_code}"' in page
    token = TOKEN.search(page)
    assert token
    form = {
        "name": "Anna",
        "password": "seven green wooden boats",
        "colour": "rose",
        "emoji": "🦊",
        "csrf_token": token[1],
    }
    form |= {"again": form["password"]}

    def claim(code: str) -> str:
        words = urllib.parse.urlencode(form | {"code": code}).encode()
        request = urllib.request.Request(f"{machine.address}/wizard", words, {"Referer": f"{machine.address}/wizard"})
        try:
            return str(browser.open(request, timeout=120).geturl())
        except urllib.error.HTTPError as refused:
            return str(refused.code)

    assert not claim("AAAAA-AAAAA-AAAAA-AAAAA").endswith("/wizard/hot")
    assert claim(station.claim_code).endswith("/wizard/hot"), "the next step: which drive is HOT"
