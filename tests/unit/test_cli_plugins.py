"""Commands that plugins add to ``everpx``: there while their plugin is on, never in the way of the core's."""

import json
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from appliance import identity, plugin
from appliance.cli import COMMANDS, added, main
from appliance.db import Database
from appliance.hookspecs import Command, hookimpl
from appliance.jobs.models import Job
from appliance.people import service as people
from appliance.people.audit import By
from appliance.people.models import Role
from appliance.places import Places
from plugins.discovery import state
from plugins.nfs import service as nfs
from plugins.notify import service as notify
from plugins.notify.models import DeliveryKind, NotifyDelivery
from plugins.notify.ways import WAYS
from plugins.smart_plugs import service as plugs
from tests.callers import PASSWORD

Run = Callable[..., Result]


@pytest.fixture
def everpx(places: Places, db: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """``everpx("plugs", "list")`` on a station where every plugin is on."""
    monkeypatch.setattr(plugin, "_loaded", None)
    with db.writing() as session:
        for name in plugin.found():
            plugin.switch(session, name, on=True)
    yield lambda *words, **more: CliRunner().invoke(main, list(words), **more)


def good(result: Result) -> str:
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout


def data(result: Result) -> Any:
    return json.loads(good(result))


def queued(db: Database) -> list[tuple[str, dict[str, Any]]]:
    with db.reading() as session:
        return [(job.kind, job.arguments) for job in session.scalars(select(Job).order_by(Job.id))]


OURS = {"plugs", "nfs", "network", "messages"}


def test_they_are_listed_with_words_and_have_help(everpx: Run) -> None:
    listed = good(everpx("--help")).partition("Commands of plugins")[2]
    for name in OURS:
        assert f"  {name} " in listed
        assert "Usage" in good(everpx(name, "--help"))
    assert everpx("nothing").exit_code == 2


def test_a_plugin_that_is_off_has_none(everpx: Run, db: Database) -> None:
    with db.writing() as session:
        plugin.switch(session, "smart_plugs", on=False)
    assert "  plugs " not in good(everpx("--help"))
    result = everpx("plugs", "list")
    assert result.exit_code == 2 and "No such command" in result.stderr


def test_without_a_station_there_are_the_cores(everpx: Run, places: Places) -> None:
    places.database.write_bytes(b"no database at all" * 1000)
    assert "  status " in good(everpx("--help"))
    places.database.unlink()
    assert "Commands of plugins" not in good(everpx("--help"))
    assert everpx("plugs").exit_code == 2 and not places.database.exists()


def hook_of(*commands: object) -> ModuleType:
    made = ModuleType("trial")
    made.commands = hookimpl(lambda: list(commands))  # type: ignore[attr-defined]
    made.commands.__name__ = "commands"  # type: ignore[attr-defined]
    return made


@pytest.fixture
def with_hooks(everpx: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """The same, with these plugins alone."""
    real = plugin.load

    def given(**modules: ModuleType) -> Run:
        def load(db: Database) -> plugin.Loaded:
            loaded = real(db)
            for name, _ in loaded.manager.list_name_plugin():
                loaded.manager.unregister(name=name)
            for name, module in modules.items():
                loaded.manager.register(module, name=name)
            return loaded

        monkeypatch.setattr(plugin, "load", load)
        return everpx

    return given


@click.command()
def fine() -> None:
    """A command of a plugin."""
    click.echo("fine")


HERE = "tests.unit.test_cli_plugins"


def test_no_plugin_takes_the_place_of_the_core_or_of_another(with_hooks: Callable[..., Run]) -> None:
    greedy = hook_of(Command("status", f"{HERE}:fine", "Mine."), "nonsense", Command("own", f"{HERE}:other", "Mine."))
    everpx = with_hooks(late=greedy, early=hook_of(Command("own", f"{HERE}:fine", "Its own.")))
    listed = good(everpx("--help"))
    assert "Its own." in listed and "Mine" not in listed
    assert "memories have a proven copy" in good(everpx("status"))
    assert good(everpx("own")) == "fine\n"
    assert plugin._loaded is not None and plugin._loaded.failures["late"] > 0


@pytest.mark.parametrize("place", ["no.such.module:x", f"{HERE}:nothing", f"{HERE}:HERE", "nonsense"])
def test_a_command_that_cannot_be_imported_is_said_and_the_others_go_on(
    with_hooks: Callable[..., Run], place: str
) -> None:
    everpx = with_hooks(broken=hook_of(Command("broken", place, "Broken."), Command("fine", f"{HERE}:fine", "Fine.")))
    assert "Broken." in good(everpx("--help"))
    result = everpx("broken")
    assert result.exit_code == 2 and "“broken” of a plugin cannot be used" in result.stderr
    assert good(everpx("fine")) == "fine\n"


def test_core_commands_never_ask_for_plugins(everpx: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(added, "added", lambda taken: pytest.fail("asked"))
    for name in set(COMMANDS) - {"start"}:
        good(everpx(name, "--help"))


def test_plugs_are_listed_switched_asked_and_tried(everpx: Run, db: Database, places: Places) -> None:
    identity.create(places)
    form = {"kind": "webhook", "name": "Hook", "on_url": "http://10.0.0.9/on", "off_url": "http://10.0.0.9/off"}
    with db.writing() as session:
        number = plugs.add_by_hand(session, places, form).id
    (one,) = data(everpx("plugs", "list", "--json"))
    assert (one["name"], one["on"], one["drives"]) == ("Hook", None, [])
    assert "Hook  ?" in good(everpx("plugs", "list"))
    for words in (("on", "hook"), ("read", str(number))):
        assert "job " in good(everpx("plugs", *words))
    again = everpx("plugs", "off", "Hook")
    assert again.exit_code == 2 and again.stderr  # the plug is busy
    assert queued(db) == [
        ("smart_plugs.switch", {"plug_id": number, "on": True}),
        ("smart_plugs.look", {"plug_id": number}),
    ]
    assert everpx("plugs", "try", "no such plug").exit_code == 2


def test_nfs_devices_are_listed_and_a_try_is_queued(everpx: Run, db: Database) -> None:
    good(everpx("nfs", "add", "Television", "192.168.1.20"))
    refused = everpx("nfs", "add", "World", "8.8.8.8")
    assert refused.exit_code == 2 and "not in a home network" in refused.stderr
    assert [one["address"] for one in data(everpx("nfs", "list", "--json"))["devices"]] == ["192.168.1.20"]
    assert everpx("nfs", "allow", "Television", "HOT-1/Family", "see").exit_code == 2  # no such drive
    good(everpx("nfs", "try"))
    assert queued(db) == [(nfs.SELF_TEST, {})]
    assert everpx("nfs", "remove", "Radio").exit_code == 2


def test_the_network_is_told_and_looked_around(everpx: Run, db: Database, places: Places) -> None:
    assert "Only this computer reaches the station" in good(everpx("network", "show"))
    other = state.Other("Attic", "attic.local", "10.0.0.7", 80)
    state.change(places, wanted="everpx", name="everpx-2", port=80, addresses=("10.0.0.2",), others=(other,))
    said = good(everpx("network", "show"))
    assert "http://everpx-2.local" in said and "http://10.0.0.2" in said and "belongs to another device" in said
    assert data(everpx("network", "show", "--json"))["others"][0]["address"] == "10.0.0.7"
    good(everpx("network", "look"))
    assert queued(db) == [("discovery.look", {})]
    wrong = everpx("network", "rename", "my box")
    assert wrong.exit_code == 2 and "name:" in wrong.stderr


def test_a_test_message_is_sent_to_a_channel(everpx: Run, db: Database, places: Places, quick_passwords: None) -> None:
    identity.create(places)
    with db.writing() as session:
        anna = people.add(session, By(), name="Anna", password=PASSWORD, role=Role.ADMIN)
        form = {"server": "https://ntfy.example.org", "topic": "secret-topic", "least": "warning"}
        number = notify.save(session, places, By(), anna, WAYS["ntfy"], form, None).id
    listed = good(everpx("messages", "list"))
    assert "Anna" in listed and "ntfy.example.org" in listed and "secret-topic" not in listed
    assert "is on its way" in good(everpx("messages", "test", str(number)))
    with db.reading() as session:
        assert [row.kind for row in session.scalars(select(NotifyDelivery))] == [DeliveryKind.TEST]
    assert everpx("messages", "test", "99").exit_code == 2
