"""The record of an upgrade: what is written is read again, by whoever may, and never half of it."""

import json
from pathlib import Path

import pytest

from appliance.places import Places
from appliance.places import places as here
from appliance.upgrade import attempt
from appliance.upgrade.attempt import Attempt, Phase, RecordDamaged
from appliance.words import Message

TRIED = Attempt("1.4.0", "1.3.2", "B", tries=1, reached=True, why=Message("{why}", {"why": Message("It is late.")}))


def test_where_there_was_no_attempt_there_is_none(places: Places) -> None:
    assert here() == places
    assert attempt.read(places.upgrade) is None


@pytest.mark.parametrize("state", Phase)
def test_what_is_written_is_read_again_in_every_phase(places: Places, state: Phase) -> None:
    noted = TRIED.at(Phase.STAGED, now=1_790_000_000).at(state, now=1_790_000_100)
    attempt.write(places.upgrade, noted)
    assert attempt.read(places.upgrade) == noted
    assert noted.moments[state] == 1_790_000_100
    assert noted.ended == (state in {"kept", "came_back", "refused"})


def test_the_station_may_read_it_and_its_fields_have_the_names_that_are_told(places: Places) -> None:
    attempt.write(places.upgrade / "new", TRIED)
    stored = places.upgrade / "new" / attempt.NAME
    assert stored.stat().st_mode & 0o777 == 0o644 and (places.upgrade / "new").stat().st_mode & 0o777 == 0o755
    said = json.loads(stored.read_bytes())
    assert said["from"] == "1.3.2" and said["version"] == "1.4.0" and said["state"] == "installing"


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff", TRIED.as_bytes()[:-9], TRIED.as_bytes().replace(b"installing", b"flying")]
)
def test_what_is_no_record_is_damaged_and_never_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / attempt.NAME).write_bytes(content)
    with pytest.raises(RecordDamaged):
        attempt.read(tmp_path)
