"""Finding out what is on the drives of an earlier station, after a box began anew with them."""

import os
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.adoption import cold_list
from appliance.adoption.anew import REBUILD
from appliance.drives import inventory, layout
from appliance.drives.models import Drive, DriveRole, DriveState
from appliance.drives.mounts import hot_mounts
from appliance.drives.power import cold_drive
from appliance.jobs.kinds import job_kind
from appliance.jobs.progress import Progress
from appliance.library import index
from appliance.people import names
from appliance.people.models import User, UserState
from appliance.words import N_

MARKS = (layout.PHOTOS, layout.VIDEOS, layout.FILES)  # a folder with one of these is a person's


@job_kind(REBUILD, N_("Find out what is on the drives of the earlier station"))
def rebuild(progress: Progress) -> dict[str, Any]:
    """People, photos, and what each COLD drive holds.  Safe to run again: what is known already stays."""
    with progress.db.reading() as session:
        hots = hot_mounts(session, progress.places)
    for mount in hots:
        _meet_people(progress, os.fsencode(mount.path))
    result: dict[str, Any] = index.run(progress)
    for drive in _colds_here(progress):
        with cold_drive(progress, drive.id, read_only=True) as cold:
            for hot in sorted(cold.path.glob("HOT-*")):
                _meet_people(progress, os.fsencode(hot))
            result[drive.tag] = cold_list.rebuild(progress, cold)
    return result


def _colds_here(progress: Progress) -> list[Drive]:
    """COLD drives that are plugged in: nobody is asked to fetch one for this."""
    here = {found.filesystem_uuid for found in inventory.load(progress.places).found}
    with progress.db.reading() as session:
        every = session.scalars(select(Drive).where(Drive.role == DriveRole.COLD, Drive.state == DriveState.ACTIVE))
        return [drive for drive in every if drive.filesystem_uuid in here]


def _meet_people(progress: Progress, top: bytes) -> None:
    """Whoever has a folder there is somebody; an admin gives them a password when they come back."""
    with progress.db.writing() as session:
        known = {folder.casefold() for folder in session.scalars(select(User.folder))}
        with os.scandir(top) as entries:
            for entry in sorted(entries, key=lambda one: one.name):
                name = os.fsdecode(entry.name)
                if name.casefold() not in known and _is_a_person(entry, name):
                    _add(session, name)


def _is_a_person(entry: "os.DirEntry[bytes]", name: str) -> bool:
    if name in layout.NOT_FILES or name == layout.FAMILY or not entry.is_dir(follow_symlinks=False):
        return False
    return any((Path(os.fsdecode(entry.path)) / mark).is_dir() for mark in MARKS)


def _add(session: Session, folder: str) -> None:
    name = names.tidy(folder)[:40]
    taken = session.scalar(select(User.id).where(User.name == name))
    if taken is None and name:
        session.add(User(name=name, folder=folder, state=UserState.DISABLED, password_hash=""))
