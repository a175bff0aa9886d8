"""``everpx nfs``: what the page does, from a terminal."""

from typing import Any

import click
from sqlalchemy.orm import Session

from appliance.cli.drives import tagged
from appliance.cli.jobs import started
from appliance.cli.speech import BY, Here, Said, answers, table
from appliance.errors import NotFound
from plugins.nfs import service
from plugins.nfs.models import NfsDevice


@click.group()
def nfs() -> None:
    """Folders for Linux and media players."""


def _named(session: Session, name: str) -> NfsDevice:
    """Raises NotFound."""
    for one in service.devices(session):
        if one.name.casefold() == name.casefold():
            return one
    raise NotFound(what="device")


@nfs.command("list")
@answers
def listing(here: Here) -> Said:
    """Devices, what each may, and what is served right now."""
    told = service.state(here.places)
    with here.db.reading() as session:
        tags = {room.key: f"{room.tag}/{room.folder}" for room in service.rooms(session, here.places)}
        rights = service.rights(session)
        data: list[dict[str, Any]] = [
            {"id": one.id, "name": one.name, "address": one.address,
             "may": {tags[key]: word for key, word in rights.get(one.id, {}).items()}}
            for one in service.devices(session)
        ]  # fmt: skip
    rows = [
        (one["name"], one["address"], ", ".join(f"{word} {path}" for path, word in one["may"].items())) for one in data
    ]
    served = [one["name"] for one in told["served"]]
    return Said({"devices": data, "served": served}, [*table(rows), *(f"served: {name}" for name in served)])


@nfs.command()
@click.argument("name")
@click.argument("address")
@answers
def add(here: Here, *, name: str, address: str) -> Said:
    """List a device by its address; it gets nothing yet."""
    with here.db.writing() as session:
        made = service.add(session, BY, name=name, address=address)
        return Said({"id": made.id, "name": made.name, "address": made.address}, [f"{made.name} is listed."])


@nfs.command()
@click.argument("name")
@click.argument("folder", metavar="TAG/FOLDER")
@click.argument("may", type=click.Choice(["nothing", "see", "change"]))
@answers
def allow(here: Here, *, name: str, folder: str, may: str) -> Said:
    """Say what a device may do in a folder, e.g. “HOT-1/Family see”; in force when this ends."""
    tag, _, below = folder.partition("/")
    with here.db.writing() as session:
        chosen = {service.key(tagged(session, tag).id, below): may}
        service.allow(session, here.broker, here.places, BY, _named(session, name).id, chosen)
    return Said({"name": name, "folder": folder, "may": may}, [f"{name}: {may} {folder}"])


@nfs.command()
@click.argument("name")
@answers
def remove(here: Here, *, name: str) -> Said:
    """Shut a device out."""
    with here.db.writing() as session:
        gone = service.drop(session, here.broker, here.places, BY, _named(session, name).id)
    return Said({"name": gone}, [f"{gone} gets nothing any more."])


@nfs.command("try")
@answers
def trial(here: Here) -> Said:
    """Ask the server as a device would."""
    with here.db.writing() as session:
        return started(service.start_test(session))
