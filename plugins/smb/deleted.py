"""What computers deleted in a share: from the place where Samba puts it into the bin that the console shows."""

import contextlib
import os
from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.db import Database
from appliance.drives.layout import CLIENTS_BIN, FAMILY
from appliance.drives.mounts import Mount, hot_mounts
from appliance.jobs import service as jobs
from appliance.library import put_aside
from appliance.people.models import Role, User, UserState
from appliance.places import Places, places
from appliance.words import N_, Message

JOB = "smb.deleted"


def start_if_any(session: Session) -> None:
    """Queue the job when something was put aside."""
    if any(_has_any(mount, top) for mount, top, _ in _tops(session, places())):
        with contextlib.suppress(jobs.AlreadyRunning):
            jobs.start(session, JOB, title=Message(N_("Put what was deleted on computers into the bin")), lock=JOB)


def gather(db: Database, here: Places) -> int:
    """Take it into the bin; how many files."""
    with db.reading() as session:
        tops = list(_tops(session, here))
    return sum(put_aside.gather(db, mount, os.fsencode(top), owner) for mount, top, owner in tops)


def _tops(session: Session, here: Places) -> Iterator[tuple[Mount, str, int]]:
    """Each shared folder and whose its bin is; the family's is everybody's, in the name of the first admin."""
    users = list(session.scalars(select(User).order_by(User.id)))
    admins = [user.id for user in users if user.role is Role.ADMIN and user.state is UserState.ACTIVE]
    for mount in hot_mounts(session, here):
        for user in users:
            yield mount, user.folder, user.id
        for admin in admins[:1]:
            yield mount, FAMILY, admin
            for name in _folders_of_family(mount):
                yield mount, f"{FAMILY}/{name}", admin


def _folders_of_family(mount: Mount) -> list[str]:
    with contextlib.suppress(OSError), os.scandir(mount.path / FAMILY) as found:
        return [entry.name for entry in found if entry.is_dir(follow_symlinks=False)]
    return []


def _has_any(mount: Mount, top: str) -> bool:
    return not mount.read_only and (mount.path / top / CLIENTS_BIN).is_dir()
