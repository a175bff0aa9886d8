"""The main story: a flashed card starts, an owner is made, drives are handed over, photos come, the copy is proven.

Every run of the tests has it; what goes wrong on the way is in ``tests/image/faults``.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from image.build.station import Station
from tests.image import other_computer
from tests.image.drives import MIB, Drive
from tests.image.home import Home
from tests.image.machine import Machine
from tests.photos import jpeg

PHOTOS = 5
pytestmark = [pytest.mark.image, pytest.mark.timeout(2400)]


def test_from_a_flashed_card_to_a_copy_that_is_proven(
    stamped: tuple[Station, Path], plug_in: Callable[[Path], Machine], tmp_path: Path
) -> None:
    station, disk = stamped
    machine = plug_in(disk)
    loader = machine.marker(r"EVERPX-GRUB slot=A trial=0")
    first = machine.marker(r"EVERPX-INIT slot=A trial=0 root=/dev/vda5 data=/dev/vda7")
    machine.marker(r"EVERPX-INIT data grown to (\d+) sectors", 60)
    console = machine.answers("/wizard")
    print(f"loader {loader:.0f} s, slot {first:.0f} s, console {console:.0f} s")
    assert "cannot go on" not in machine.said() and "EVERPX-INIT no " not in machine.said()

    home = Home(machine).claimed(station.claim_code)
    hot, cold = (Drive.made(name, tmp_path, 256 * MIB) for name in ("hot", "cold"))
    home.hand_over(hot, "hot", "Family")
    copy = home.hand_over(cold, "cold", "Blue")
    for number in range(PHOTOS):
        home.put(f"{number}.jpg", jpeg(number))
    home.copied(copy)
    home.check_kept()
    machine.guest.wait(60)
    assert machine.guest.run("systemctl --failed --plain --no-legend --no-pager").strip() == ""
    machine.pull_the_plug()
    assert other_computer.proven(cold, tmp_path) >= PHOTOS, "any computer reads it, and the list on it is true"
