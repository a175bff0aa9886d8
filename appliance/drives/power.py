"""The power of COLD drives: a journaled state machine, and the ways to switch.

``off -> spinning_up -> mounted -> flushing -> unmounted -> off``.  Each move is a committed row before it is made, so
that after a crash or a power cut the row says at most too much: :func:`resume_power` then does what is still missing.
Power is never cut while the drive is mounted, nor after an unmount that failed.

What is true if the plug is pulled at any line here: the drive is off, and its filesystem is as its own journal and our
batches left it; the next start finds the row, sees that nothing is mounted, and says ``off``.
"""

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.broker.client import Broker
from appliance.db import Database, now
from appliance.drives import circuits, records
from appliance.drives import inventory as live
from appliance.drives.leases import HANDING_OVER, lease
from appliance.drives.models import Drive, DriveRole, PowerMove, PowerState
from appliance.drives.mounts import DriveGone, DriveMissing, Mount, mount_for, mount_of, note_gone
from appliance.drives.switches import Means, driver_of, guarded
from appliance.drives.waiting import Arrival
from appliance.errors import ApplianceError, Conflict, NotFound
from appliance.health import service as health
from appliance.health.models import Severity
from appliance.places import Places
from appliance.words import N_, Message

if TYPE_CHECKING:
    from appliance.jobs.progress import Progress

log = logging.getLogger("everpx.power")

FOUND_ON_S = 600.0  # a person may have switched it on to look at it
NEXT = {
    PowerState.OFF: {PowerState.SPINNING_UP},
    PowerState.SPINNING_UP: {PowerState.MOUNTED, PowerState.UNMOUNTED, PowerState.OFF},
    PowerState.MOUNTED: {PowerState.FLUSHING},
    PowerState.FLUSHING: {PowerState.UNMOUNTED},
    PowerState.UNMOUNTED: {PowerState.OFF, PowerState.SPINNING_UP},
}


class StillMounted(ApplianceError):
    """Something would cut the power of a drive that is in use."""

    code, status = "drive_still_in_use", 409
    template = N_("{drive} is still in use, so it was not switched off.")
    hint = N_("Do not unplug it. The station tries again by itself.")


def move(db: Database, drive_id: int, state: PowerState) -> Drive:
    """Write down the next move, and only then make it.  Raises Conflict for one that skips a step."""
    with db.writing() as session:
        drive = session.get_one(Drive, drive_id)
        if drive.power_state is not state:
            if state not in NEXT[drive.power_state]:
                raise Conflict()
            _write_move(session, drive, state)
    return drive


def _write_move(session: Session, drive: Drive, state: PowerState) -> None:
    session.add(PowerMove(drive_id=drive.id, state=state))
    drive.power_state = state


@contextmanager
def cold_drive(
    progress: "Progress", drive_id: int, *, read_only: bool = False, within_s: float | None = None
) -> Iterator[Mount]:
    """A COLD drive for as long as the block runs: switched on, identified, mounted; then flushed, unmounted, off.

    Waits for another job that holds the drive, and for people (``within_s``, else as long as the setting says); both
    hear pause and cancel.  Raises NotFound, NotSwitchedOn, and whatever mounting refuses.  When the block raises, the
    drive is brought to rest all the same.
    """
    db, broker, places = progress.db, progress.broker, progress.places
    with lease(places, drive_id, progress):
        drive = _drive(db, drive_id)
        release(db, broker, places, drive, power_off=False)  # a job before us was killed
        drive, driver = move(db, drive_id, PowerState.SPINNING_UP), driver_of(drive)
        try:
            mount = _bring_up(Arrival(progress, drive, driver, within_s), read_only)
        except BaseException:
            _rest_quietly(db, broker, places, drive)
            raise
        try:
            with guarded(driver, lambda: driver.watching(drive, Means(db, broker, places))):
                yield mount
        except BaseException:
            _rest_quietly(db, broker, places, drive)
            raise
        release(db, broker, places, drive)


def _bring_up(arrival: Arrival, read_only: bool) -> Mount:
    progress, drive, found = arrival.progress, arrival.drive, arrival.wait()
    request = {"device": found.device, "tag": drive.tag, "filesystem_uuid": drive.filesystem_uuid}
    move(progress.db, drive.id, PowerState.MOUNTED)  # before it is so: a crash in between unmounts nothing, harmlessly
    progress.broker("drives.mount", request | {"read_only": read_only or found.read_only})
    with progress.db.reading() as session:
        return mount_of(session, progress.places, drive.id)


def release(db: Database, broker: Broker, places: Places, drive: Drive, *, power_off: bool = True) -> None:
    """Bring a drive to rest from any state: flush, unmount, let it spin down, switch it off.

    Raises what unmounting raises; the state then stays ``flushing``, the power stays on, and an issue says so.
    """
    drive = _drive(db, drive.id)
    mounted = _is_mounted(places, drive)
    if drive.power_state is PowerState.OFF and not mounted:
        return
    disk = _note_last_state(db, places, drive)
    if mounted or drive.power_state in (PowerState.MOUNTED, PowerState.FLUSHING):
        _unmount(db, broker, places, drive)
    if not power_off:
        return
    if _is_mounted(places, drive):
        raise StillMounted(drive=drive.name)
    _switch_off(Means(db, broker, places), _drive(db, drive.id), disk)


def _unmount(db: Database, broker: Broker, places: Places, drive: Drive) -> None:
    subject = f"drive:{drive.id}"
    with db.writing() as session:
        row = session.get_one(Drive, drive.id)
        if row.power_state is not PowerState.FLUSHING:
            _write_move(session, row, PowerState.FLUSHING)
    try:
        broker("drives.unmount", {"tag": drive.tag})
    except ApplianceError as error:
        with db.writing() as session:
            health.tell(session, _stuck(drive, subject, error))
        raise
    with db.writing() as session:
        health.settle(session, "drive_stuck", subject)
    move(db, drive.id, PowerState.UNMOUNTED)


def _stuck(drive: Drive, subject: str, error: ApplianceError) -> health.Finding:
    return health.Finding(
        code="drive_stuck",
        severity=Severity.WARNING,
        subject=subject,
        message=Message(N_("{drive} could not be let go: {why}"), {"drive": drive.name, "why": error.message}),
        hint=Message(N_("Do not unplug it or switch it off yet. The station tries again by itself.")),
        fix="drives.release",
        fix_arguments={"drive_id": drive.id},
    )


def _switch_off(means: Means, drive: Drive, disk: str | None) -> None:
    """Spin down and switch off what is certainly unmounted, unless something else hangs on the same switch."""
    if disk is not None:
        try:
            means.broker("drives.standby", {"disk": disk})
        except ApplianceError as error:  # it is unplugged already: even better
            log.info("%s: no standby: %s", drive.tag, error)
    if drive.power_state is not PowerState.UNMOUNTED:  # if it cannot be switched off, that is how it stands
        move(means.db, drive.id, PowerState.UNMOUNTED)
    subject = f"drive:{drive.id}"
    try:
        left = circuits.cut(means, driver_of(drive), drive)
    except ApplianceError as error:  # it stays on, which does no harm; tried again by rest_cold
        with means.db.writing() as session:
            health.tell(session, _still_on(drive, subject, error))
        return
    if left is not None:
        log.info("%s is left powered: %s", drive.tag, left)
        return
    with means.db.writing() as session:
        health.settle(session, "drive_still_on", subject)
    move(means.db, drive.id, PowerState.OFF)


def _still_on(drive: Drive, subject: str, error: ApplianceError) -> health.Finding:
    return health.Finding(
        code="drive_still_on",
        severity=Severity.WARNING,
        subject=subject,
        message=Message(N_("{drive} could not be switched off: {why}"), {"drive": drive.name, "why": error.message}),
        hint=Message(N_("It is finished and may be switched off by hand. The station tries again by itself.")),
        fix="drives.release",
        fix_arguments={"drive_id": drive.id},
    )


def _note_last_state(db: Database, places: Places, drive: Drive) -> str | None:
    """Keep how full it is and when it was here; returns the disk it is on, if it is here."""
    try:
        mount = mount_for(places, drive)
        space = os.statvfs(mount.path)
    except (DriveMissing, DriveGone, ApplianceError, OSError):
        if drive.power_state is PowerState.MOUNTED and _went_away(places, drive):
            with db.writing() as session:
                note_gone(session, session.get_one(Drive, drive.id))
                health.look_soon(session)
        return _disk_of(places, drive)
    with db.writing() as session:
        row = session.get_one(Drive, drive.id)
        row.free, row.last_here = space.f_bavail * space.f_frsize, now()
    return _disk_of(places, drive)


def _went_away(places: Places, drive: Drive) -> bool:
    """Whether it was mounted since this start, and its device is not the same any more."""
    record = records.read(places.mounts, drive.tag)
    return record is not None and record.boot == records.boot_id() and not record.is_live(places.mounts)


def _disk_of(places: Places, drive: Drive) -> str | None:
    record = records.read(places.mounts, drive.tag)
    if record is not None:
        return None if record.device.startswith(records.FOLDER_PREFIX) else record.device
    try:
        inventory = live.load(places)
    except (OSError, ValueError):
        return None
    return next((f.disk for f in inventory.by_marker(drive.marker_id) if not f.system), None)


def _rest_quietly(db: Database, broker: Broker, places: Places, drive: Drive) -> None:
    """Bring to rest while another error is on its way; what fails here is an issue, and tried again."""
    try:
        release(db, broker, places, drive)
    except ApplianceError as error:
        log.warning("%s: %s", drive.tag, error)


def _is_mounted(places: Places, drive: Drive) -> bool:
    return records.read(places.mounts, drive.tag) is not None or os.path.ismount(places.mounts / drive.tag)


def _drive(db: Database, drive_id: int) -> Drive:
    with db.reading() as session:
        drive = session.get(Drive, drive_id)
        if drive is None or drive.role is not DriveRole.COLD:
            raise NotFound(what="drive")
        return drive


def resume_power(db: Database, broker: Broker, places: Places) -> None:
    """After a start: every drive that nobody works with comes to rest.  Safe to repeat, and while jobs run."""
    rest_cold(db, broker, places)
    with db.reading() as session:
        drives = list(session.scalars(select(Drive)))
    for drive in drives:
        with contextlib.suppress(Conflict), lease(places, drive.id):
            _resume_hot(db, places, drive)
    with contextlib.suppress(Conflict), lease(places, HANDING_OVER):
        _unmount_strays(broker, places, {drive.tag for drive in drives})


def rest_cold(db: Database, broker: Broker, places: Places) -> None:
    """COLD drives that nobody works with come to rest: after a start, and later what could not be let go then."""
    with db.reading() as session:
        drives = list(session.scalars(select(Drive).where(Drive.role == DriveRole.COLD)))
    for drive in drives:
        try:
            with lease(places, drive.id):
                if _found_on(Means(db, broker, places), drive):
                    move(db, drive.id, PowerState.SPINNING_UP)  # somebody else did
                release(db, broker, places, drive)
                with db.writing() as session:
                    health.settle(session, "switch_on", f"drive:{drive.id}")
        except Conflict:
            continue  # a job holds it
        except ApplianceError as error:
            log.warning("%s: %s", drive.tag, error)


def let_rest(means: Means, drive_id: int) -> None:
    """Switch off a drive that nobody works with, whatever its row says; the caller holds its lease.

    Raises what unmounting raises; what goes wrong at switching is an issue, and the row is not ``off`` then.
    """
    drive = _drive(means.db, drive_id)
    if drive.power_state is PowerState.OFF:
        drive = move(means.db, drive_id, PowerState.SPINNING_UP)
    release(means.db, means.broker, means.places, drive)


def _found_on(means: Means, drive: Drive) -> bool:
    """Whether a drive that is off has been here for a while: a plug came back on with the power, or by an app."""
    note = means.places.run / f"found-on-{drive.id}"
    if drive.power_state is not PowerState.OFF or _disk_of(means.places, drive) is None:
        note.unlink(missing_ok=True)
        return False
    driver = driver_of(drive)
    if guarded(driver, lambda: driver.circuit(drive, means)) is None:
        return False
    if not note.exists():
        note.touch()
    return time.time() - note.stat().st_mtime > FOUND_ON_S


def _unmount_strays(broker: Broker, places: Places, known: set[str]) -> None:
    """What a hand-over that was cut off left mounted."""
    for record in records.all_records(places.mounts):
        if record.tag not in known:
            broker("drives.unmount", {"tag": record.tag})


def _resume_hot(db: Database, places: Places, drive: Drive) -> None:
    """Ejected, or in use before the power went: ensure_hot decides anew."""
    if drive.role is DriveRole.HOT and drive.power_state is not PowerState.OFF and not _is_mounted(places, drive):
        with db.writing() as session:
            session.get_one(Drive, drive.id).power_state = PowerState.OFF


def power_events(session: Session, drive_id: int, limit: int = 50) -> list[PowerMove]:
    """A drive's newest moves, for the page that shows them."""
    wanted = select(PowerMove).where(PowerMove.drive_id == drive_id).order_by(PowerMove.id.desc()).limit(limit)
    return list(session.scalars(wanted))
