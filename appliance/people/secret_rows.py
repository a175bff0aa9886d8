"""What keys for programs and passwords for devices have in common: rows of a person, each with the hash of a secret.

The secret is shown once; a row is listed, says when it was last used, and is revocable by itself.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.errors import Invalid, NotFound
from appliance.people.models import ApiToken, DevicePassword
from appliance.words import Message

LONGEST_NAME = 60
MOST = 50
TOUCH_EVERY = timedelta(minutes=5)
Row = TypeVar("Row", ApiToken, DevicePassword)


def good_name(name: str, field: str, problem: str) -> str:
    """What its owner calls it.  Raises Invalid with ``problem``, whose field is ``longest``."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise Invalid({field: Message(problem, {"longest": LONGEST_NAME})})
    return name


def check_count(session: Session, kind: type[Row], user_id: int, field: str, problem: str) -> None:
    """Raises Invalid with ``problem`` where a person has too many."""
    rows: Any = kind
    if (session.scalar(select(func.count()).where(rows.user_id == user_id)) or 0) >= MOST:
        raise Invalid({field: problem})


def is_stale(row: ApiToken | DevicePassword) -> bool:
    """Whether ``touch`` is due."""
    return row.last_used is None or abs(now() - row.last_used) >= TOUCH_EVERY


def touch(session: Session, kind: type[Row], row_id: int) -> None:
    """Write down that one is in use."""
    if row := session.get(kind, row_id):
        row.last_used = now()


def listing(session: Session, kind: type[Row], user_id: int) -> Sequence[Row]:
    """A person's, newest first."""
    return session.scalars(select(kind).where(kind.user_id == user_id).order_by(kind.id.desc())).all()


def take(session: Session, kind: type[Row], user_id: int, row_id: int, what: str) -> Row:
    """Delete one of a person's rows; returns what it was.  Raises NotFound for one that is not theirs."""
    row = session.get(kind, row_id)
    if row is None or row.user_id != user_id:
        raise NotFound(what=what)
    session.delete(row)
    return row
