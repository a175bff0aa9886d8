"""Whether a COLD drive still holds what it said it had stored: some forget at a power cut what they acknowledged.

Each proven run notes the digest of the manifest that it leaves.  A drive that comes back with another one is not as it
was left, and with that of an earlier run it went back in time.  What was proven since then is looked for: a copy that
is not there is made again by this very run; all others count as unread, so that rereading (``scrub``) takes them first.
A run that was cut off left no digest: what it had proven until then is looked for in the same way.
"""

import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime

from blake3 import blake3
from sqlalchemy import Row, Select, select, update

from appliance import events
from appliance.backup import catalogue, problems
from appliance.backup.models import BackupRun, ColdFile, ColdFolder, RunState
from appliance.drives import layout
from appliance.drives.models import Drive, DriveRole, DriveState
from appliance.drives.mounts import Mount
from appliance.jobs.progress import Progress
from appliance.library.listing import UNKNOWN
from appliance.library.models import Folder
from appliance.words import N_

MANIFEST = "manifest"  # in a run's details: the digest of the one that it left
UNREAD = datetime(1970, 1, 1, tzinfo=UTC)
CHUNK = 500  # files between two commits
REMEMBERED = 60  # runs whose manifest is recognised


@dataclass(frozen=True)
class State:
    """How a drive came back.  ``since``: what it forgot was proven after this moment; None: after any."""

    is_as_left: bool
    went_back: bool = False
    since: datetime | None = None


def recall(progress: Progress, cold: Mount, *, was_cut_off: bool) -> int:
    """How many copies are not there any more, after seeing to it that they are made again.

    ``was_cut_off``: the last visit to the drive did not end in a proof.  Raises ColdUntrustworthy for a drive that went
    back in time not for the first time.
    """
    state = _state(progress, cold, was_cut_off)
    if state.is_as_left:
        return 0
    lost, after = 0, 0
    while rows := _rows(progress, cold, state, after):
        after = rows[-1].ColdFile.id
        missing = [row.ColdFile for row in rows if not _is_there(cold, row)]
        with progress.db.writing() as session:
            catalogue.forget_files(session, [file.id for file in missing])
            for at in {file.folder_id for file in missing}:
                chosen = (ColdFolder.cold_drive_id == cold.drive_id) & (ColdFolder.folder_id == at)
                session.execute(update(ColdFolder).where(chosen).values(fingerprint=UNKNOWN))
            session.execute(
                update(ColdFile).where(ColdFile.id.in_([row.ColdFile.id for row in rows])).values(proven=UNREAD)
            )
        lost += len(missing)
        progress.step(N_("Looking whether the drive is as it was left"), share=(2, 3))
    if lost:
        _tell(progress, cold, lost, went_back=state.went_back)
    return lost


def digest(cold: Mount) -> str:
    """Of the manifest on a drive; "" where there is none."""
    seen = blake3()
    try:
        with (cold.path / layout.MANIFEST).open("rb") as lines:
            while piece := lines.read(1 << 20):
                seen.update(piece)
    except FileNotFoundError:
        return ""
    return seen.hexdigest()


def _state(progress: Progress, cold: Mount, was_cut_off: bool) -> State:
    with progress.db.reading() as session:
        runs = session.execute(
            select(BackupRun.finished, BackupRun.details)
            .where(BackupRun.cold_drive_id == cold.drive_id, BackupRun.state == RunState.PROVEN)
            .order_by(BackupRun.id.desc())
            .limit(REMEMBERED)
        ).all()
    left = [(finished, details.get(MANIFEST)) for finished, details in runs]
    newest, noted = left[0] if left else (None, None)
    found = digest(cold) if noted else ""
    if not noted or found == noted:
        return State(is_as_left=not was_cut_off, since=newest)
    earlier = next((finished for finished, known in left[1:] if found and known == found), None)
    if earlier is None and was_cut_off:
        return State(is_as_left=False, since=newest)  # as that run may have left it
    return State(is_as_left=False, went_back=earlier is not None, since=earlier)


def _rows(
    progress: Progress, cold: Mount, state: State, after: int
) -> list[Row[ColdFile, bytes, bytes | None, DriveRole, int]]:
    wanted: Select[ColdFile, bytes, bytes | None, DriveRole, int] = (
        select(ColdFile, Folder.path, ColdFolder.stored_as, Drive.role, Drive.number)
        .join(Folder, Folder.id == ColdFile.folder_id)
        .join(Drive, Drive.id == Folder.drive_id)
        .join(ColdFolder, (ColdFolder.folder_id == Folder.id) & (ColdFolder.cold_drive_id == cold.drive_id))
        .where(ColdFile.cold_drive_id == cold.drive_id, ColdFile.id > after)
    )
    if state.since is not None:
        wanted = wanted.where(ColdFile.proven > state.since)
    with progress.db.reading() as session:
        return list(session.execute(wanted.order_by(ColdFile.id).limit(CHUNK)).all())


def _is_there(cold: Mount, row: Row[ColdFile, bytes, bytes | None, DriveRole, int]) -> bool:
    """A file of its size.  Whether its bytes are right is for rereading.  Raises OSError where that cannot be known."""
    file, folder, folder_place, role, number = row
    place = catalogue.joined(folder_place or folder, file.stored_as or file.name)
    try:
        facts = os.lstat(os.fsencode(cold.path / f"{role.value.upper()}-{number}") + b"/" + place)
    except (FileNotFoundError, NotADirectoryError):
        cold.check()
        return False
    return stat.S_ISREG(facts.st_mode) and facts.st_size == file.size


def _tell(progress: Progress, cold: Mount, lost: int, *, went_back: bool) -> None:
    again = N_("{drive} no longer holds {files} of its copies. They are made again.")
    forgot = N_("{drive} forgot {files} copies that it had already stored. They are made again.")
    with progress.db.writing() as session:
        events.record(session, "backup.forgot", forgot if went_back else again, drive=cold.name, files=lost)
        drive = session.get_one(Drive, cold.drive_id)
        drive.write_errors += went_back
        untrustworthy = went_back and drive.write_errors > 1
        if untrustworthy:
            drive.state = DriveState.UNTRUSTWORTHY
            template = N_("{drive} does not keep what is written to it and is not used any more.")
            events.record(session, "backup.untrustworthy", template, drive=cold.name)
    if untrustworthy:
        raise problems.ColdUntrustworthy(drive=cold.name, file=layout.MANIFEST)
