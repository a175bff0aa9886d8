"""Who a station is: an id that notices a slip of the pen, and a claim code that is on a label or here, never lost."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance import identity
from appliance.durable import write_atomically
from appliance.places import Places
from appliance.station.prepare import prepare


def test_an_id_is_taken_as_people_write_it() -> None:
    one = identity.new_id()
    assert identity.is_id(one) and identity.is_id(one.lower()) and identity.is_id(one.replace("-", " "))
    assert one != identity.new_id()


@pytest.mark.parametrize("wrong", ["", "EPX", "EPX-ABCD-EFGH-JKLM", "ABC-ABCD-EFGH-JKLM-42", "EPX-ABCD-EFGH-JKLM-4Ä"])
def test_what_is_no_id_is_refused(wrong: str) -> None:
    assert not identity.is_id(wrong)


LETTERS = st.text(identity.LETTERS, min_size=identity.ID_LENGTH, max_size=identity.ID_LENGTH)


@given(letters=LETTERS, place=st.integers(0, 13), other=st.sampled_from(identity.LETTERS))
@example(letters="GV9Z7WR6WC6A", place=9, other="2")  # as an IBAN checks, these two were both right
def test_one_wrong_sign_is_noticed(letters: str, place: int, other: str) -> None:
    plain = identity.id_of(letters).replace("-", "")
    at = len(identity.ID_START) + place
    wrong = plain[:at] + other + plain[at + 1 :]
    assert identity.is_id(wrong) == (wrong == plain)


@given(letters=LETTERS, place=st.integers(0, 10))
def test_two_swapped_signs_are_noticed(letters: str, place: int) -> None:
    plain = identity.id_of(letters).replace("-", "")
    at = len(identity.ID_START) + place
    wrong = plain[:at] + plain[at + 1] + plain[at] + plain[at + 2 :]
    assert identity.is_id(wrong) == (wrong == plain)


def test_a_labelled_station_keeps_its_identity_through_every_start(places: Places) -> None:
    """Its code is on the label only, so there is nothing that a start could show, and nothing it may replace."""
    station_id, code = identity.new_id(), identity.new_code()
    write_atomically(places.identity, json.dumps(identity.labelled(station_id, code)).encode())
    kept = places.data / "claim-code.txt"
    for _ in range(2):
        assert prepare(places, kept) is None
        assert identity.load(places).station_id == station_id and identity.load(places).matches(code.lower())
    assert not kept.exists()


def test_a_station_without_a_label_says_its_code_until_it_is_claimed(places: Places) -> None:
    kept = places.data / "claim-code.txt"
    code = prepare(places, kept)
    assert code is not None and identity.load(places).matches(code) and identity.is_id(identity.load(places).station_id)
    assert prepare(places, kept) == code
