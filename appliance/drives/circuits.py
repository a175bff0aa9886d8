"""Cutting power: only when nothing that hangs on the same switch is in use, and with proof as far as there is any.

A powered hub carries several drives on one plug.  Whoever switches holds the circuit's lock; whoever is going to use a
drive has committed SPINNING_UP before it asks for that lock.  So power is either cut before somebody comes, who then
switches on again, or not cut at all.

What is never cut: a circuit with a HOT drive on it, a drive that is mounted, on which a job works, or that is on its
way; and none at all while a drive that is not ours is being read or formatted, because it may hang on the same hub.
"""

import fcntl
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.drives import inventory as live
from appliance.drives import records
from appliance.drives.leases import lease
from appliance.drives.models import Drive, DriveRole, PowerMove, PowerState
from appliance.drives.switches import Circuit, Means, PowerDriver, guarded
from appliance.errors import ApplianceError, Conflict
from appliance.health import service as health
from appliance.health.models import Severity
from appliance.jobs.models import Job, JobState
from appliance.places import Places
from appliance.words import N_, Message

if TYPE_CHECKING:
    from appliance.jobs.progress import Progress

LOCK_S = 120.0  # longer than any switch takes
LEASE_S = 6.0  # a neighbour that has just finished lets go within this
GRACE_S = 1.0  # between the unmount and the cut
CALM_S = 10.0  # for the kernel and udev to be done with the disk
GONE_S = 20.0  # for the disk to vanish after its power was cut
LOOK_AGAIN_S = 0.5
AT_REST = (PowerState.OFF, PowerState.UNMOUNTED)
DISK = re.compile(r"[A-Za-z0-9]+")
UDEV_QUEUE = Path("/run/udev/queue")


class SwitchTaken(ApplianceError):
    """Somebody else has been switching for too long."""

    code, status = "switch_taken", 503
    template = N_("The switch of {drive} is being used by another task.")


class StillHere(ApplianceError):
    """The switch says off, and the drive is still plugged in and powered."""

    code, status = "drive_still_here", 502
    template = N_("its switch says off, but the drive is still here")
    hint = N_("Maybe it gets its power from somewhere else, or the wrong switch was chosen for it.")


class CutHot(ApplianceError):
    """Cutting one drive's power took a HOT drive with it."""

    code, status = "switch_cuts_hot", 502
    template = N_("its switch also cuts {hot}, so it was switched on again at once")
    hint = N_("The station does not use this switch any more. Give {hot} another socket.")


@contextmanager
def held(means: Means, drive: Drive, circuit: Circuit, progress: "Progress | None" = None) -> Iterator[None]:
    """The circuit for one switcher at a time; let go by the kernel when its holder dies.  Raises SwitchTaken."""
    name = re.sub(r"[^A-Za-z0-9-]", "-", circuit.name)
    end = time.monotonic() + LOCK_S
    with (means.places.run / f"power-{name}.lock").open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise SwitchTaken(drive=drive.name) from None
                if progress is not None:
                    progress.wait(LOOK_AGAIN_S)
                else:
                    time.sleep(LOOK_AGAIN_S)
        yield


def switch_on(means: Means, driver: PowerDriver, drive: Drive, progress: "Progress") -> None:
    """Raises what the driver raises."""
    circuit = guarded(driver, lambda: driver.circuit(drive, means))
    if circuit is None:
        guarded(driver, lambda: driver.on(drive, means))
        return
    with held(means, drive, circuit, progress):
        guarded(driver, lambda: driver.on(drive, means))


def cut(means: Means, driver: PowerDriver, drive: Drive) -> Message | None:
    """Switch off a drive that is unmounted and leased by the caller.  None: it is off, else why it was left powered.

    Raises what the driver raises, StillHere, CutHot.
    """
    circuit = guarded(driver, lambda: driver.circuit(drive, means))
    if circuit is None:
        guarded(driver, lambda: driver.off(drive, means))
        return None
    with held(means, drive, circuit), ExitStack() as leases:
        if why := _why_not(means, circuit, drive, leases):
            return why
        before = live.refresh(means.places, means.broker)
        hot = _hot_among(means, before)
        _settle(before, drive)
        if why := _why_not(means, circuit, drive, None):  # the last look before the cut
            return why
        guarded(driver, lambda: driver.off(drive, means))
        _prove(means, driver, drive, hot)
        _note_neighbours(means, circuit, drive)
        with means.db.writing() as session:
            health.settle(session, "switch_cuts_hot", f"drive:{drive.id}")  # nothing else vanished this time
    return None


def _why_not(means: Means, circuit: Circuit, drive: Drive, leases: ExitStack | None) -> Message | None:
    """Why the circuit must stay powered; takes the neighbours' leases on ``leases``."""
    with means.db.reading() as session:
        rows = {row.id: row for row in session.scalars(select(Drive).where(Drive.id.in_(circuit.drives | {drive.id})))}
        strangers = _job_on_a_stranger(session)
    for row in rows.values():
        named = {"drive": row.name}
        if row.role is DriveRole.HOT:
            return Message(N_("{drive} hangs on the same switch and is always on."), named)
        if _is_mounted(means.places, row.tag) or (row.id != drive.id and row.power_state not in AT_REST):
            return Message(N_("{drive} hangs on the same switch and is in use."), named)
        if row.id != drive.id and leases is not None and not _leased(means.places, row.id, leases):
            return Message(N_("{drive} hangs on the same switch and is in use."), named)
    if strangers or any(record.tag.startswith(records.GUEST) for record in records.all_records(means.places.mounts)):
        return Message(N_("Another drive is being read or prepared; it may hang on the same switch."))
    return None


def _is_mounted(places: Places, tag: str) -> bool:
    return records.read(places.mounts, tag) is not None or (places.mounts / tag).is_mount()


def _job_on_a_stranger(session: Session) -> bool:
    """Formatting, repairing, handing over: jobs on a drive of which nobody said yet where its power comes from."""
    running = select(Job.id).where(Job.lock.startswith("disk:"), Job.state == JobState.RUNNING)
    return session.scalar(running.limit(1)) is not None


def _leased(places: Places, drive_id: int, leases: ExitStack) -> bool:
    end = time.monotonic() + LEASE_S
    while True:
        try:
            leases.enter_context(lease(places, drive_id))
            return True
        except Conflict:
            if time.monotonic() > end:
                return False
            time.sleep(LOOK_AGAIN_S)


def _settle(inventory: live.Inventory, drive: Drive) -> None:
    """After the unmount: nothing on its way to the disk, udev idle, and a breath."""
    disks = {found.disk for found in inventory.by_marker(drive.marker_id) if DISK.fullmatch(found.disk)}
    end = time.monotonic() + CALM_S
    time.sleep(GRACE_S)
    while time.monotonic() < end and (UDEV_QUEUE.exists() or any(map(_in_flight, disks))):
        time.sleep(LOOK_AGAIN_S)


def _in_flight(disk: str) -> bool:
    try:
        return any(int(count) for count in Path(f"/sys/block/{disk}/inflight").read_text().split())
    except (OSError, ValueError):
        return False


def _hot_among(means: Means, inventory: live.Inventory) -> dict[str, Drive]:
    with means.db.reading() as session:
        drives = list(session.scalars(select(Drive).where(Drive.role == DriveRole.HOT)))
    return {drive.marker_id: drive for drive in drives if inventory.by_marker(drive.marker_id)}


def _prove(means: Means, driver: PowerDriver, drive: Drive, hot: dict[str, Drive]) -> None:
    """The drive vanishes, and nothing else does.  Raises StillHere, CutHot."""
    end = time.monotonic() + GONE_S
    while True:
        here = live.refresh(means.places, means.broker)
        for lost in (row for marker, row in hot.items() if not here.by_marker(marker)):
            guarded(driver, lambda: driver.on(drive, means))
            guarded(driver, lambda lost=lost: driver.cut_hot(drive, means, lost))  # type: ignore[misc]
            _tell_hot(means, drive, lost)
            raise CutHot(hot=lost.name)
        if not here.by_marker(drive.marker_id):
            return
        if time.monotonic() > end:
            raise StillHere()
        time.sleep(LOOK_AGAIN_S)


def _tell_hot(means: Means, drive: Drive, hot: Drive) -> None:
    fields = {"drive": drive.name, "hot": hot.name}
    with means.db.writing() as session:
        health.tell(
            session,
            health.Finding(
                code="switch_cuts_hot",
                severity=Severity.DANGER,
                subject=f"drive:{drive.id}",
                message=Message(N_("The switch of {drive} also cuts the power of {hot}."), fields),
                hint=Message(N_("It was switched on again at once and stays on. Give {hot} another socket."), fields),
                guide="sockets",
            ),
        )


def _note_neighbours(means: Means, circuit: Circuit, drive: Drive) -> None:
    """Drives that waited, unmounted, for the last one are off as well."""
    with means.db.writing() as session:
        others = select(Drive).where(Drive.id.in_(circuit.drives - {drive.id}))
        for row in session.scalars(others.where(Drive.power_state == PowerState.UNMOUNTED)):
            session.add(PowerMove(drive_id=row.id, state=PowerState.OFF))
            row.power_state = PowerState.OFF
            health.settle(session, "drive_still_on", f"drive:{row.id}")
