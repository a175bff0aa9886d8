"""From a row to something that can be read, and back to rest when that is done."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import select

from appliance.broker.client import Broker
from appliance.db import Database
from appliance.drives import inventory, records
from appliance.drives.identity import VerdictKind, station_id, verdict
from appliance.drives.inventory import Found
from appliance.drives.models import Drive
from appliance.drives.mounts import mount_of
from appliance.errors import ApplianceError
from appliance.jobs.schedule import zone
from appliance.places import Places
from appliance.words import N_
from plugins.importer import secrets
from plugins.importer.models import ImportSource, SourceKind
from plugins.importer.sources import Source, SourceGone
from plugins.importer.sources.archives import WithArchives
from plugins.importer.sources.folder import FolderSource

CAMERA = "DCIM"  # what the standard for cameras (JEITA CP-3461) calls its folder
#: What a drive may be to be read as somebody else's.
READABLE = frozenset(
    (VerdictKind.FREE, VerdictKind.DIRTY, VerdictKind.UNSUITABLE, VerdictKind.FOREIGN, VerdictKind.TOO_SMALL)
)


class PasswordNeeded(ApplianceError):
    """It was not kept, and the station was switched off since."""

    code, status = "import_password_needed", 422
    template = N_("The password for “{name}” is needed again.")
    hint = N_("Enter it on the import page. What came in before is not brought in again.")


class OursNow(ApplianceError):
    """Somebody has handed the drive over meanwhile."""

    code, status = "import_drive_is_ours", 409
    template = N_("“{name}” is a drive of this station now.")
    hint = N_("Choose one of its folders instead.")


def strangers(places: Places, drives: list[Drive]) -> list[Found]:
    """Drives that are plugged in, are not ours, and have files that can be read.  [] before the first look."""
    try:
        live = inventory.load(places)
    except (OSError, ValueError, KeyError, TypeError):
        return []
    own = station_id(places)
    return [
        found
        for found in live.found
        if found.filesystem_uuid and found.names and not found.problem and not found.system
        if verdict(found, live, drives, own).kind in READABLE
        if all(drive.filesystem_uuid != found.filesystem_uuid for drive in drives)
    ]


@contextmanager
def opened(db: Database, broker: Broker, places: Places, source: ImportSource) -> Iterator[Source]:
    """The source, ready to be visited.  Raises SourceGone, PasswordNeeded, OursNow and what mounting raises."""
    if source.kind is SourceKind.DRIVE:
        with _drive(db, broker, places, source) as drive, _closing(drive) as folder:
            yield folder if source.camera else WithArchives(folder)
    elif source.kind is SourceKind.FOLDER:
        with db.reading() as session:
            mount = mount_of(session, places, source.place["drive_id"])
        with _closing(FolderSource(mount.path, source.title, source.place["folder"])) as folder:
            yield WithArchives(folder)
    else:
        with _share(places, source) as share:
            yield WithArchives(share)


@contextmanager
def _drive(db: Database, broker: Broker, places: Places, source: ImportSource) -> Iterator[FolderSource]:
    """The top of a drive that is mounted only for us, so that not a bit of it can change."""
    with db.reading() as session:
        drives = list(session.scalars(select(Drive)))
    if any(drive.filesystem_uuid == source.place["filesystem_uuid"] for drive in drives):
        raise OursNow(name=source.title)
    live = inventory.refresh(places, broker)
    found = next((f for f in live.found if f.filesystem_uuid == source.place["filesystem_uuid"]), None)
    if found is None:
        raise SourceGone(name=source.title)
    record = broker("drives.visit", {"device": found.device, "filesystem_uuid": found.filesystem_uuid})
    try:
        is_here = partial(_is_here, record["device"], record["sequence"])
        with db.reading() as session:
            clock = zone(session) if record["filesystem"] == "vfat" else None
        yield FolderSource(Path(record["path"]), source.title, is_here=is_here, clock=clock)
    finally:
        with contextlib.suppress(ApplianceError):  # it was pulled; what is left of it goes with the next start
            broker("drives.unmount", {"tag": record["tag"]})


def _is_here(device: str, sequence: int) -> bool:
    return device.startswith(records.FOLDER_PREFIX) or records.sequence_of(device) == sequence


@contextmanager
def _closing(source: FolderSource) -> Iterator[FolderSource]:
    try:
        yield source
    finally:
        source.close()


@contextmanager
def _share(places: Places, source: ImportSource) -> Iterator[Source]:
    from plugins.importer.sources.share import Share, ShareSource

    password = secrets.password_of(places, source)
    if password is None:
        raise PasswordNeeded(name=source.title)
    share = ShareSource(Share(**source.place), password, source.title)
    try:
        yield share
    finally:
        share.close()
