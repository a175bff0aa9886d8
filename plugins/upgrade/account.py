"""The account and the key that the probe uses for a moment, and their removal, also of what a power cut left."""

import secrets

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from appliance.events import Event
from appliance.people import passwords, tokens
from appliance.people.models import ApiToken, Role, SignIn, User, UserState

MARK = ".everpx-check-"  # no person's folder, and no name that somebody gives a key, begins so


def make(session: Session) -> tuple[str, str]:
    """Somebody without a folder and without rights: name and password.  No plugin hears of them."""
    name, password = f"Everpx check {secrets.token_hex(4)}", secrets.token_urlsafe(24)
    hashed = passwords.make_hash(password)
    folder = MARK + secrets.token_hex(8)
    session.add(User(name=name, folder=folder, role=Role.MEMBER, state=UserState.ACTIVE, password_hash=hashed))
    return name, password


def key_of(session: Session, user_id: int) -> str:
    """A key to somebody's photos."""
    return tokens.open_quietly(session, user_id, MARK)


def clean(session: Session) -> None:
    """Remove all of it, and what they did; reads only where nothing is left."""
    left = session.scalars(select(User.id).where(User.folder.startswith(MARK))).all()
    keys = session.scalars(select(ApiToken.id).where(ApiToken.name == MARK)).all()
    if left or keys:
        session.execute(delete(Event).where(Event.actor_id.in_(left)))
        session.execute(delete(SignIn).where(SignIn.user_id.in_(left)))
        session.execute(delete(User).where(User.id.in_(left)))
        session.execute(delete(ApiToken).where(ApiToken.id.in_(keys)))
