"""Passwords for devices and programs that cannot open a sign-in page: 150 random bits, shown once.

The table keeps their SHA-256; one opens files and uploads, never the console, and is revocable by itself.  What a
person chose as their own password opens no device’s door: it would lie in every phone, worth the whole account.

Whoever knows the right one is let in even while others guess: nobody can keep a phone out by guessing at its owner.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from appliance.errors import ApplianceError
from appliance.people import secret_rows, throttle
from appliance.people.audit import By, note
from appliance.people.models import DevicePassword, User, UserState
from appliance.people.names import folded
from appliance.people.secret_rows import MOST, TOUCH_EVERY, is_stale
from appliance.words import N_

__all__ = [
    "MOST", "TOUCH_EVERY", "WrongDevicePassword", "check_guesses", "create", "failed", "is_stale", "listing", "revoke",
    "touch", "who",
]  # fmt: skip
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # 32, without those that look alike
GROUPS, GROUP = 5, 6


class WrongDevicePassword(ApplianceError):
    """Name and device password do not belong together."""

    code, status = "wrong_device_password", 401
    template = N_("This name and device password do not belong together.")
    hint = N_("Make a password for this device under Your account.")


def create(session: Session, by: By, user: User, name: str) -> tuple[DevicePassword, str]:
    """A new password and, this once, its text.  Raises Invalid."""
    name = secret_rows.good_name(name, "device", N_("Say in 1 to {longest} characters which device it is."))
    many = N_("There are too many devices already. Remove one that is no longer used.")
    secret_rows.check_count(session, DevicePassword, user.id, "device", many)
    text = "-".join("".join(secrets.choice(LETTERS) for _ in range(GROUP)) for _ in range(GROUPS))
    row = DevicePassword(secret_hash=_hash(text), user_id=user.id, name=name)
    session.add(row)
    session.flush()
    note(session, by, "device_added", N_("{name} let the device “{device}” in."), name=user.name, device=name)
    return row, text


_WHO = (  # built once: every request of a phone asks it
    select(User, DevicePassword)
    .join(User, User.id == DevicePassword.user_id)
    .where(DevicePassword.secret_hash == bindparam("secret_hash"), User.state == UserState.ACTIVE)
)


def who(session: Session, name: str, text: str) -> tuple[User, DevicePassword] | None:
    """Whose device this is, while its person may sign in; only reads.

    The table is asked for a hash, so how long that takes says nothing of the secret.
    """
    wanted = _hash(text)
    found = session.execute(_WHO, {"secret_hash": wanted}).first()
    if found is None:
        return None
    user, row = found[0], found[1]
    if not hmac.compare_digest(row.secret_hash, wanted) or folded(name) not in (folded(user.name), folded(user.folder)):
        return None
    return user, row


def check_guesses(session: Session, name: str, address: str) -> None:
    """Raises TooManyGuesses for an account or a source that has guessed too often."""
    throttle.check(session, _keys(name, address))


def failed(session: Session, name: str, address: str) -> None:
    """Count a wrong guess; ``session`` is a writing one."""
    if throttle.failed(session, _keys(name, address)):
        note(session, By(None, address), "guesses_blocked", N_("Too many wrong tries; further ones have to wait."))


def touch(session: Session, password_id: int) -> None:
    """Write down that a device is in use."""
    secret_rows.touch(session, DevicePassword, password_id)


def listing(session: Session, user_id: int) -> Sequence[DevicePassword]:
    """A person's devices, newest first."""
    return secret_rows.listing(session, DevicePassword, user_id)


def revoke(session: Session, by: By, user: User, password_id: int) -> None:
    """Shut one of a person's devices out.  Raises NotFound for one that is not theirs."""
    row = secret_rows.take(session, DevicePassword, user.id, password_id, "device password")
    words = N_("The device “{device}” of {name} was shut out.")
    note(session, by, "device_removed", words, name=user.name, device=row.name)


def _keys(name: str, address: str) -> list[str]:
    return [f"device:{folded(name)[:64]}", throttle.source(address, "device_source")]


def _hash(text: str) -> str:
    plain = "".join(text.split()).replace("-", "").lower()  # as people type it
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()
