"""What shall be shared: the rows, the people and the drives of this moment as one request to root.

``Family`` and each person's folder are shared from every HOT drive that has one.  The first drive's share has the plain
name, the others' say their drive: "Anna", "Anna on HOT-2".  Who may do less in one of the family's folders than in
``Family`` finds "Family for Ben" instead, in which that folder is not: there is no second way to it.
"""

import contextlib
import hashlib
import hmac
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance import identity, plugin, sealed
from appliance.drives.layout import FAMILY, MACS
from appliance.drives.models import Drive, DriveRole
from appliance.drives.mounts import Mount, hot_mounts, mount_for
from appliance.errors import ApplianceError
from appliance.library import folders
from appliance.people.models import User, UserState
from appliance.places import Places
from appliance.words import Message
from plugins.smb.models import Level, SmbAccess, SmbAccount, SmbFolder
from plugins.smb.nt_hash import nt_hash
from plugins.smb.privileged import CHECKER, CHECKER_NAME, Account, Apply, Share, can_be_shared, name_problem

NAME = "smb"
PURPOSE = "smb passwords"
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
    shares = _apart(_shares(session, mounts, known))
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
            if can_be_shared(user.folder) and here(mount, user.folder, number):
                yield Share(user.name + where, mount.tag, user.folder, changing=(user.id,))
        if here(mount, FAMILY, number):
            yield from _families(session, mount, where, users, chosen)
    tags = {mount.drive_id: mount for mount in mounts}
    for row in session.scalars(select(SmbFolder).order_by(SmbFolder.id)):
        if row.drive_id in tags:
            mount = tags[row.drive_id]
            yield _family(row.name, mount.tag, f"{FAMILY}/{row.name}", users, chosen, row.id)
    yield from _time_machines(session, mounts, users)


def _apart(shares: Iterable[Share]) -> list[Share]:
    """Two never have one name: a later one gets a number (a folder that is called like a person of today)."""
    taken: set[str] = set()
    apart = []
    for share in shares:
        name, number = share.name, 2
        while name.casefold() in taken:
            name, number = f"{share.name} {number}", number + 1
        taken.add(name.casefold())
        if name_problem(name) is None:
            apart.append(replace(share, name=name))
    return apart


def less(session: Session, drive_id: int) -> dict[int, tuple[str, ...]]:
    """person -> the family's folders on a drive in which they may do less than in all of ``Family``."""
    chosen, found = levels(session), dict[int, tuple[str, ...]]()
    folders_here = list(session.scalars(select(SmbFolder).where(SmbFolder.drive_id == drive_id).order_by(SmbFolder.id)))
    for user in session.scalars(select(User)):
        most = chosen.get((user.id, None), Level.CHANGE)
        names = [f.name for f in folders_here if chosen.get((user.id, f.id), Level.CHANGE).rank < most.rank]
        if names:
            found[user.id] = tuple(names)
    return found


def family_of(user: User) -> str:
    """What somebody's share of ``Family`` is called, when it is not like everybody's."""
    return f"{FAMILY} for {user.name}"


def names_of_family(session: Session) -> dict[int, str]:
    """person -> what their share of ``Family`` on the first drive with a difference is called."""
    names = {user.id: FAMILY for user in session.scalars(select(User))}
    for drive_id in session.scalars(select(SmbFolder.drive_id).distinct()):
        for user_id in less(session, drive_id):
            names[user_id] = family_of(session.get_one(User, user_id))
    return names


def _families(
    session: Session,
    mount: Mount,
    where: str,
    users: Sequence[User],
    chosen: dict[tuple[int, int | None], Level],
) -> Iterator[Share]:
    hidden = less(session, mount.drive_id)
    alike = [user for user in users if user.id not in hidden]
    yield _family(FAMILY + where, mount.tag, FAMILY, alike, chosen, None)
    for user in users:
        if user.id in hidden:
            share = _family(family_of(user) + where, mount.tag, FAMILY, [user], chosen, None)
            yield replace(share, changing=tuple(set(share.changing) - {CHECKER}), hidden=hidden[user.id])


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
        if gigabytes is not None and mounts and can_be_shared(user.folder):
            yield Share(
                f"{TIME_MACHINE} {user.name}",
                mounts[0].tag,
                f"{MACS}/{user.folder}",
                changing=(user.id,),
                time_machine=True,
                quota_gb=gigabytes,
            )


def here(mount: Mount, folder: str, number: int) -> bool:
    """Whether a share has something to show: on the first drive always, on others where the folder is."""
    return number == 0 or folders.is_folder(mount, os.fsencode(folder))
