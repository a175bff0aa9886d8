"""``everpx import``: a look first, then a yes, as on the pages.

It acts as the person whose photos they become: a folder has to be theirs or the family's.  Whose a drive is, whoever
has this terminal says, as an admin does.
"""

from typing import Any

import click
from sqlalchemy import true
from sqlalchemy.orm import Session

from appliance.cli.people import named
from appliance.cli.speech import Here, Said, answers, moment, table
from appliance.drives.models import Drive
from appliance.errors import Invalid, NotFound
from plugins.importer import access, service
from plugins.importer.service import Line


@click.group("import")
def bring() -> None:
    """Photos from a card, a drive or a folder: a look first, then a yes."""


def _data(line: Line) -> dict[str, Any]:
    run = line.run
    return {
        "id": run.id, "state": run.state, "kind": line.source.kind, "source": line.source.title, "person": line.person,
        "report": run.report or {}, "result": run.result or {}, "created": run.created, "finished": run.finished,
        "job": run.job_id,
    }  # fmt: skip


def _said(session: Session, run_id: int) -> Said:
    line = service.line(session, *service.get(session, run_id))
    data = _data(line)
    counts = [f"{name}: {count:,}" for name, count in _counts(data["result"] or data["report"])]
    return Said(data, [f"import {run_id} for {line.person}, {line.source.title}: {line.run.state}", *counts])


def _counts(told: dict[str, Any]) -> list[tuple[str, int]]:
    return [(name, count) for name, count in told.items() if isinstance(count, int) and not isinstance(count, bool)]


@bring.command()
@answers
def sources(here: Here) -> Said:
    """What is plugged in and could be imported from."""
    with here.db.reading() as session:
        found = [(one.device, one.label or one.title, one.size) for one in service.drives(session, here.places)]
    return Said([dict(zip(("device", "title", "size"), one, strict=True)) for one in found], table(found))


@bring.command()
@click.option("--for", "name", required=True, metavar="NAME", help="Whose photos they become.")
@click.option("--drive", "device", metavar="DEVICE", help="A card, a stick or a drive that is plugged in.")
@click.option("--folder", metavar="HOT-1/FOLDER", help="A folder of that person or of the family; archives in it, too.")
@answers
def look(here: Here, *, name: str, device: str | None, folder: str | None) -> Said:
    """Find out what would come in.  Nothing is written to any drive."""
    if (device is None) == (folder is None):
        raise Invalid({"source": "Give either --drive or --folder."})
    with here.db.writing() as session:
        user = named(session, name)
        if device is not None:
            wanted = service.from_drive(session, here.places, device)
        else:
            tag, _, path = (folder or "").partition("/")
            drive = next((one for one in service.hot(session) if one.tag == tag), None)
            wanted = access.from_folder(session, user, _id(drive), path)
        run = service.start_look(session, wanted, user.id, asked_by=None)
        session.flush()
        return _said(session, run.id)


def _id(drive: Drive | None) -> int:
    if drive is None:
        raise NotFound(what="drive")
    return drive.id


@bring.command("list")
@answers
def listing(here: Here) -> Said:
    """What was asked for, the newest first."""
    with here.db.reading() as session:
        lines = service.history(session, true())
        rows = [(one.run.id, one.run.state, one.person, one.source.title, moment(one.run.created)) for one in lines]
        return Said([_data(one) for one in lines], table(rows))


@bring.command()
@click.argument("run_id", type=int)
@answers
def show(here: Here, *, run_id: int) -> Said:
    """What a look found, or what came in."""
    with here.db.reading() as session:
        return _said(session, run_id)


@bring.command()
@click.argument("run_id", type=int)
@click.option("--deleted-too", is_flag=True, help="Also bring back what this person deleted here.")
@answers
def run(here: Here, *, run_id: int, deleted_too: bool) -> Said:
    """Yes: bring in what the look found to be new."""
    with here.db.writing() as session:
        service.start_import(session, run_id, deleted_too=deleted_too, asked_by=None)
        session.flush()
        return _said(session, run_id)


@bring.command()
@click.argument("run_id", type=int)
@answers
def stop(here: Here, *, run_id: int) -> Said:
    """No more of it; what came in stays."""
    with here.db.writing() as session:
        service.stop(session, run_id)
        session.flush()
        return _said(session, run_id)
