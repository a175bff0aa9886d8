"""``everpx network``: how this station is found, from a terminal."""

from dataclasses import asdict

import click

from appliance import plugin
from appliance.cli.jobs import started
from appliance.cli.speech import Here, Said, answers
from appliance.words import Message
from plugins.discovery import service, state


@click.group()
def network() -> None:
    """How this station is found on the network."""


@network.command()
@answers
def show(here: Here) -> Said:
    """Its name and addresses, what is announced, and other stations."""
    return _told(state.load(here.places))


def _told(found: state.State) -> Said:
    lines = [found.url(name) for name in found.ways]
    lines = lines or ["Only this computer reaches the station; nothing is announced."]
    if found.name and found.name != found.wanted:
        lines = [*lines, f"{found.wanted}.local belongs to another device."]
    if found.problem:
        lines = [*lines, str(Message.from_json(found.problem["message"])), found.problem["hint"]]
    lines += [f"announced: {kind}" for kind in found.kinds]
    lines += [f"other station: {other.name}  {other.url}" for other in found.others]
    return Said(asdict(found), lines)


@network.command()
@answers
def look(here: Here) -> Said:
    """Announce anew, and ask who else is there."""
    with here.db.writing() as session:
        return started(service.start_looking(session))


@network.command()
@click.argument("name")
@click.option("--workgroup", default="", help="Windows’ workgroup; as before when it is not given.")
@answers
def rename(here: Here, *, name: str, workgroup: str) -> Said:
    """Choose the name under which the station is found."""
    with here.db.writing() as session:
        group = workgroup or plugin.options(session, service.NAME)["workgroup"]
        found = service.rename(session, here.broker, here.places, name=name, workgroup=group)
    return _told(found)
