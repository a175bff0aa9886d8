"""Copying, moving and importing from a terminal: what the person named may, with the same services as the pages."""

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from appliance import plugin
from appliance.cli import main
from appliance.db import Database
from appliance.jobs.models import JobState
from appliance.people.models import Role
from appliance.places import Places
from tests.hot_drive import hand_over, person
from tests.photos import jpeg
from tests.unit.test_cli_plugins import Run, good
from tests.unit.test_import_pages import work


@pytest.fixture
def everpx(places: Places, db: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A station with Anna, Ben, and a drive where each has a folder with photos."""
    monkeypatch.setattr(plugin, "_loaded", None)
    drive = hand_over(db, places, places.data / "hot")
    person(db, role=Role.ADMIN)
    person(db, name="Ben")
    for number, name in enumerate(("Anna", "Ben")):
        folder = drive.path / name / "Files/Old"
        folder.mkdir(parents=True)
        for count in range(3):
            (folder / f"{count}.jpg").write_bytes(jpeg(10 * number + count))
    yield lambda *words, **more: CliRunner().invoke(main, list(words), **more)


def test_copying_is_a_job_and_moving_within_a_drive_is_a_rename(everpx: Run, db: Database, places: Places) -> None:
    top = places.data / "hot/Anna/Files"
    words = ("HOT-1/Anna/Files/Old/0.jpg", "HOT-1/Anna/Files/Old/1.jpg", "HOT-1/Anna/Files", "--for", "Anna")
    assert "Copying 2 things" in good(everpx("library", "copy", *words))
    assert sorted(path.name for path in top.glob("*.jpg")) == []  # the worker's, as its user
    told = json.loads(good(everpx("library", "move", words[0], "HOT-1/Anna/Files/", "--for", "anna", "--json")))
    assert told == {"job": None, "places": ["HOT-1/Anna/Files/0.jpg"]}
    assert (top / "0.jpg").read_bytes() == jpeg(0) and not (top / "Old/0.jpg").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("HOT-1/Ben/Files/Old/0.jpg", "HOT-1/Anna/Files", "--for", "Anna"),
        ("HOT-1/Anna/Files/Old/0.jpg", "HOT-1/Ben/Files", "--for", "Anna"),
        ("HOT-1/Anna/../Ben/Files/Old/0.jpg", "HOT-1/Anna/Files", "--for", "Anna"),
        ("HOT-1/Anna/Files/Old/0.jpg", "HOT-9/Anna/Files", "--for", "Anna"),
        ("HOT-1/Anna", "HOT-1/Family", "--for", "Anna"),
        ("HOT-1/Anna/Files", "HOT-1/Anna/Files/Old", "--for", "Anna"),
        ("HOT-1/Anna/Files/Old/0.jpg", "HOT-1/Anna/Files", "--for", "Nobody"),
    ],
)
def test_nobody_reaches_what_is_not_theirs(everpx: Run, places: Places, words: tuple[str, ...]) -> None:
    for name in ("copy", "move"):
        result = everpx("library", name, *words)
        assert result.exit_code == 2 and result.stderr
    assert len(list((places.data / "hot").rglob("*.jpg"))) == 6


def test_an_import_is_looked_at_then_wanted(everpx: Run, db: Database, places: Places) -> None:
    good(everpx("import", "sources"))
    told = json.loads(good(everpx("import", "look", "--for", "Ben", "--folder", "HOT-1/Ben/Files/Old", "--json")))
    assert (told["person"], told["state"]) == ("Ben", "looking")
    number = str(told["id"])
    assert everpx("import", "run", number).exit_code == 2  # nobody has looked yet
    assert work(db, places).state is JobState.DONE
    assert "new: 3" in good(everpx("import", "show", number))
    good(everpx("import", "run", number))
    assert work(db, places).state is JobState.DONE
    assert "done: 3" in good(everpx("import", "show", number)) and "Ben/Files/Old" in good(everpx("import", "list"))
    assert len(list((places.data / "hot/Ben/Photos").rglob("*.jpg"))) == 3


def test_an_import_that_makes_no_sense_is_refused(everpx: Run) -> None:
    for words in (
        ("--for", "Ben", "--folder", "HOT-1/Anna/Files/Old"),  # hers
        ("--for", "Ben", "--folder", "HOT-7/Ben/Files"),
        ("--for", "Ben", "--drive", "sdz1"),
        ("--for", "Ben"),
        ("--for", "Nobody", "--folder", "HOT-1/Anna/Files/Old"),
    ):
        assert everpx("import", "look", *words).exit_code == 2, words
    assert everpx("import", "show", "99").exit_code == 2
    assert "(none)" in good(everpx("import", "list"))
    looked = good(everpx("import", "look", "--for", "Ben", "--folder", "HOT-1/Ben/Files/Old", "--json"))
    good(everpx("import", "stop", str(json.loads(looked)["id"])))
