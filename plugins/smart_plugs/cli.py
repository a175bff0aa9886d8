"""``everpx plugs``: what the page does, from a terminal."""

from typing import Any

import click
from sqlalchemy.orm import Session

from appliance.cli.jobs import started
from appliance.cli.speech import Here, Said, answers, moment, table
from appliance.errors import NotFound
from plugins.smart_plugs import service
from plugins.smart_plugs.models import SmartPlug


@click.group()
def plugs() -> None:
    """Smart plugs: list, switch, ask."""


def _named(session: Session, word: str) -> SmartPlug:
    """By its number or its name.  Raises NotFound."""
    for plug in service.every(session):
        if word == str(plug.id) or word.casefold() == plug.name.casefold():
            return plug
    raise NotFound(what="plug")


def _data(session: Session, plug: SmartPlug) -> dict[str, Any]:
    return {
        "id": plug.id, "name": plug.name, "kind": plug.kind.value, "host": plug.host, "on": plug.is_on,
        "watts": plug.watts, "answered": plug.answered, "problem": str(plug.problem) if plug.problem else None,
        "drives": [drive.tag for drive in service.drives_on(session, plug.id)],
    }  # fmt: skip


@plugs.command("list")
@answers
def listing(here: Here) -> Said:
    """Every plug, as it said when it last answered."""
    with here.db.reading() as session:
        data = [_data(session, plug) for plug in service.every(session)]
    words = {True: "on", False: "off", None: "?"}
    return Said(data, table(
        (one["id"], one["name"], words[one["on"]], "" if one["watts"] is None else f"{one['watts']:.1f} W",
         " ".join(one["drives"]), f"answered: {moment(one['answered'])}", one["problem"])
        for one in data
    ))  # fmt: skip


def _switching(name: str, on: bool, words: str) -> None:
    @plugs.command(name, help=words)
    @click.argument("plug")
    @answers
    def command(here: Here, *, plug: str) -> Said:
        with here.db.writing() as session:
            return started(service.start_switch(session, _named(session, plug).id, on=on))


_switching("on", True, "Switch a plug on.")
_switching("off", False, "Switch a plug off; what is in use keeps its power.")


@plugs.command()
@click.argument("plug")
@answers
def read(here: Here, *, plug: str) -> Said:
    """Ask a plug now; “everpx plugs list” then shows what it said."""
    with here.db.writing() as session:
        return started(service.start_asking(session, _named(session, plug)))


@plugs.command("try")
@click.argument("plug")
@answers
def trial(here: Here, *, plug: str) -> Said:
    """On, wait for its drives, off, proof."""
    with here.db.writing() as session:
        return started(service.start_test(session, _named(session, plug).id))
