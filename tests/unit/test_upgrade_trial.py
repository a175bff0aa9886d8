"""While a new version is on trial nothing is accepted but from the probe, and nothing is begun."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from appliance.db import Database
from appliance.jobs import tick
from appliance.jobs.tick import NOT_ON_TRIAL, USUAL, Chores
from appliance.places import Places
from appliance.upgrade import attempt, before, judge, trial
from appliance.upgrade.attempt import Attempt, Phase
from appliance.upgrade.boot import Boot, Start
from appliance.upgrade.judge import Probe
from appliance.upgrade.loaders import Grub
from appliance.words import Message
from tests.callers import PASSWORD, Caller

ALBUM = {"title": "Lake"}


def test_nothing_is_accepted_and_everything_can_be_looked_at(admin: Caller, places: Places, app: Flask) -> None:
    trial.begin(places)
    refused = admin("POST", "/albums", ALBUM)
    assert refused.status_code == 503 and refused.get_json()["error"] == "on_trial"
    page = app.test_client().post("/sign-in", data={"name": "Anna", "password": PASSWORD})
    assert page.status_code == 503 and "trying out a new version" in page.text
    assert app.test_client().put("/dav/Anna/a.txt", data=b"x").status_code == 503
    assert admin("GET", "/albums").status_code == 200
    trial.end(places)
    assert admin("POST", "/albums", ALBUM).status_code == 201


def test_the_probe_may_and_whoever_guesses_may_not(admin: Caller, places: Places) -> None:
    trial.begin(places)
    assert trial.place(places).stat().st_mode & 0o777 == 0o640
    word = trial.place(places).read_text()

    def said(given: str) -> int:
        headers = {"Authorization": f"Bearer {admin.token}", trial.HEADER: given}
        return admin.client.post("/api/v1/albums", json=ALBUM, headers=headers).status_code

    assert [said(guess) for guess in ("", "x", word[:-1], "é")] == [503] * 4
    assert said(word) == 201
    trial.begin(places)
    assert said(word) == 503, "each trial has its own"


def test_chores_of_a_trial_begin_nothing(db: Database, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def noted(chore: tick.Chore) -> tick.Chore:
        def do(_: Chores) -> None:
            done.append(chore.__name__)

        do.__name__ = chore.__name__
        return do

    chores = Chores(db, lambda verb, request: {}, places)
    stand_ins = {chore: noted(chore) for chore in USUAL}
    monkeypatch.setattr(tick, "NOT_ON_TRIAL", {stand_ins[chore] for chore in NOT_ON_TRIAL if chore in stand_ins})
    trial.begin(places)
    tick.do(chores, tuple(stand_ins.values()))
    assert "mount_hot" in done and not {chore.__name__ for chore in NOT_ON_TRIAL} & set(done)
    trial.end(places)
    tick.do(chores, tuple(stand_ins.values()))
    assert {chore.__name__ for chore in NOT_ON_TRIAL} <= set(done)


@pytest.fixture
def tried(places: Places, monkeypatch: pytest.MonkeyPatch) -> Boot:
    """A version on trial that answers at its front door."""
    slots = Boot(Start("B", True), Grub(places.data), places.upgrade)
    slots.note(Attempt("1.1.0", "1.0.0", "B").at(Phase.TRYING, reached=True, copied=True))
    before.place(places.upgrade).mkdir()
    trial.begin(places)
    monkeypatch.setattr(judge, "answer", lambda: 303)
    monkeypatch.setattr(judge, "PATIENCE_S", 0.2)
    monkeypatch.setattr(judge, "AGAIN_S", 0.05)
    return slots


def test_a_version_that_is_well_is_kept(tried: Boot, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "kept", lambda: None)
    assert judge.judge(tried, places, Probe(["true"])) is None
    assert not trial.is_on(places) and not before.place(places.upgrade).exists()


@pytest.mark.parametrize(
    ("says", "kept", "why"),
    [
        ("echo asking; echo 'No photo could be listed.'; false", None, "No photo could be listed."),
        ("echo 'a {brace}'; false", None, "a {brace}"),
        ("echo trouble >&2; exit 3", None, "trouble"),
        ("exit 3", None, "3"),
        ("true", Message(judge.NOT_KEPT, {"why": "no bus"}), "it works, but could not be kept (no bus)."),
    ],
)
def test_a_version_that_is_not_says_why(
    tried: Boot, places: Places, monkeypatch: pytest.MonkeyPatch, says: str, kept: Any, why: str
) -> None:
    monkeypatch.setattr(judge, "kept", lambda: kept)
    assert judge.judge(tried, places, Probe(["sh", "-c", says])) is not None
    noted = attempt.read(places.upgrade)
    assert noted is not None and noted.state is Phase.TRYING, "it has come back when it has"
    assert str(noted.why) == f"Version 1.1.0 was tried and did not work: {why}"
    assert trial.is_on(places) and before.place(places.upgrade).exists()


def test_a_probe_may_need_several_tries(tried: Boot, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "kept", lambda: None)
    monkeypatch.setattr(judge, "PATIENCE_S", 20)
    stamp = places.data / "drive-is-up"
    command = ["sh", "-c", f"test -e {stamp} || {{ touch {stamp}; false; }}"]
    assert judge.judge(tried, places, Probe(command)) is None


def test_a_station_that_never_answers_or_never_ends(
    tried: Boot, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "PROBE_S", 0.1)
    assert judge.asked(Probe(["sleep", "60"])) == Message(judge.SLOW)
    monkeypatch.setattr(judge, "answer", lambda: 502)
    assert judge.examined(Probe([]), 9e9) == Message(judge.SILENT), "a door with nobody behind it"
    monkeypatch.undo()
    monkeypatch.setattr(judge, "WHOLE_S", 0)
    assert judge.examined(Probe(["true"]), 0) == Message(judge.SILENT), "nobody listens here"


def test_a_slow_bus_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = tmp_path / "tries"
    asking = f"echo . >>{tries}; test $(wc -l <{tries}) -ge 3 || {{ echo 'Timeout was reached' >&2; false; }}"
    monkeypatch.setattr(judge, "MARK_GOOD", ["sh", "-c", asking])
    assert judge.kept() is None
    monkeypatch.setattr(judge, "MARK_GOOD", ["sh", "-c", "echo 'no bus' >&2; false"])
    assert judge.kept() == Message(judge.NOT_KEPT, {"why": "no bus"})
