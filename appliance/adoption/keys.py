"""Who may let a new box take an earlier station's place: an admin of that one, by password, or by its recovery card.

Both are asked of the copy of its database that a drive carries, and guesses at either are counted together.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from appliance.db import Database
from appliance.errors import Invalid
from appliance.people import passwords, recovery_card, throttle
from appliance.words import N_


@contextmanager
def _counted(db: Database, address: str) -> Iterator[None]:
    """A wrong answer inside is counted.  Raises TooManyGuesses."""
    key = throttle.source(address, "claim")
    with db.writing() as session:
        throttle.check(session, [key])
    try:
        yield
    except Invalid:
        with db.writing() as session:
            throttle.failed(session, [key])
        raise


def check_admin(db: Database, copy: Path, name: str, password: str, address: str) -> None:
    """An admin of the old station says yes.  Raises Invalid or TooManyGuesses; a failure is counted."""
    with _counted(db, address):
        if not passwords.matches(_admin(copy, name) or "", password):
            raise Invalid({"password": N_("This is not the name and password of an admin of the old station.")})


def check_card(db: Database, copy: Path, name: str, card: str, password: str, address: str) -> None:
    """Somebody has the card, and chooses the new password of an admin.  Raises Invalid or TooManyGuesses."""
    with closing(sqlite3.connect(copy)) as rows:
        found = rows.execute("select code_hash from recovery_card").fetchone()
    with _counted(db, address):
        if not recovery_card.opens(found[0] if found else "", card):
            raise Invalid({"card": N_("This is not the code of the card that this drive knows.")})
    if _admin(copy, name) is None:
        raise Invalid({"name": N_("Choose one of the admins of the old station.")})
    if problem := passwords.problem(password, _tidy(name)):
        raise Invalid({"password": problem})


def give_password(rows: sqlite3.Connection, *, name: str, password: str) -> None:
    """The new password of the admin who came with the card, which is used up; in the caller's transaction."""
    wanted = (
        "update \"user\" set password_hash = ? where name = ? collate nocase and role = 'ADMIN' and state = 'ACTIVE'"
    )
    rows.execute(wanted, (passwords.make_hash(password), _tidy(name)))
    rows.execute("delete from recovery_card")


def _admin(copy: Path, name: str) -> str | None:
    """The password hash of an admin who may sign in; None when there is no such."""
    wanted = "select password_hash from \"user\" where name = ? collate nocase and role = 'ADMIN' and state = 'ACTIVE'"
    with closing(sqlite3.connect(copy)) as rows:
        found = rows.execute(wanted, (_tidy(name),)).fetchone()
    return found[0] if found else None


def _tidy(name: str) -> str:
    return " ".join(name.split())
