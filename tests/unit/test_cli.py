"""The command line: the services' answers, for people and for programs, and errors that help."""

import json
import os
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from appliance import recovery
from appliance.cli import COMMANDS, main
from appliance.db import Database
from appliance.health import service as health
from appliance.health.models import Severity
from appliance.jobs import service as jobs
from appliance.places import Places
from appliance.words import Message

Run = Callable[..., Result]


@pytest.fixture
def everpx(places: Places, db: Database) -> Iterator[Run]:
    """``everpx("jobs", "list")`` runs the command on a migrated station."""
    yield lambda *words, **more: CliRunner().invoke(main, list(words), **more)


def good(result: Result) -> str:
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout


def data(result: Result) -> object:
    return json.loads(good(result))


def test_help_names_every_command_and_every_command_has_help(everpx: Run) -> None:
    listed = good(everpx("--help"))
    for name in COMMANDS:
        assert f"  {name} " in listed
        assert name == "start" or "Usage" in good(everpx(name, "--help"))


def test_a_place_without_a_station_is_said(everpx: Run, places: Places) -> None:
    places.database.unlink()
    result = everpx("status")
    assert result.exit_code == 2
    assert "There is no station" in result.stderr and "everpx migrate" in result.stderr
    assert not places.database.exists()
    assert json.loads(everpx("status", "--json").stderr)["error"] == "no_station"


def test_migrate_makes_a_station_and_tells_the_claim_code_once(everpx: Run, places: Places) -> None:
    places.database.unlink()
    assert "Claim code: " in good(everpx("migrate"))
    assert "Claim code" not in good(everpx("migrate"))
    assert data(everpx("status", "--json"))["memories"]["total"] == 0  # type: ignore[index]


def test_migrate_never_starts_empty_unless_told(everpx: Run, places: Places) -> None:
    recovery.claimed_stamp(places).touch()
    places.database.unlink()
    result = everpx("migrate")
    assert result.exit_code == 2
    assert "no good copy" in result.stderr and "--start-empty" in result.stderr
    good(everpx("migrate", "--start-empty"))


def test_people_are_added_changed_and_removed(everpx: Run) -> None:
    word = "apricot lantern 7\n"
    good(everpx("people", "add", "Anna", "--admin", "--password-stdin", input=word))
    good(everpx("people", "add", "Ben", "--password-stdin", input=word))
    assert [p["name"] for p in data(everpx("people", "list", "--json"))] == ["Anna", "Ben"]  # type: ignore[attr-defined]
    refused = everpx("people", "disable", "anna")
    assert refused.exit_code == 2 and refused.stderr.strip()
    good(everpx("people", "disable", "Ben"))
    good(everpx("people", "enable", "Ben"))
    good(everpx("people", "password", "Ben", "--password-stdin", input="another lantern 8\n"))
    good(everpx("people", "sign-out", "Ben"))
    good(everpx("people", "remove", "Ben", "--files", "keep"))
    happened = good(everpx("events", "--kind", "people."))
    assert "Ben" in happened and "lantern" not in happened


def test_a_bad_password_names_the_field_and_adds_nobody(everpx: Run) -> None:
    result = everpx("people", "add", "", "--password-stdin", input="x\n")
    assert result.exit_code == 2
    assert "name:" in result.stderr and "password:" in result.stderr
    assert data(everpx("people", "list", "--json")) == []


def test_jobs_are_listed_paused_and_cancelled(everpx: Run, db: Database) -> None:
    with db.writing() as session:
        jobs.start(session, "x", title=Message("Copy to {drive}", {"drive": "Blue"}), lock="x")
    assert "Copy to Blue" in good(everpx("jobs", "list"))
    good(everpx("jobs", "pause", "1"))
    good(everpx("jobs", "resume", "1"))
    good(everpx("jobs", "cancel", "1"))
    assert good(everpx("jobs", "list")) == "(none)\n"
    assert "cancelled" in good(everpx("jobs", "list", "--all"))
    assert data(everpx("jobs", "show", "1", "--json"))["state"] == "cancelled"  # type: ignore[index]
    again = everpx("jobs", "resume", "1")
    assert again.exit_code == 2
    assert everpx("jobs", "show", "77").exit_code == 2
    assert everpx("jobs", "log", "77").exit_code == 0


def test_settings_are_checked(everpx: Run) -> None:
    assert "station.time_zone" in good(everpx("settings", "list"))
    result = everpx("settings", "set", "station.time_zone", "Mars/Olympus")
    assert result.exit_code == 2 and "Mars/Olympus" in result.stderr
    good(everpx("settings", "set", "station.time_zone", "Asia/Shanghai"))
    assert data(everpx("settings", "get", "station.time_zone", "--json")) == "Asia/Shanghai"
    assert everpx("settings", "get", "no.such").exit_code == 2


def test_plugins_are_listed_switched_and_configured(everpx: Run) -> None:
    assert "station_report" in good(everpx("plugins", "list"))
    good(everpx("plugins", "enable", "station_report"))
    listed = data(everpx("plugins", "list", "--json"))
    assert [p["enabled"] for p in listed if p["name"] == "station_report"] == [True]  # type: ignore[attr-defined]
    good(everpx("plugins", "configure", "station_report", "hot_from=75"))
    assert everpx("plugins", "configure", "station_report", "hot_from=warm").exit_code == 2
    assert everpx("plugins", "configure", "station_report", "colour=red").exit_code == 2
    assert everpx("plugins", "enable", "nothing").exit_code == 2


def test_issues_are_shown_fixed_and_put_aside(everpx: Run, db: Database) -> None:
    assert "Nothing is wrong" in good(everpx("health"))
    with db.writing() as session:
        finding = health.Finding(
            "x", Severity.WARNING, Message("It broke."), Message("Glue it."), fix="station.recovery_read"
        )
        health.tell(session, finding)
    assert "health --fix 1" in good(everpx("health"))
    good(everpx("health", "--fix", "1"))
    assert "It broke" not in good(everpx("health", "--quiet", "1"))
    assert "It broke" in good(everpx("health", "--quiet", "1", "--days", "0"))
    assert everpx("health", "--fix", "99").exit_code == 2


def test_drives_and_backups_say_what_is_missing(everpx: Run) -> None:
    assert "Nobody has looked" in good(everpx("drives", "list"))
    for words in (
        ("drives", "eject", "COLD-1"),
        ("drives", "rename", "HOT-1", "Blue"),
        ("drives", "retire", "HOT-1"),
        ("drives", "adopt", "sdz1", "hot"),
        ("drives", "format", "sdz1", "cold", "--confirm", "erase it"),
        ("backup", "run", "COLD-1"),
        ("backup", "plan", "COLD-1"),
        ("backup", "answer", "1", "go"),
        ("backup", "drill", "COLD-1"),
        ("backup", "restore", "COLD-1", "Anna", "--from", "HOT-1"),
        ("backup", "schedule", "COLD-1", "daily"),
        ("schedule", "set", "1", "daily"),
    ):
        result = everpx(*words)
        assert result.exit_code == 2, words
        assert result.stderr.strip(), words
    assert good(everpx("backup", "runs")) == "(none)\n"
    assert good(everpx("schedule", "list")) == "(none)\n"


def test_the_library_is_counted_and_looked_through(everpx: Run) -> None:
    assert "photos: 0" in good(everpx("library", "stats"))
    assert "job 1" in good(everpx("library", "index"))
    assert everpx("library", "index").exit_code == 2


def test_a_station_of_somebody_else_is_said(everpx: Run, places: Places) -> None:
    if os.geteuid() == 0:
        pid = os.fork()
        if pid == 0:  # the same as somebody without rights
            os.setuid(65534)
            os._exit(CliRunner().invoke(main, ["status"]).exit_code)
        places.data.chmod(0o700)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
