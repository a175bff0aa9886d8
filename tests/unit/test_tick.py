"""The chores: each is done whatever becomes of the others."""

import pytest
from sqlalchemy import select

from appliance.db import Database
from appliance.errors import BrokerUnavailable
from appliance.health.models import Issue
from appliance.jobs import tick
from appliance.jobs.tick import AT_START, TITLES, USUAL, Chores
from appliance.places import Places


def silent(verb: str, request: object) -> dict[str, object]:
    raise BrokerUnavailable()


@pytest.fixture
def chores(db: Database, places: Places) -> Chores:
    return Chores(db, silent, places)


def failed(db: Database) -> dict[str, str]:
    with db.reading() as session:
        found = session.scalars(select(Issue).where(Issue.code == "chore_failed"))
        return {issue.subject: str(issue.message) for issue in found}


def test_every_chore_has_words() -> None:
    assert {chore.__name__ for chore in (*AT_START, *USUAL)} == set(TITLES)


def test_one_chore_that_fails_stops_no_other_and_is_told_until_it_works(
    db: Database, chores: Chores, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    def start_schedules(_: Chores) -> None:
        done.append("schedules")

    def mount_hot(_: Chores) -> None:
        if len(done) < 2:
            raise ValueError("by purpose")

    tick.do(chores, (mount_hot, start_schedules))
    assert done == ["schedules"]
    assert "taking drives into use" in failed(db)["mount_hot"]
    tick.do(chores, (start_schedules, mount_hot))
    assert failed(db) == {}


def test_with_root_and_drives_silent_everything_else_is_done(db: Database, chores: Chores) -> None:
    tick.do(chores, USUAL)
    assert set(failed(db)) <= {"mount_hot", "open_front_door", "settle_services"}
    with db.reading() as session:
        codes = set(session.scalars(select(Issue.code)))
    assert "root_silent" in codes
