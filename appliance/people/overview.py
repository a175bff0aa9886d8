"""The family at a glance: who was here when, and how much of what is stored is theirs.

Counting is cheap (triggers keep ``media_month``); bytes are added up over a person's folders only when asked for.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from appliance.library.models import Folder, MediaMonth, StoredFile
from appliance.people import service
from appliance.people.models import SignIn, User


@dataclass(frozen=True)
class Glance:
    """One person: ``last_seen`` is None for somebody without a sign-in; ``memories`` are photos and videos."""

    user: User
    last_seen: datetime | None
    memories: int


def glances(session: Session) -> list[Glance]:
    """Everybody but the removed, by name."""
    newest = select(SignIn.user_id, func.max(SignIn.last_seen)).group_by(SignIn.user_id)
    seen = {user_id: at for user_id, at in session.execute(newest)}
    return [Glance(user, seen.get(user.id), memories(session, user)) for user in service.listing(session)]


def memories(session: Session, user: User) -> int:
    """How many photos and videos are in a person's timeline."""
    return int(session.scalar(select(func.sum(MediaMonth.count)).where(MediaMonth.user_id == user.id)) or 0)


def stored_bytes(session: Session, user: User) -> int:
    """What lies in a person's folder on all HOT drives together."""
    top = user.folder.encode()
    beneath = (Folder.path >= top + b"/") & (Folder.path < top + b"0")  # "0" is the character after "/"
    mine = select(Folder.id).where(or_(Folder.path == top, beneath))
    return session.scalar(select(func.sum(StoredFile.size)).where(StoredFile.folder_id.in_(mine))) or 0
