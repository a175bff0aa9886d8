"""``everpx upgrade``: what the page does, from a terminal."""

import shutil
from pathlib import Path
from typing import Any

import click

from appliance import plugin
from appliance.cli.jobs import started
from appliance.cli.speech import BY, Here, Said, answers, moment, table
from plugins.upgrade import incoming, news, service
from plugins.upgrade.source import Folder


@click.group()
def upgrade() -> None:
    """New versions of the station."""


@upgrade.command()
@answers
def state(here: Here) -> Said:
    """What runs, what is new, and what became of the last attempt."""
    with here.db.reading() as session:
        told = service.state(session, here.places)
    last = told.last
    data: dict[str, Any] = {
        "version": told.version, "model": told.model, "supported": told.can, "restarts_at": told.restarts_at,
        "last": {"version": last.version, "state": last.state, "why": str(last.why or "")} if last else None,
        "new": told.news.version if told.news and told.news.is_offer else None,
    }  # fmt: skip
    rows = [("runs", told.version, told.model), ("new", data["new"] or "-", "")]
    if last:
        rows.append((last.state.value.replace("_", " "), last.version, str(last.why or "")))
    if told.restarts_at:
        rows.append(("restarts", moment(told.restarts_at), ""))
    return Said(data, table(rows))


@upgrade.command()
@click.option("--folder", type=click.Path(exists=True, file_okay=False, path_type=Path), help="News on a stick.")
@answers
def check(here: Here, *, folder: Path | None) -> Said:
    """Ask for news of versions, where it is set or in a folder."""
    if folder is None:
        with here.db.writing() as session:
            return started(service.start_check(session))
    with here.db.reading() as session:
        channel = plugin.options(session, service.NAME)["channel"]
    found = news.ask(here.broker, here.places, Folder(folder), channel)
    problem = found.refused or found.unreachable or found.obstacle
    said = {"version": found.version, "new": found.is_offer, "problem": str(problem.message) if problem else None}
    return Said(said, [str(problem.message) if problem else f"version {found.version} is new"])


@upgrade.command()
@click.argument("bundle", required=False)
@click.option("--when", type=click.Choice([service.NOW, service.QUIET, service.LATER]), default=service.LATER)
@answers
def install(here: Here, *, bundle: str | None, when: str) -> Said:
    """Install a file, what is at an address, or what is announced."""
    upload = address = ""
    if bundle and "://" in bundle:
        address = bundle
    elif bundle:
        path = Path(bundle)
        part = incoming.create(here.places, path.stat().st_size)
        with path.open("rb") as source, part.path.open("wb") as target:
            shutil.copyfileobj(source, target, incoming.BLOCK)
        upload = incoming.finish(here.places, part.name).name
    with here.db.writing() as session:
        return started(service.start_install(session, here.places, BY, upload=upload, address=address, when=when))


@upgrade.command()
@click.option("--quiet", is_flag=True, help="In the quiet hour.")
@answers
def restart(here: Here, *, quiet: bool) -> Said:
    """Restart into the version that waits."""
    with here.db.writing() as session:
        if not quiet:
            return started(service.start_restart(session, here.places, BY))
        at = service.plan_restart(session)
    return Said({"at": at}, [f"restarts {moment(at)}"])


@upgrade.command("call-off")
@answers
def call_off(here: Here) -> Said:
    """Do not try the version that waits."""
    with here.db.writing() as session:
        version = service.call_off(session, here.broker, BY)
    return Said({"version": version}, [f"version {version} is called off"])


@upgrade.command()
@answers
def history(here: Here) -> Said:
    """What happened with versions."""
    with here.db.reading() as session:
        rows = [(moment(one.at), str(one.message)) for one in service.history(session, 50)]
    return Said([{"at": at, "text": text} for at, text in rows], table(rows))
