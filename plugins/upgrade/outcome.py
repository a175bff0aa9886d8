"""What became of the last attempt: in the history once, and told until somebody says that they know."""

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from appliance import events
from appliance.durable import write_atomically
from appliance.jobs import schedule
from appliance.places import Places
from appliance.upgrade import attempt
from appliance.upgrade.attempt import Attempt, Phase, RecordDamaged
from appliance.words import N_
from plugins.upgrade import incoming, service

SEEN = "seen.json"


def _told(places: Places) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads((incoming.folder(places) / SEEN).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _mark(noted: Attempt) -> str:
    """What tells one end of one attempt from every other."""
    return f"{noted.version} {noted.state} {noted.moments.get(noted.state, 0)}"


def untold(places: Places) -> Attempt | None:
    """The last attempt when it was tried, has ended, and nobody has said yet that they know."""
    with contextlib.suppress(RecordDamaged, OSError):
        noted = attempt.read(places.upgrade)
        if noted and noted.state in (Phase.KEPT, Phase.CAME_BACK) and _told(places).get("seen") != _mark(noted):
            return noted
    return None


def seen(places: Places) -> None:
    """Somebody knows how the last attempt ended."""
    noted = untold(places)
    if noted is not None:
        _note(places, seen=_mark(noted))


def _note(places: Places, **changes: str) -> None:
    write_atomically(incoming.folder(places) / SEEN, json.dumps(_told(places) | changes).encode())


def record(session: Session, places: Places) -> None:
    """Put the end of the last attempt into the history, once; what was planned for it goes."""
    try:
        noted = attempt.read(places.upgrade)
    except (RecordDamaged, OSError):
        return
    if noted is None or not noted.ended:
        return
    schedule.remove(session, service.RESTART)
    if _told(places).get("recorded") == _mark(noted):
        return
    fields: dict[str, Any] = {"version": noted.version, "previous": noted.previous}
    if noted.state is Phase.KEPT:
        events.record(session, "upgrade.kept", N_("Version {version} was tried and is kept."), **fields)
    elif noted.state is Phase.CAME_BACK:
        template = N_("Version {previous} runs again. {why}")
        events.record(session, "upgrade.came_back", template, why=noted.why or "", **fields)
    else:
        template = N_("Version {version} was not installed. {why}")
        events.record(session, "upgrade.refused", template, why=noted.why or "", **fields)
    _note(places, recorded=_mark(noted))


def moment_of(noted: Attempt) -> datetime | None:
    """When it came to where it is."""
    moment = noted.moments.get(noted.state)
    return datetime.fromtimestamp(moment, UTC) if moment else None
