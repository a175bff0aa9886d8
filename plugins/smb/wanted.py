"""What shall be shared: the rows, the people and the drives of this moment as one request to root.

``Family`` and each person's folder are shared from every HOT drive that has one.  The first drive's share has the plain
name, the others' say their drive: "Anna", "Anna on HOT-2".
"""

import contextlib
import hashlib
import hmac
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance import identity, plugin, sealed
from appliance.drives.layout import FAMILY
from appliance.drives.models import Drive, DriveRole
from appliance.drives.mounts import Mount, hot_mounts, mount_for
from appliance.errors import ApplianceError
from appliance.library import folders
from appliance.people.models import User, UserState
from appliance.places import Places
from appliance.words import Message
from plugins.smb.models import Level, SmbAccess, SmbAccount, SmbFolder
from plugins.smb.nt_hash import nt_hash
from plugins.smb.privileged import CHECKER, Account, Apply, Share, name_problem

NAME = "smb"
PURPOSE = "smb passwords"
CHECKER_NAME = "everpx-check"
TIME_MACHINE = "Time Machine"


@dataclass(frozen=True)
class Person:
    """Somebody of the family, as far as sharing goes."""

    user: User
    problem: str | Message | None  # why there is nothing for them
    has_password: bool  # without one there is nothing to sign in with yet
    time_machine_gb: int | None


def people(session: Session) -> list[Person]:
    """Everybody who can sign in to the station, by name."""
    accounts = {account.user_id: account for account in session.scalars(select(SmbAccount))}
    found = []
    for user in session.scalars(select(User).where(User.state == UserState.ACTIVE).order_by(User.name)):
        account = accounts.get(user.id)
        has = account is not None and account.secret is not None
        found.append(Person(user, name_problem(user.name), has, account.time_machine_gb if account else None))
    return found


def levels(session: Session) -> dict[tuple[int, int | None], Level]:
    """(person, shared folder or None for Family) -> what was chosen."""
    return {(row.user_id, row.folder_id): row.level for row in session.scalars(select(SmbAccess))}


def checker_password(places: Places) -> str:
    """With which the station signs in to its own shares; made from its key, so it is kept nowhere."""
    return hmac.new(identity.secret_key(places), b"smb self-test", hashlib.sha256).hexdigest()


def request(session: Session, places: Places) -> dict[str, Any]:
    """The whole of it, for ``smb.apply``."""
    mounts = hot_mounts(session, places)
    accounts = list(_accounts(session, places))
    known = {account.number for account in accounts}
    shares = [share for share in _shares(session, mounts, known) if name_problem(share.name) is None]
    chosen = plugin.options(session, NAME)
    wanted = Apply(
        tuple(accounts),
        tuple(shares),
        port=chosen["port"],
        only_here=chosen["only_here"],
        versions=_cold_here(session, places),
    )
    return asdict(wanted)


def _cold_here(session: Session, places: Places) -> str:
    """A COLD drive that is in use right now, "" when they rest as they should."""
    for drive in session.scalars(select(Drive).where(Drive.role == DriveRole.COLD).order_by(Drive.number)):
        with contextlib.suppress(ApplianceError):
            return mount_for(places, drive).tag
    return ""


def _accounts(session: Session, places: Places) -> Iterator[Account]:
    yield Account(CHECKER, CHECKER_NAME, nt_hash(checker_password(places)).hex().upper())
    rows = session.execute(
        select(User, SmbAccount)
        .join(SmbAccount, SmbAccount.user_id == User.id)
        .where(User.state == UserState.ACTIVE, SmbAccount.secret.is_not(None))
    )
    for user, account in rows:
        secret = sealed.unseal(places, PURPOSE, account.secret or b"")
        if secret is not None and name_problem(user.name) is None:
            yield Account(user.id, user.name, secret)


def _shares(session: Session, mounts: Sequence[Mount], known: set[int]) -> Iterator[Share]:
    users = [user for user in session.scalars(select(User).order_by(User.id)) if user.id in known]
    chosen = levels(session)
    for number, mount in enumerate(mounts):
        where = "" if number == 0 else f" on {mount.tag}"
        for user in users:
            if here(mount, user.folder, number):
                yield Share(user.name + where, mount.tag, user.folder, changing=(user.id,))
        if here(mount, FAMILY, number):
            yield _family(FAMILY + where, mount.tag, FAMILY, users, chosen, None)
    tags = {mount.drive_id: mount for mount in mounts}
    for row in session.scalars(select(SmbFolder).order_by(SmbFolder.id)):
        if row.drive_id in tags:
            mount = tags[row.drive_id]
            yield _family(row.name, mount.tag, f"{FAMILY}/{row.name}", users, chosen, row.id)
    yield from _time_machines(session, mounts, users)


def _family(
    name: str,
    tag: str,
    folder: str,
    users: Sequence[User],
    chosen: dict[tuple[int, int | None], Level],
    folder_id: int | None,
) -> Share:
    may = {user.id: chosen.get((user.id, folder_id), Level.CHANGE) for user in users}
    changing = [user_id for user_id, level in may.items() if level is Level.CHANGE]
    seeing = [user_id for user_id, level in may.items() if level is Level.SEE]
    checker = [CHECKER] if folder_id is None else []
    return Share(name, tag, folder, changing=(*changing, *checker), seeing=tuple(seeing))


def _time_machines(session: Session, mounts: Sequence[Mount], users: Sequence[User]) -> Iterator[Share]:
    rooms = {account.user_id: account.time_machine_gb for account in session.scalars(select(SmbAccount))}
    for user in users:
        gigabytes = rooms.get(user.id)
        if gigabytes is not None and mounts:
            yield Share(
                f"Time Machine {user.name}",
                mounts[0].tag,
                f"{user.folder}/{TIME_MACHINE}",
                changing=(user.id,),
                time_machine=True,
                quota_gb=gigabytes,
            )


def here(mount: Mount, folder: str, number: int) -> bool:
    """Whether a share has something to show: on the first drive always, on others where the folder is."""
    return number == 0 or folders.is_folder(mount, os.fsencode(folder))
