"""How things stand before a restart, so that what a new version broke is told from what was so anyway."""

import json
from dataclasses import asdict, dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.drives.mounts import hot_mounts
from appliance.durable import write_atomically
from appliance.health.models import Issue
from appliance.places import Places
from plugins.upgrade import incoming

NAME = "before.json"


@dataclass(frozen=True)
class Before:
    """HOT drives that were in use, by tag, and what was wrong, by code and subject."""

    drives: tuple[str, ...] = ()
    issues: tuple[str, ...] = ()


def note(session: Session, places: Places) -> None:
    """Right before the restart."""
    drives = tuple(mount.tag for mount in hot_mounts(session, places) if not mount.read_only)
    issues = tuple(f"{code} {subject}" for code, subject in session.execute(select(Issue.code, Issue.subject)))
    write_atomically(incoming.folder(places) / NAME, json.dumps(asdict(Before(drives, issues))).encode())


def before(places: Places) -> Before:
    """What was noted; nothing where the restart was not asked for here."""
    try:
        told = json.loads((incoming.folder(places) / NAME).read_text())
        return Before(tuple(map(str, told["drives"])), tuple(map(str, told["issues"])))
    except (OSError, ValueError, KeyError, TypeError):
        return Before()
