"""Keys for the REST API: 256 random bits, shown once, of which the table keeps the SHA-256.

A token can do what its person can, for as long as the person may sign in; it is listed and revocable.
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.errors import Invalid, NotFound
from appliance.people.audit import By, note
from appliance.people.models import ApiToken, User, UserState
from appliance.words import N_, Message

PREFIX = "everpx_"  # so that a leaked one is recognised for what it is
LONGEST_NAME = 60
MOST = 50
TOUCH_EVERY = timedelta(minutes=5)


def create(session: Session, by: By, user: User, name: str) -> tuple[ApiToken, str]:
    """A new token and, this once, its text.  Raises Invalid."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        problem = Message(N_("Say in 1 to {longest} characters what it is for."), {"longest": LONGEST_NAME})
        raise Invalid({"name": problem})
    if (session.scalar(select(func.count()).where(ApiToken.user_id == user.id)) or 0) >= MOST:
        raise Invalid({"name": N_("There are too many tokens already. Revoke one that is no longer used.")})
    text = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(token_hash=_hash(text), user_id=user.id, name=name)
    session.add(token)
    session.flush()
    note(session, by, "token_created", N_("{name} created the API token “{token}”."), name=user.name, token=name)
    return token, text


_WHO = (  # built once: every request of a phone asks it
    select(User, ApiToken)
    .join(User, User.id == ApiToken.user_id)
    .where(ApiToken.token_hash == bindparam("token_hash"), User.state == UserState.ACTIVE)
)


def who(session: Session, text: str) -> tuple[User, ApiToken] | None:
    """Whose token this is, while its person may sign in; only reads."""
    found = session.execute(_WHO, {"token_hash": _hash(text)}).first()
    return None if found is None else (found[0], found[1])


def is_stale(token: ApiToken) -> bool:
    """Whether ``touch`` is due."""
    return token.last_used is None or abs(now() - token.last_used) >= TOUCH_EVERY


def touch(session: Session, token_id: int) -> None:
    """Write down that a token is in use."""
    if row := session.get(ApiToken, token_id):
        row.last_used = now()


def listing(session: Session, user_id: int) -> Sequence[ApiToken]:
    """A person's tokens, newest first."""
    return session.scalars(select(ApiToken).where(ApiToken.user_id == user_id).order_by(ApiToken.id.desc())).all()


def revoke(session: Session, by: By, user: User, token_id: int) -> None:
    """End one of a person's tokens.  Raises NotFound for one that is not theirs."""
    row = session.get(ApiToken, token_id)
    if row is None or row.user_id != user.id:
        raise NotFound(what="token")
    session.delete(row)
    note(
        session,
        by,
        "token_revoked",
        N_("The API token “{token}” of {name} was revoked."),
        name=user.name,
        token=row.name,
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
