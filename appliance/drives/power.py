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
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.broker.client import Broker
from appliance.db import Database, now
from appliance.drives import inventory as live
from appliance.drives import records
from appliance.drives.identity import Verdict, VerdictKind, own_ids, verdict
from appliance.drives.leases import HANDING_OVER, lease
from appliance.drives.models import Drive, DriveRole, PowerMove, PowerState
from appliance.drives.mounts import DriveGone, DriveMissing, Mount, mount_for, mount_of
from appliance.drives.switches import driver_of
from appliance.errors import ApplianceError, Conflict, NotFound
from appliance.health import service as health
from appliance.health.models import Severity
from appliance.places import Places
from appliance.settings import Setting
from appliance.words import N_, Message

if TYPE_CHECKING:
    from appliance.jobs.progress import Progress

log = logging.getLogger("everpx.power")

WAIT_HOURS = Setting(
    "drives.wait_hours",
    24,
    N_("How long to wait for a drive to be switched on"),
    help=N_("After that the work is given up until the next time."),
    minimum=1,
    maximum=336,
    unit=N_("hours"),
)
LOOK_AGAIN_S = 1.0
NEXT = {
    PowerState.OFF: {PowerState.SPINNING_UP},
    PowerState.SPINNING_UP: {PowerState.MOUNTED, PowerState.UNMOUNTED, PowerState.OFF},
    PowerState.MOUNTED: {PowerState.FLUSHING},
    PowerState.FLUSHING: {PowerState.UNMOUNTED},
    PowerState.UNMOUNTED: {PowerState.OFF, PowerState.SPINNING_UP},
}


class NotSwitchedOn(ApplianceError):
    """Nobody switched the drive on in time."""

    code, status = "drive_not_switched_on", 503
    template = N_("{drive} was not switched on within {hours} hours.")
    hint = N_("Nothing is lost; what is new is on one drive only until the next copy. Switch it on and start again.")


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
def cold_drive(progress: "Progress", drive_id: int, *, read_only: bool = False) -> Iterator[Mount]:
    """A COLD drive for as long as the block runs: switched on, identified, mounted; then flushed, unmounted, off.

    Waits for another job that holds the drive, and for people; both hear pause and cancel.  Raises NotFound,
    NotSwitchedOn, and whatever mounting refuses.  When the block raises, the drive is brought to rest all the same.
    """
    db, broker, places = progress.db, progress.broker, progress.places
    with lease(places, drive_id, progress):
        drive = _drive(db, drive_id)
        release(db, broker, places, drive, power_off=False)  # a job before us was killed
        drive = move(db, drive_id, PowerState.SPINNING_UP)
        try:
            mount = _bring_up(progress, drive, read_only)
        except BaseException:
            _rest_quietly(db, broker, places, drive)
            raise
        try:
            yield mount
        except BaseException:
            _rest_quietly(db, broker, places, drive)
            raise
        release(db, broker, places, drive)


def _bring_up(progress: "Progress", drive: Drive, read_only: bool) -> Mount:
    driver_of(drive).on(drive)
    found = _wait_until_here(progress, drive)
    request = {"device": found.device, "tag": drive.tag, "filesystem_uuid": drive.filesystem_uuid}
    move(progress.db, drive.id, PowerState.MOUNTED)  # before it is so: a crash in between unmounts nothing, harmlessly
    progress.broker("drives.mount", request | {"read_only": read_only or found.read_only})
    with progress.db.reading() as session:
        return mount_of(session, progress.places, drive.id)


def _wait_until_here(progress: "Progress", drive: Drive) -> live.Found:
    """The right drive, as soon as it is plugged in.  Raises NotSwitchedOn."""
    with progress.db.reading() as session:
        hours = WAIT_HOURS.get(session)
    own = own_ids(progress.places)
    end = time.monotonic() + hours * 3600
    asked = False
    try:
        found, judged = _search(progress, drive, live.refresh(progress.places, progress.broker), own)
        while found is None or judged is None or judged.kind is not VerdictKind.OURS:
            if time.monotonic() > end:
                raise NotSwitchedOn(drive=drive.name, hours=hours)
            if not asked:
                _ask_people(progress.db, drive, judged)
                asked = True
            progress.step(judged.message if judged else Message(N_("Switch on {drive}"), {"drive": drive.name}))
            progress.wait(LOOK_AGAIN_S)
            found, judged = _search(progress, drive, live.load(progress.places), own)
    finally:
        if asked:
            with progress.db.writing() as session:
                health.settle(session, "switch_on", f"drive:{drive.id}")
    return found


def _search(
    progress: "Progress", drive: Drive, inventory: live.Inventory, own: Collection[str]
) -> tuple[live.Found | None, Verdict | None]:
    """Whatever claims to be the drive, the real one first."""
    with progress.db.reading() as session:
        every = list(session.scalars(select(Drive)))
    best: tuple[live.Found | None, Verdict | None] = (None, None)
    for found in inventory.found:
        judged = verdict(found, inventory, every, own)
        if judged.drive_id == drive.id:
            if judged.kind is VerdictKind.OURS:
                return found, judged
            best = (found, judged)
    return best


def _ask_people(db: Database, drive: Drive, judged: Verdict | None) -> None:
    named = {"drive": drive.name}
    hint = N_("The copy waits for it. Plug it in, or switch its plug on; everything else is done by itself.")
    with db.writing() as session:
        health.tell(
            session,
            health.Finding(
                code="switch_on",
                severity=Severity.WARNING,
                subject=f"drive:{drive.id}",
                message=judged.message if judged else Message(N_("Please switch on {drive}."), named),
                hint=judged.hint if judged else Message(hint),
            ),
        )


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
    _switch_off(db, broker, drive, disk)


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


def _switch_off(db: Database, broker: Broker, drive: Drive, disk: str | None) -> None:
    """Spin down and switch off what is certainly unmounted."""
    if disk is not None:
        try:
            broker("drives.standby", {"disk": disk})
        except ApplianceError as error:  # it is unplugged already: even better
            log.info("%s: no standby: %s", drive.tag, error)
    subject = f"drive:{drive.id}"
    try:
        driver_of(drive).off(drive)
    except ApplianceError as error:  # it stays on, which does no harm; tried again at the next start
        with db.writing() as session:
            health.tell(session, _still_on(drive, subject, error))
        return
    with db.writing() as session:
        health.settle(session, "drive_still_on", subject)
    move(db, drive.id, PowerState.OFF)


def _still_on(drive: Drive, subject: str, error: ApplianceError) -> health.Finding:
    return health.Finding(
        code="drive_still_on",
        severity=Severity.WARNING,
        subject=subject,
        message=Message(N_("{drive} could not be switched off: {why}"), {"drive": drive.name, "why": error.message}),
        hint=Message(N_("It is finished and may be switched off by hand.")),
        fix="drives.release",
        fix_arguments={"drive_id": drive.id},
    )


def _note_last_state(db: Database, places: Places, drive: Drive) -> str | None:
    """Keep how full it is and when it was here; returns the disk it is on, if it is here."""
    try:
        mount = mount_for(places, drive)
        space = os.statvfs(mount.path)
    except (DriveMissing, DriveGone, ApplianceError, OSError):
        return _disk_of(places, drive)
    with db.writing() as session:
        row = session.get_one(Drive, drive.id)
        row.free, row.last_here = space.f_bavail * space.f_frsize, now()
    return _disk_of(places, drive)


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
    with db.reading() as session:
        drives = list(session.scalars(select(Drive)))
    for drive in drives:
        try:
            with lease(places, drive.id):
                _resume(db, broker, places, drive)
        except Conflict:
            continue  # a job holds it
        except ApplianceError as error:
            log.warning("%s: %s", drive.tag, error)
    with contextlib.suppress(Conflict), lease(places, HANDING_OVER):
        _unmount_strays(broker, places, {drive.tag for drive in drives})


def _unmount_strays(broker: Broker, places: Places, known: set[str]) -> None:
    """What a hand-over that was cut off left mounted."""
    for record in records.all_records(places.mounts):
        if record.tag not in known:
            broker("drives.unmount", {"tag": record.tag})


def _resume(db: Database, broker: Broker, places: Places, drive: Drive) -> None:
    if drive.role is DriveRole.COLD:
        release(db, broker, places, drive)
        with db.writing() as session:
            health.settle(session, "switch_on", f"drive:{drive.id}")
    elif drive.power_state is not PowerState.OFF and not _is_mounted(places, drive):
        with db.writing() as session:  # ejected, or in use before the power went: ensure_hot decides anew
            session.get_one(Drive, drive.id).power_state = PowerState.OFF


def power_events(session: Session, drive_id: int, limit: int = 50) -> list[PowerMove]:
    """A drive's newest moves, for the page that shows them."""
    wanted = select(PowerMove).where(PowerMove.drive_id == drive_id).order_by(PowerMove.id.desc()).limit(limit)
    return list(session.scalars(wanted))
