"""A HOT drive for tests: any folder, handed over as a folder drive, with its row, marker and mount record."""

import uuid
from pathlib import Path

from appliance.db import Database
from appliance.drives import records
from appliance.drives.layout import INCOMING
from appliance.drives.marker import Marker
from appliance.drives.models import Drive, DriveRole
from appliance.drives.mounts import Mount, mount_of
from appliance.drives.records import FOLDER_MARK, FOLDER_PREFIX, Record
from appliance.people.models import Role, User
from appliance.places import Places


def hand_over(
    db: Database,
    places: Places,
    path: Path,
    *,
    number: int = 1,
    role: DriveRole = DriveRole.HOT,
    filesystem: str = "folder",
) -> Mount:
    """Make the folder (or mount point) ``path`` a drive of this station, ready to be used."""
    path.mkdir(parents=True, exist_ok=True)
    marker_id, filesystem_uuid = str(uuid.uuid4()), str(uuid.uuid4())
    (path / FOLDER_MARK).write_text(filesystem_uuid)
    (path / INCOMING).mkdir(parents=True, exist_ok=True)
    with db.writing() as session:
        drive = Drive(
            marker_id=marker_id,
            role=role,
            number=number,
            name=f"The {role.value} drive {number}",
            colour="blue",
            filesystem=filesystem,
            filesystem_uuid=filesystem_uuid,
            size=10**12,
        )
        session.add(drive)
        session.flush()
        Marker(marker_id, "station", role.value, number, filesystem_uuid, drive.name, "2026-11-22").write(path)
        place = Record(
            tag=drive.tag,
            device=FOLDER_PREFIX + path.name,
            sequence=0,
            filesystem=filesystem,
            filesystem_uuid=filesystem_uuid,
            path=str(path),
            device_number=path.stat().st_dev,
            read_only=False,
            boot=records.boot_id(),
        )
        places.mounts.mkdir(parents=True, exist_ok=True)
        records.write(places.mounts, place)
        return mount_of(session, places, drive.id)


def person(db: Database, name: str = "Anna", role: Role = Role.MEMBER) -> User:
    """Somebody, without a password."""
    with db.writing() as session:
        user = User(name=name, folder=name, role=role, password_hash="")
        session.add(user)
    return user
