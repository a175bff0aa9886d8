"""Handing a drive over: from "it is plugged in" to "it is ours".

Order of what is written, and what is true if the plug is pulled in between: the drive is mounted (nothing changed on
it), its private folders (harmless), the marker file (the drive says it is ours, no row does: it can be handed over
again), the row.  The job keeps the marker's id before it writes it, so that starting again finishes the same hand-over.
"""

import contextlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from appliance import events
from appliance.db import now
from appliance.drives import inventory as live
from appliance.drives import records, service
from appliance.drives.identity import own_ids, role_word, station_id, verdict
from appliance.drives.inventory import Found
from appliance.drives.leases import HANDING_OVER, lease
from appliance.drives.marker import Marker
from appliance.drives.models import Drive, DriveRole, PowerState
from appliance.drives.probing import write_problem
from appliance.drives.service import DriveRefused, NotPluggedIn
from appliance.drives.space import keep_space
from appliance.errors import ApplianceError, RefusedByRoot
from appliance.jobs.progress import Progress
from appliance.words import N_, Message


class NotWritable(ApplianceError):
    """The drive takes no files."""

    code, status = "drive_not_writable", 409
    template = N_("Nothing can be written to this drive: {why}.")
    hint = N_("It was not handed over. Try another cable or another drive.")


class AnotherDrive(ApplianceError):
    """What is plugged in changed between choosing and doing."""

    code, status = "drive_changed", 409
    template = N_("The drive that is plugged in is not the one that was chosen.")
    hint = N_("Nothing was changed. Look at the list of drives and choose again.")


def fresh(progress: Progress, device: str, *, serial: str, size: int) -> Found:
    """The chosen drive, looked at right now, whatever was seen before.  Raises NotPluggedIn or AnotherDrive."""
    with contextlib.suppress(RefusedByRoot):  # not there: told below
        progress.broker("drives.look", {"device": device})
    found = live.refresh(progress.places, progress.broker).by_device(device)
    if found is None:
        raise NotPluggedIn()
    if found.serial != serial or found.size != size:
        raise AnotherDrive()
    return found


def hand_over(progress: Progress, found: Found, *, role: DriveRole, name: str, colour: str) -> dict[str, object]:
    """Make a drive ours, with whatever is on it.  Raises DriveRefused, NotWritable, or what mounting refuses."""
    places, broker = progress.places, progress.broker
    with lease(places, HANDING_OVER, progress):
        if done := _already_done(progress):
            return _result(done)
        if found.filesystem == "folder" and not found.filesystem_uuid:
            broker("drives.adopt_folder", {"device": found.device})
        found = _free_still(progress, found)
        number = _next_number(progress, role)
        tag = f"{role.value.upper()}-{number}"
        marker_id = str(progress.checkpoint.get("marker_id") or uuid.uuid4())
        progress.keep(marker_id=marker_id)
        with _mounted_unless_kept(progress, found, tag) as root:
            owned = broker("drives.own", {"tag": tag})
            if problem := write_problem(root):
                raise NotWritable(why=problem.why)
            with progress.db.reading() as session:
                colour = colour or service.next_colour(session)
            name = name or service.DEFAULT_NAMES[colour]
            mark = Marker(
                marker_id=marker_id,
                station_id=station_id(places),
                role=role.value,
                number=number,
                filesystem_uuid=found.filesystem_uuid,
                name=name,
                written=now().isoformat(timespec="seconds"),
            )
            mark.write(root)
            space = os.statvfs(root)
        drive = _write_row(progress, found, mark, colour, space)
    if owned["unreadable"]:
        progress.log(
            N_("{count} files or folders on it belong to another computer's user and cannot be read by the station."),
            {"count": owned["unreadable"]},
        )
    live.refresh(places, broker)
    return _result(drive) | {"unreadable": owned["unreadable"]}


def _result(drive: Drive) -> dict[str, object]:
    return {"drive_id": drive.id, "tag": drive.tag, "name": drive.name}


def _already_done(progress: Progress) -> Drive | None:
    """The row, when an earlier try of this job got as far as that."""
    marker_id = progress.checkpoint.get("marker_id")
    with progress.db.reading() as session:
        return session.scalar(select(Drive).where(Drive.marker_id == marker_id)) if marker_id else None


def _free_still(progress: Progress, found: Found) -> Found:
    """Judge again what is plugged in right now.  Raises DriveRefused."""
    inventory = live.refresh(progress.places, progress.broker)
    again = inventory.by_device(found.device)
    if again is None:
        raise NotPluggedIn()
    with progress.db.reading() as session:
        judged = verdict(again, inventory, service.every(session), own_ids(progress.places))
    if not judged.can_adopt:
        raise DriveRefused(judged)
    return again


def _next_number(progress: Progress, role: DriveRole) -> int:
    """One more than any row or any drive of ours that is plugged in ever had."""
    own = own_ids(progress.places)
    with progress.db.reading() as session:
        highest = session.scalar(select(func.max(Drive.number)).where(Drive.role == role)) or 0
    for found in live.load(progress.places).found:
        mark = found.mark
        ours = mark is not None and mark.station_id in own and mark.role == role.value
        if mark is not None and ours and mark.marker_id != progress.checkpoint.get("marker_id"):
            highest = max(highest, mark.number)
    return highest + 1


@contextmanager
def _mounted_unless_kept(progress: Progress, found: Found, tag: str) -> Iterator[Path]:
    """The drive at the place it will have; HOT stays there when all went well, everything else is let go again."""
    broker = progress.broker
    progress.step(Message(N_("Getting {name} ready"), {"name": found.title}), 0, 1, share=(70, 90))
    if found.mounted_as and found.mounted_as != tag:  # an earlier try, under another number
        broker("drives.unmount", {"tag": found.mounted_as})
    request = {"device": found.device, "tag": tag, "filesystem_uuid": found.filesystem_uuid, "read_only": False}
    root = Path(broker("drives.mount", request)["path"])
    try:
        yield root
    except BaseException:
        broker("drives.unmount", {"tag": tag})
        raise
    broker("drives.unmount", {"tag": tag})  # the marker is where it belongs, and no longer only in the journal
    if tag.startswith("HOT"):
        broker("drives.mount", request)
    elif not found.device.startswith(records.FOLDER_PREFIX):
        broker("drives.standby", {"disk": found.disk})


def _write_row(progress: Progress, found: Found, mark: Marker, colour: str, space: os.statvfs_result) -> Drive:
    role = DriveRole(mark.role)
    with progress.db.writing() as session:
        drive = Drive(
            marker_id=mark.marker_id,
            role=role,
            number=mark.number,
            name=mark.name,
            colour=colour,
            filesystem=found.filesystem,
            filesystem_uuid=mark.filesystem_uuid,
            model=found.title,
            serial=found.serial,
            size=space.f_blocks * space.f_frsize,
            last_here=now(),
            power_state=PowerState.MOUNTED if role is DriveRole.HOT else PowerState.OFF,
        )
        session.add(drive)
        session.flush()
        keep_space(session, drive, space)
        _tell(session, drive, progress.asked_by)
    return drive


def _tell(session: Session, drive: Drive, actor_id: int | None) -> None:
    events.record(
        session,
        "drive.handed_over",
        N_("{drive} ({tag}) was handed over: {role}."),
        actor_id=actor_id,
        drive=drive.name,
        tag=drive.tag,
        role=Message(role_word(drive.role)),
    )
