"""Drives that can be used right now.  A missing drive is an error, never an empty folder.

Three signs must agree before a path is handed out: the filesystem's UUID (read by root from the device right before
it was mounted), the marker file, and ``st_dev`` of the mount.
"""

import contextlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance import events
from appliance.broker.client import Broker
from appliance.db import Database, now
from appliance.drives import inventory as live
from appliance.drives import marker, records
from appliance.drives.leases import lease
from appliance.drives.models import Drive, DriveRole, DriveState, PowerState
from appliance.errors import ApplianceError, Conflict, NotFound
from appliance.places import Places
from appliance.words import N_

GONE = "drive.gone"  # the kind of event of a drive that was unplugged while it was in use
log = logging.getLogger("everpx.drives")


class DriveMissing(ApplianceError):
    """The drive is not plugged in, or not in use."""

    code, status = "drive_missing", 503
    template = N_("{drive} is not connected.")
    hint = N_("Nothing is lost. Plug it in again and wait a few seconds.")


class DriveGone(ApplianceError):
    """The drive was there a moment ago."""

    code, status = "drive_gone", 503
    template = N_("{drive} was unplugged, or no longer answers.")
    hint = N_("What was already confirmed as stored is safe. Plug the drive in again; work that was cut off goes on.")


class NotThatDrive(ApplianceError):
    """What is mounted is not what the database says."""

    code, status = "wrong_drive", 409
    template = N_("The drive at the place of {drive} is another one.")
    hint = N_("Nothing was written to it. Unplug it and plug in the right one.")


FAT_LARGEST = (1 << 32) - 1  # bytes of a file on FAT32


def can_hold(filesystem: str, size: int) -> bool:
    """Whether a filesystem can have one file of so many bytes, however much room there is."""
    return filesystem != "vfat" or size <= FAT_LARGEST


@dataclass(frozen=True)
class Mount:
    """A drive that was identified and can be used now; ask :meth:`check` again before anything that matters."""

    drive_id: int
    tag: str  # HOT-1
    name: str
    colour: str
    path: Path
    device_number: int  # st_dev inside
    filesystem: str
    filesystem_uuid: str
    marker_id: str
    read_only: bool
    device: str = ""  # kernel name
    sequence: int | None = None  # the kernel's number of this plugging-in

    def check(self) -> None:
        """Whether the same drive is still there: cheap enough for every batch.  Raises DriveGone.

        The marker may come from memory, so the kernel is asked as well whether the device is still plugged in.
        """
        try:
            same = self.path.stat().st_dev == self.device_number
            found = marker.read_again(self.path) if same else None
        except OSError:
            raise DriveGone(drive=self.name) from None
        if found is None or found.marker_id != self.marker_id:
            raise DriveGone(drive=self.name)
        if self.sequence and records.sequence_of(self.device) != self.sequence:
            raise DriveGone(drive=self.name)


def mount_of(session: Session, places: Places, drive_id: int) -> Mount:
    """A drive that is mounted and proven to be the one.  Raises NotFound, DriveMissing, DriveGone or NotThatDrive."""
    drive = session.get(Drive, drive_id)
    if drive is None:
        raise NotFound(what="drive")
    return mount_for(places, drive)


def mount_for(places: Places, drive: Drive) -> Mount:
    """Like :func:`mount_of`, for a row that is at hand."""
    record = records.read(places.mounts, drive.tag)
    if record is None or not record.is_live(places.mounts):
        raise DriveMissing(drive=drive.name)
    if record.filesystem_uuid != drive.filesystem_uuid:
        raise NotThatDrive(drive=drive.name)
    mount = Mount(
        drive_id=drive.id,
        tag=drive.tag,
        name=drive.name,
        colour=drive.colour,
        path=Path(record.path),
        device_number=record.device_number,
        filesystem=record.filesystem,
        filesystem_uuid=record.filesystem_uuid,
        marker_id=drive.marker_id,
        read_only=record.read_only,
        device=record.device,
        sequence=record.sequence,
    )
    mount.check()
    return mount


def hot_drives(session: Session) -> list[Drive]:
    """Every HOT drive in service, in the order of its number."""
    wanted = select(Drive).where(Drive.role == DriveRole.HOT, Drive.state != DriveState.RETIRED)
    return list(session.scalars(wanted.order_by(Drive.number)))


def hot_mounts(session: Session, places: Places) -> list[Mount]:
    """The HOT drives that are here and proven to be the ones; those that are not are left out."""
    mounts = []
    for drive in hot_drives(session):
        with contextlib.suppress(DriveMissing, DriveGone, NotThatDrive):
            mounts.append(mount_for(places, drive))
    return mounts


def ensure_hot(db: Database, broker: Broker, places: Places) -> bool:
    """Bring every HOT drive that is here into use, and let go of those that were pulled.  Safe to repeat.

    False when something is left to be done: a program still holds what was pulled, or a job has the drive.
    """
    settled = True
    inventory = live.load(places)
    with db.reading() as session:
        drives = [(drive.id, drive.tag) for drive in hot_drives(session)]
    for drive_id, tag in drives:
        try:
            with lease(places, drive_id), db.reading() as session:
                every = list(session.scalars(select(Drive)))
                _ensure(db, broker, places, inventory, session.get_one(Drive, drive_id), every)
        except Conflict:
            settled = False  # a job is just letting it go, or repairing it
        except ApplianceError as error:
            settled = False
            log.warning("%s: %s", tag, error)
    return settled


def _ensure(
    db: Database, broker: Broker, places: Places, inventory: live.Inventory, drive: Drive, every: list[Drive]
) -> None:
    from appliance.drives.identity import VerdictKind, own_ids, verdict

    here = [found for found in inventory.found if found.filesystem_uuid == drive.filesystem_uuid]
    try:
        mount_for(places, drive)
    except (DriveMissing, DriveGone, NotThatDrive):
        _let_go(db, broker, places, drive, plugged_in=bool(here))
    else:
        _note(db, drive, PowerState.MOUNTED, places)
        return
    if drive.power_state is PowerState.UNMOUNTED and here:
        return  # ejected by a person, and not unplugged yet
    for found in here:
        judged = verdict(found, inventory, every, own_ids(places))
        if judged.kind in (VerdictKind.OURS, VerdictKind.DIRTY) and judged.drive_id == drive.id:
            request = {"device": found.device, "tag": drive.tag, "filesystem_uuid": drive.filesystem_uuid}
            dirty = judged.kind is VerdictKind.DIRTY  # its photos can be seen until a person had it repaired
            broker("drives.mount", request | {"read_only": found.read_only or dirty})
            _keep_only_the_right_one(broker, places, drive)
            _note(db, drive, PowerState.MOUNTED, places)
            return


def _keep_only_the_right_one(broker: Broker, places: Places, drive: Drive) -> None:
    try:
        mount_for(places, drive)
    except ApplianceError:
        broker("drives.unmount", {"tag": drive.tag})
        raise


def _let_go(db: Database, broker: Broker, places: Places, drive: Drive, *, plugged_in: bool) -> None:
    """Take away the leftover of a drive that was pulled, and remember that it is not here."""
    if records.read(places.mounts, drive.tag) is not None or os.path.ismount(places.mounts / drive.tag):
        broker("drives.unmount", {"tag": drive.tag})
    if drive.power_state is PowerState.MOUNTED or (drive.power_state is not PowerState.OFF and not plugged_in):
        _note(db, drive, PowerState.OFF, places)


def note_gone(session: Session, drive: Drive) -> None:
    """Write down that a drive, HOT or COLD, was pulled while it was in use."""
    drive.last_here = now()
    events.record(session, GONE, N_("{drive} was unplugged while it was in use."), drive=drive.name)


def _note(db: Database, drive: Drive, state: PowerState, places: Places) -> None:
    """Write down that a HOT drive came or went; once per change."""
    if drive.power_state is state:
        return
    with db.writing() as session:
        row = session.get_one(Drive, drive.id)
        if state is PowerState.MOUNTED:
            events.record(session, "drive.here", N_("{drive} is connected and in use."), drive=row.name)
            row.last_here = now()
            space = os.statvfs(mount_for(places, row).path)
            row.free = space.f_bavail * space.f_frsize
        elif row.power_state is PowerState.MOUNTED:
            note_gone(session, row)
        row.power_state = state
