"""A camera's card that is plugged in: Home says so, and one that is known is looked at by itself, once."""

import contextlib
import json
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance import plugin
from appliance.drives.inventory import Found
from appliance.durable import write_atomically
from appliance.hookspecs import HomeCard
from appliance.jobs.service import AlreadyRunning
from appliance.people.models import User
from appliance.places import Places, places
from appliance.words import N_, Message
from plugins.importer import service
from plugins.importer.models import ImportRun, ImportSource, RunState

NAME = "importer"
PAGE = "/plugins/importer/"


def plugged_in(session: Session, here: Places) -> list[Found]:
    """Cameras' cards."""
    return [found for found in service.drives(session, here) if service.is_camera(found)]


def on_home(session: Session) -> Iterable[HomeCard]:
    """One for each card: whose it is, and how much is new, as far as somebody has looked."""
    for found in plugged_in(session, places()):
        rows = _known(session, found)
        for source, name in rows:
            yield _card(session, source, name)
        if not rows:
            title = Message(N_("Camera card {name}"), {"name": found.label or found.title})
            yield HomeCard(title, N_("It is plugged in. Say whose photos these are."), N_("Import"), PAGE)


def _known(session: Session, found: Found) -> list[tuple[ImportSource, str]]:
    wanted = select(ImportSource, User.name).join(User, User.id == ImportSource.user_id)
    rows = session.execute(wanted.where(ImportSource.key == service.key_of(found)).order_by(User.name))
    return [(source, name) for source, name in rows]


def _card(session: Session, source: ImportSource, person: str) -> HomeCard:
    title = Message(N_("{person}’s camera card {name}"), {"person": person, "name": source.title})
    newest = select(ImportRun).where(ImportRun.source_id == source.id).order_by(ImportRun.id.desc()).limit(1)
    run = session.scalar(newest)
    address = f"{PAGE}runs/{run.id}" if run else PAGE
    if run is None or run.state is RunState.LOOKING:
        sentence: Message | str = N_("The station is looking at what is new on it.")
    elif run.state is RunState.IMPORTING:
        sentence = N_("Its photos are coming in.")
    elif run.state is RunState.READY and run.report.get("new"):
        sentence = Message(N_("{new} new photos and videos."), {"new": run.report["new"]})
        return HomeCard(title, sentence, N_("Import"), address)
    elif source.safe is not None:
        sentence = N_("All of it is safe here. The card may be formatted in the camera.")
    else:
        sentence = N_("Nothing on it is new.")
    return HomeCard(title, sentence, N_("Open"), address)


def look_at_new(session: Session) -> None:
    """Queue a look at each known card, once for each time it is plugged in."""
    here = places()
    if not plugin.options(session, NAME)["look_at_cards"]:
        return
    noted = here.run / "importer-seen.json"  # not needed after a reboot: every card comes anew then
    try:
        seen = json.loads(noted.read_text())
    except (OSError, ValueError):
        seen = {}
    now_here = {f.filesystem_uuid: [f.device, f.sequence] for f in plugged_in(session, here)}
    for found in plugged_in(session, here):
        if seen.get(found.filesystem_uuid) == now_here[found.filesystem_uuid]:
            continue
        for source, _ in _known(session, found):
            with contextlib.suppress(AlreadyRunning), session.begin_nested():
                service.look_again(session, source, asked_by=None)
    if seen != now_here:
        write_atomically(noted, json.dumps(now_here).encode())
