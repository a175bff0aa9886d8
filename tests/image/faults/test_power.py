"""The plug of the station itself is pulled, and a clock that stands still while it is (F13, F25)."""

import os
import random
import time
from collections.abc import Callable

import pytest

from tests.image import other_computer
from tests.image.home import Home
from tests.image.life import Life
from tests.photos import jpeg

pytestmark = [pytest.mark.image, pytest.mark.timeout(3600)]
CUTS = int(os.environ.get("EVERPX_CUTS", "2"))
SEED = int(os.environ.get("EVERPX_SEED", "0")) or random.randrange(2**31)


@pytest.mark.parametrize("cut", range(CUTS))
def test_f13_the_plug_is_pulled_while_photos_come_and_a_copy_is_made(
    life: Life, start_again: Callable[..., Home], cut: int
) -> None:
    moment = random.Random(SEED + cut).uniform(0.5, 12)
    print(f"EVERPX_SEED={SEED}, cut {cut}: after {moment:.1f} s")
    life.machine.usb.pace(life.cold, 1_000_000)
    for number in range(6):
        life.home.put(f"before-{number}.jpg", jpeg(400 + number) + os.urandom(700_000))
    cold = life.home.drive(life.cold.serial)
    assert cold
    life.home.ask("POST", f"/backup/{cold['id']}/run")
    end, number = time.monotonic() + moment, 0
    while time.monotonic() < end:
        life.home.put(f"during-{number}.jpg", jpeg(500 + number) + os.urandom(200_000))
        number += 1
    life.machine.pull_the_plug()
    other_computer.proven(life.cold, life.folder)
    home = start_again(life)
    home.here(life.hot.serial)
    home.check_kept()
    home.until("copies at rest", home.at_rest, 900)
    home.copied(cold)
    home.check_kept()
    life.machine.pull_the_plug()
    assert other_computer.proven(life.cold, life.folder) >= len(home.kept)


def test_f25_the_clock_says_the_year_2000(life: Life, start_again: Callable[..., Home]) -> None:
    life.home.put("dated.jpg", jpeg(900))
    life.machine.pull_the_plug()
    home = start_again(life, clock="2000-01-01T00:00:00")
    home.here(life.hot.serial)
    home.check_kept()
    year = int(home.machine.guest.run("date +%Y"))
    assert year >= 2026, "the clock goes on from the last time that was known"
    home.put("later.jpg", jpeg(901))
    home.check_kept()
