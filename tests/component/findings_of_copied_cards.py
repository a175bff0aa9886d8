"""Causes of findings about a station that is there twice: its card was copied, or is older than its drives know."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from appliance import identity, starts
from appliance.drives import meeting
from tests.component.finding_bed import FindingBed, finding


@contextmanager
def another_card(bed: FindingBed) -> Iterator[Callable[[], None]]:
    """What is done meanwhile is done by the card as it was copied here, with the same drives; then this one goes on."""
    card, kept = bed.places.data, bed.places.data.with_name("kept")
    for name in ("starts.json", "station.json"):
        kept.mkdir(exist_ok=True)
        shutil.copy(card / name, kept / name)

    def power_on() -> None:
        starts.begin(bed.places)
        bed.look()

    try:
        yield power_on
    finally:
        for name in ("starts.json", "station.json"):
            shutil.copy(kept / name, card / name)


def _begin(bed: FindingBed) -> None:
    starts.begin(bed.places)
    bed.look()
    assert meeting.read(bed.top) is not None and not meeting.doubts(bed.places)


@finding("card_older")
def brought_back_from_a_backup(bed: FindingBed) -> Iterator[None]:
    _begin(bed)
    with another_card(bed) as power_on:
        power_on()
        power_on()
    bed.look()
    yield
    bed.press("card_older")
    yield


@finding("card_copied")
def two_cards_in_turn(bed: FindingBed) -> Iterator[None]:
    _begin(bed)
    with another_card(bed) as power_on:
        power_on()
    starts.begin(bed.places)
    yield
    bed.press("card_copied")
    yield


@finding("place_taken")
def the_old_box_comes_back(bed: FindingBed) -> Iterator[None]:
    _begin(bed)
    with another_card(bed) as power_on:  # a new box: another id, which took this one's place
        old = identity.load(bed.places).station_id
        new = json.loads(bed.places.identity.read_text()) | {"station_id": identity.new_id()}
        bed.places.identity.write_text(json.dumps(new))
        identity.take_place_of(bed.places, old)
        power_on()
    starts.begin(bed.places)
    yield
    bed.press("place_taken")
    yield
