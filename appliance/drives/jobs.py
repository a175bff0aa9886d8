"""Kinds of job of the drives room.  Each is safe to run again from its start."""

import re
from pathlib import Path

from appliance import events
from appliance.db import now
from appliance.drives import inventory as live
from appliance.drives import mounts, power, records, service
from appliance.drives.handing_over import AnotherDrive, fresh, hand_over
from appliance.drives.identity import VerdictKind, own_ids, station_id, verdict
from appliance.drives.leases import HANDING_OVER, lease
from appliance.drives.marker import Marker
from appliance.drives.models import Drive, DriveRole, PowerState
from appliance.drives.service import DriveRefused, NotPluggedIn
from appliance.errors import ApplianceError
from appliance.jobs.kinds import job_kind
from appliance.jobs.progress import Progress
from appliance.words import N_, Message

LABEL_LENGTH = 11  # what exFAT can hold


@job_kind("drives.adopt", N_("Take over {name}"))
def adopt(
    progress: Progress,
    *,
    device: str,
    serial: str,
    size: int,
    filesystem_uuid: str,
    role: str,
    name: str,
    colour: str,
) -> dict[str, object]:
    """Hand over a drive with everything that is on it."""
    progress.step(N_("Looking at the drive"))
    found = fresh(progress, device, serial=serial, size=size)
    if filesystem_uuid and found.filesystem_uuid != filesystem_uuid:
        raise AnotherDrive()
    return hand_over(progress, found, role=DriveRole(role), name=name, colour=colour)


@job_kind("drives.format", N_("Erase {name} and use it"))
def erase(progress: Progress, *, device: str, serial: str, size: int, role: str, **chosen: str) -> dict[str, object]:
    """Erase a drive and hand it over.

    ``chosen``: filesystem, name, colour, and the UUID that was there when a person confirmed.  What is true if the plug
    is pulled here: the checkpoint says that erasing began, so the next try erases again instead of wondering why the
    UUID differs; serial and size must agree all the same.
    """
    progress.step(N_("Looking at the drive"))
    device = progress.checkpoint.get("made", device)
    if "made" not in progress.checkpoint:
        device = _format(progress, device, serial, size, chosen)
    found = live.refresh(progress.places, progress.broker).by_device(device)
    if found is None or found.serial != serial:
        raise NotPluggedIn()
    return hand_over(progress, found, role=DriveRole(role), name=chosen["name"], colour=chosen["colour"])


def _format(progress: Progress, device: str, serial: str, size: int, chosen: dict[str, str]) -> str:
    begun = bool(progress.checkpoint.get("begun"))
    found = _of_disk_or_device(progress, device, serial) if begun else fresh(progress, device, serial=serial, size=size)
    if not begun:
        _must_be_formattable(progress, found, chosen["filesystem_uuid"])
        progress.keep(begun=True)
    progress.step(Message(N_("Erasing {name}"), {"name": found.title}), 0, 1, share=(5, 70))
    request = {
        "disk": found.disk,
        "filesystem": chosen["filesystem"],
        "label": re.sub(r"[^A-Za-z0-9]+", "-", chosen["name"]).strip("-_")[:LABEL_LENGTH].strip("-") or "Everpx",
        "expected_serial": serial,
        "expected_size": found.disk_size,
    }
    made = str(progress.broker("drives.format", request)["device"])
    progress.keep(made=made)
    return made


def _must_be_formattable(progress: Progress, found: live.Found, filesystem_uuid: str) -> None:
    """What a person confirmed, and nothing else.  Raises AnotherDrive or DriveRefused."""
    if found.filesystem_uuid != filesystem_uuid:
        raise AnotherDrive()
    with progress.db.reading() as session:
        judged = verdict(found, live.load(progress.places), service.every(session), own_ids(progress.places))
    if not judged.can_format:
        raise DriveRefused(judged)


def _of_disk_or_device(progress: Progress, device: str, serial: str) -> live.Found:
    """The drive whose erasing was cut off; its partitions may have gone by now."""
    for found in live.refresh(progress.places, progress.broker).found:
        if found.serial == serial and (device == found.device or device.startswith(found.disk)):
            return found
    raise NotPluggedIn()


@job_kind("drives.eject", N_("Let go of {drive}"))
def eject(progress: Progress, *, drive_id: int) -> dict[str, object]:
    """Flush and unmount a drive, so that it may be unplugged."""
    with progress.db.reading() as session:
        drive = service.get(session, drive_id)
    progress.step(Message(N_("Writing everything to {drive}"), {"drive": drive.name}))
    with lease(progress.places, drive_id):
        if drive.role is DriveRole.COLD:
            power.release(progress.db, progress.broker, progress.places, drive)
        else:
            _eject_hot(progress, drive)
        with progress.db.writing() as session:
            events.record(
                session,
                "drive.ejected",
                N_("{drive} may be unplugged now."),
                actor_id=progress.asked_by,
                drive=drive.name,
            )
    live.refresh(progress.places, progress.broker)
    return {"drive_id": drive_id, "may_unplug": True}


def _eject_hot(progress: Progress, drive: Drive) -> None:
    """The wish is written first, so that nobody takes the drive back into use in between."""
    record = records.read(progress.places.mounts, drive.tag)
    _note_power(progress, drive, PowerState.UNMOUNTED)
    try:
        progress.broker("drives.unmount", {"tag": drive.tag})
    except ApplianceError:
        _note_power(progress, drive, PowerState.MOUNTED)
        raise
    if record is not None and not record.device.startswith(records.FOLDER_PREFIX):
        progress.broker("drives.standby", {"disk": record.device})


def _note_power(progress: Progress, drive: Drive, state: PowerState) -> None:
    with progress.db.writing() as session:
        row = session.get_one(Drive, drive.id)
        row.power_state, row.last_here = state, now()


@job_kind("drives.use", N_("Use {drive} again"))
def use(progress: Progress, *, drive_id: int) -> dict[str, object]:
    """Take an ejected HOT drive that is still plugged in back into use."""
    with progress.db.writing() as session:
        row = service.get(session, drive_id)
        if row.role is DriveRole.HOT and row.power_state is PowerState.UNMOUNTED:
            row.power_state = PowerState.OFF
    live.refresh(progress.places, progress.broker)
    mounts.ensure_hot(progress.db, progress.broker, progress.places)
    with progress.db.reading() as session:
        mounts.mount_of(session, progress.places, drive_id)
    return {"drive_id": drive_id}


@job_kind("drives.repair", N_("Check and repair {name}"))
def repair(progress: Progress, *, device: str, filesystem_uuid: str, drive_id: int | None) -> dict[str, object]:
    """Let the filesystem's own program check it and put it right; a person asked for it."""
    progress.step(N_("Checking the drive; this can take a while"))
    found = live.refresh(progress.places, progress.broker).by_device(device)
    if found is None:
        raise NotPluggedIn()
    with lease(progress.places, drive_id or HANDING_OVER, progress):
        if found.mounted_as is not None:
            progress.broker("drives.unmount", {"tag": found.mounted_as})
        answer = progress.broker("drives.repair", {"device": device, "filesystem_uuid": filesystem_uuid})
    if answer["said"]:
        progress.log(N_("The checking program said: {said}"), {"said": answer["said"]})
    live.refresh(progress.places, progress.broker)
    mounts.ensure_hot(progress.db, progress.broker, progress.places)
    return {"drive_id": drive_id, "clean": answer["dirty"] is False}


@job_kind("drives.confirm", N_("Recognise {drive} again"))
def confirm(progress: Progress, *, device: str, drive_id: int, serial: str) -> dict[str, object]:
    """A person said it is the same drive: write its marker anew, and remember its new serial number."""
    inventory = live.refresh(progress.places, progress.broker)
    found = inventory.by_device(device)
    if found is None or found.serial != serial:
        raise AnotherDrive()
    with progress.db.reading() as session:
        drive = service.get(session, drive_id)
        judged = verdict(found, inventory, service.every(session), own_ids(progress.places))
    if judged.kind is VerdictKind.WRONG and judged.drive_id == drive_id:
        with lease(progress.places, drive_id, progress):
            _rewrite_marker(progress, found, drive)
        with progress.db.writing() as session:
            row = session.get_one(Drive, drive_id)
            row.serial = serial
            if row.role is DriveRole.HOT:
                row.power_state = PowerState.OFF  # not ejected any more: it may be used
            events.record(
                session,
                "drive.recognised",
                N_("{drive} was recognised again by a person."),
                actor_id=progress.asked_by,
                drive=drive.name,
            )
    live.refresh(progress.places, progress.broker)
    mounts.ensure_hot(progress.db, progress.broker, progress.places)
    return {"drive_id": drive_id}


def _rewrite_marker(progress: Progress, found: live.Found, drive: Drive) -> None:
    request = {"device": found.device, "tag": drive.tag, "filesystem_uuid": drive.filesystem_uuid}
    root = Path(progress.broker("drives.mount", request)["path"])
    try:
        Marker(
            marker_id=drive.marker_id,
            station_id=station_id(progress.places),
            role=drive.role.value,
            number=drive.number,
            filesystem_uuid=drive.filesystem_uuid,
            name=drive.name,
            written=now().isoformat(timespec="seconds"),
        ).write(root)
    finally:
        progress.broker("drives.unmount", {"tag": drive.tag})


@job_kind("drives.release", N_("Let go of {drive}"))
def release(progress: Progress, *, drive_id: int) -> dict[str, object]:
    """Try once more to bring a COLD drive to rest."""
    with progress.db.reading() as session:
        drive = service.get(session, drive_id)
    with lease(progress.places, drive_id):
        power.release(progress.db, progress.broker, progress.places, drive)
    return {"drive_id": drive_id}


@job_kind("drives.own_all", N_("Make every file on {drive} readable for the station"))
def own_all(progress: Progress, *, drive_id: int) -> dict[str, object]:
    """Give every file of an adopted drive to the station's own user; a person asked for it."""
    with progress.db.reading() as session:
        mount = mounts.mount_of(session, progress.places, drive_id)
    progress.step(Message(N_("Going through {drive}"), {"drive": mount.name}))
    return dict(progress.broker("drives.own", {"tag": mount.tag, "everything": True}))
