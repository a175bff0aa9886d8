"""How full drives are: now in their rows, and a sample a day for the picture of space over time."""

import os
from datetime import date

from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.drives.models import Drive, SpaceSample
from appliance.drives.mounts import DriveGone, DriveMissing, NotThatDrive, mount_for
from appliance.drives.service import every, overview
from appliance.places import Places


def sample_space(session: Session, places: Places) -> None:
    """Note how full each drive in use is, once a day; later on the same day replaces it.

    A drive that is plugged in is here, also when nobody had anything to do with it for months.
    """
    here = {drive.id for drive, found in overview(session, places).drives if found is not None}
    for drive in every(session):
        if drive.id in here:
            drive.last_here = now()
        try:
            mount = mount_for(places, drive)
            space = os.statvfs(mount.path)
        except (DriveMissing, DriveGone, NotThatDrive, OSError):
            continue
        keep_space(session, drive, space)


def keep_space(session: Session, drive: Drive, space: os.statvfs_result, day: date | None = None) -> None:
    """Write down how full a drive is right now, as the sample of today (or of another ``day``)."""
    drive.free, drive.last_here = space.f_bavail * space.f_frsize, now()
    used, size = (space.f_blocks - space.f_bfree) * space.f_frsize, space.f_blocks * space.f_frsize
    row = insert(SpaceSample).values(drive_id=drive.id, day=day or now().date(), used=used, size=size)
    session.execute(row.on_conflict_do_update(index_elements=["drive_id", "day"], set_={"used": used, "size": size}))
