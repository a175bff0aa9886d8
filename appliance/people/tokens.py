"""Keys for the REST API: 256 random bits, shown once, of which the table keeps the SHA-256.

A token can do what its person can, for as long as the person may sign in; it is listed and revocable.
"""

import hashlib
import secrets
from collections.abc import Sequence

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from appliance.people import secret_rows
from appliance.people.audit import By, note
from appliance.people.models import ApiToken, User, UserState
from appliance.people.secret_rows import is_stale
from appliance.words import N_

__all__ = ["create", "is_stale", "listing", "revoke", "touch", "who"]

PREFIX = "everpx_"  # so that a leaked one is recognised for what it is


def create(session: Session, by: By, user: User, name: str) -> tuple[ApiToken, str]:
    """A new token and, this once, its text.  Raises Invalid."""
    name = secret_rows.good_name(name, "name", N_("Say in 1 to {longest} characters what it is for."))
    many = N_("There are too many tokens already. Revoke one that is no longer used.")
    secret_rows.check_count(session, ApiToken, user.id, "name", many)
    text = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(token_hash=_hash(text), user_id=user.id, name=name)
    session.add(token)
    session.flush()
    note(session, by, "token_created", N_("{name} created the API token “{token}”."), name=user.name, token=name)
    return token, text


def open_quietly(session: Session, user_id: int, name: str) -> str:
    """A key that the station itself uses for a moment and then removes; nobody is told of it."""
    text = PREFIX + secrets.token_urlsafe(32)
    session.add(ApiToken(token_hash=_hash(text), user_id=user_id, name=name))
    return text


_WHO = (  # built once: every request of a phone asks it
    select(User, ApiToken)
    .join(User, User.id == ApiToken.user_id)
    .where(ApiToken.token_hash == bindparam("token_hash"), User.state == UserState.ACTIVE)
)


def who(session: Session, text: str) -> tuple[User, ApiToken] | None:
    """Whose token this is, while its person may sign in; only reads."""
    found = session.execute(_WHO, {"token_hash": _hash(text)}).first()
    return None if found is None else (found[0], found[1])


def touch(session: Session, token_id: int) -> None:
    """Write down that a token is in use."""
    secret_rows.touch(session, ApiToken, token_id)


def listing(session: Session, user_id: int) -> Sequence[ApiToken]:
    """A person's tokens, newest first."""
    return secret_rows.listing(session, ApiToken, user_id)


def revoke(session: Session, by: By, user: User, token_id: int) -> None:
    """End one of a person's tokens.  Raises NotFound for one that is not theirs."""
    row = secret_rows.take(session, ApiToken, user.id, token_id, "token")
    words = N_("The API token “{token}” of {name} was revoked.")
    note(session, by, "token_revoked", words, name=user.name, token=row.name)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
