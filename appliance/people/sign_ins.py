"""Signing in.  A browser gets 256 random bits; the table keeps their SHA-256, so a stolen database opens no door.

A sign-in ends after 30 days without use, after 180 days in any case, when it is revoked, and when its person may no
longer sign in.  ``who`` only reads; the browser's last use is written by ``touch``, every five minutes at most.

Guesses are throttled per account and per source.  An account's own, already signed-in addresses are counted apart:
whoever guesses at Anna's password from elsewhere cannot keep Anna out of her own browser.
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import bindparam, delete, or_, select
from sqlalchemy.orm import Session

from appliance import clock, plugin
from appliance.db import now
from appliance.errors import ApplianceError, NotFound
from appliance.people import passwords, throttle
from appliance.people.audit import By, note
from appliance.people.models import SignIn, User, UserState
from appliance.people.names import folded
from appliance.words import N_

IDLE = timedelta(days=30)
LONGEST = timedelta(days=180)
TOUCH_EVERY = timedelta(minutes=5)
LONGEST_BROWSER = 200


class SignInFailed(ApplianceError):
    """Name and password do not belong together; which of the two is wrong is not told."""

    code, status = "sign_in_failed", 401
    template = N_("This name and password do not belong together.")
    hint = N_("Check whether capital letters are on. An admin can set a new password under People.")


def sign_in(session: Session, name: str, password: str, address: str, browser: str) -> tuple[User, str]:
    """The person and a new token.  Raises SignInFailed or TooManyGuesses.

    ``session`` is a writing one.  A failure commits it, so that the count survives the caller's rollback.
    """
    user = find(session, name)
    keys = [_account_key(session, user, name, address), throttle.source(address)]
    throttle.check(session, keys)
    good = passwords.matches(user.password_hash if user else "", password)
    if user is None or not good or user.state is not UserState.ACTIVE:
        _failed(session, user, keys, address)
        raise SignInFailed()
    throttle.forgive(session, keys[0])
    if passwords.is_outdated(user.password_hash):
        user.password_hash = passwords.make_hash(password)
    plugin.call("password_known", session=session, user=user, password=password)
    return user, open_for(session, user, address, browser)


def open_for(session: Session, user: User, address: str, browser: str) -> str:
    """A new token for a person who has just shown who they are."""
    moment = clock.read().passed
    session.execute(delete(SignIn).where(or_(SignIn.last_seen < moment - IDLE, SignIn.created < moment - LONGEST)))
    token = secrets.token_urlsafe(32)
    session.add(SignIn(token_hash=_hash(token), user_id=user.id, address=address, browser=browser[:LONGEST_BROWSER]))
    note(session, By(user.id, address), "signed_in", N_("{name} signed in."), name=user.name)
    return token


_WHO = (  # built once: every page asks it
    select(User, SignIn)
    .join(User, User.id == SignIn.user_id)
    .where(SignIn.token_hash == bindparam("token_hash"), User.state == UserState.ACTIVE)
    .where(SignIn.last_seen >= bindparam("idle_since"), SignIn.created >= bindparam("oldest"))
)


def who(session: Session, token: str) -> tuple[User, SignIn] | None:
    """Whose token this is, while it is good."""
    moment = clock.read().passed
    shown = {"token_hash": _hash(token), "idle_since": moment - IDLE, "oldest": moment - LONGEST}
    found = session.execute(_WHO, shown).first()
    return None if found is None else (found[0], found[1])


def is_stale(sign_in: SignIn) -> bool:
    """Whether ``touch`` is due."""
    return abs(now() - sign_in.last_seen) >= TOUCH_EVERY


def touch(session: Session, sign_in_id: int, address: str) -> None:
    """Write down that a sign-in is in use, and where."""
    if row := session.get(SignIn, sign_in_id):
        row.last_seen, row.address = now(), address


def sign_out(session: Session, token: str) -> None:
    """End this sign-in; one that has ended already is no error."""
    row = session.scalars(select(SignIn).where(SignIn.token_hash == _hash(token))).first()
    if row is None:
        return
    user = session.get_one(User, row.user_id)
    session.delete(row)
    note(session, By(user.id, row.address), "signed_out", N_("{name} signed out."), name=user.name)


def listing(session: Session, user_id: int) -> Sequence[SignIn]:
    """A person's sign-ins, the last used first."""
    return session.scalars(
        select(SignIn).where(SignIn.user_id == user_id).order_by(SignIn.last_seen.desc(), SignIn.id.desc())
    ).all()


def revoke(session: Session, by: By, user: User, sign_in_id: int) -> None:
    """End one of a person's sign-ins.  Raises NotFound for one that is not theirs."""
    row = session.get(SignIn, sign_in_id)
    if row is None or row.user_id != user.id:
        raise NotFound(what="sign-in")
    session.delete(row)
    note(session, by, "sign_in_revoked", N_("One browser of {name} was signed out."), name=user.name)


def revoke_others(session: Session, by: By, user: User, keep: int | None = None) -> int:
    """End all of a person's sign-ins but ``keep``; how many there were."""
    rows = [row for row in listing(session, user.id) if row.id != keep]
    for row in rows:
        session.delete(row)
    if rows:
        template = N_("{count} browsers of {name} were signed out.")
        note(session, by, "sign_ins_revoked", template, name=user.name, count=len(rows))
    return len(rows)


def find(session: Session, name: str) -> User | None:
    """The person of this name; capitals, accents typed in another way and spaces around it do not matter."""
    wanted = folded(name)
    return next((user for user in session.scalars(select(User)) if folded(user.name) == wanted), None)


def _account_key(session: Session, user: User | None, name: str, address: str) -> str:
    if user is None:
        return f"account:?{_hash(name.casefold())[:16]}"
    known = session.scalars(select(SignIn.id).where(SignIn.user_id == user.id, SignIn.address == address)).first()
    return f"account:{user.id}@{address[:64]}" if known else f"account:{user.id}"


def _failed(session: Session, user: User | None, keys: list[str], address: str) -> None:
    blocked = throttle.failed(session, keys)
    # an unknown name is not repeated: people type their password into the wrong field
    template = N_("A sign-in as {name} failed.") if user else N_("A sign-in with an unknown name failed.")
    fields = {"name": user.name} if user else {}
    note(session, By(None, address), "sign_in_failed", template, **fields)
    if blocked:
        note(session, By(None, address), "guesses_blocked", N_("Too many wrong tries; further ones have to wait."))
    session.commit()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
