"""What people ask of the import: look at a source, bring it in, see what came of it."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.orm import Session

from appliance.db import Database, now
from appliance.drives.inventory import Found
from appliance.drives.models import Drive, DriveRole, DriveState
from appliance.errors import Conflict, Invalid, NotFound
from appliance.jobs import service as jobs
from appliance.jobs.models import ACTIVE, Job, Wish
from appliance.people.models import User, UserState
from appliance.places import Places
from appliance.words import N_, Message
from plugins.importer import opening
from plugins.importer.models import FileState, ImportFile, ImportRun, ImportSource, RunState, SourceKind

HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._:-]{0,251}[A-Za-z0-9])?")
SHARE = re.compile(r"[^\\/:*?\"<>|\x00-\x1f]{1,80}")
SHOWN = 200


@dataclass(frozen=True)
class Wanted:
    """What somebody wants looked at: a key that makes it the same place next time, and how to get there."""

    kind: SourceKind
    key: str
    title: str
    place: dict[str, Any]
    camera: bool = False


def people(session: Session) -> Sequence[User]:
    """Whose photos they may become."""
    return session.scalars(select(User).where(User.state == UserState.ACTIVE).order_by(User.name)).all()


def drives(session: Session, places: Places) -> list[Found]:
    """Drives that are plugged in, are not ours, and can be read; cameras' cards first."""
    found = opening.strangers(places, list(session.scalars(select(Drive))))
    return sorted(found, key=lambda one: not is_camera(one))


def is_camera(found: Found) -> bool:
    """Whether it looks like a camera's card."""
    return opening.CAMERA in found.names


def key_of(found: Found) -> str:
    """What makes a drive the same place next time."""
    return f"drive:{found.filesystem_uuid}"


def hot(session: Session) -> Sequence[Drive]:
    """Drives whose folders can be chosen."""
    wanted = select(Drive).where(Drive.role == DriveRole.HOT, Drive.state != DriveState.RETIRED)
    return session.scalars(wanted.order_by(Drive.number)).all()


def from_drive(session: Session, places: Places, device: str) -> Wanted:
    """A drive that is plugged in.  Raises NotFound."""
    found = next((one for one in drives(session, places) if one.device == device), None)
    if found is None:
        raise NotFound(what="drive")
    place = {"filesystem_uuid": found.filesystem_uuid, "serial": found.serial}
    title = found.label or found.title
    return Wanted(SourceKind.DRIVE, key_of(found), title, place, is_camera(found))


def from_folder(session: Session, drive_id: int, folder: str) -> Wanted:
    """A folder of a HOT drive.  Raises Invalid."""
    drive = session.get(Drive, drive_id)
    parts = [part for part in folder.replace("\\", "/").split("/") if part not in ("", ".")]
    if drive is None or drive.role is not DriveRole.HOT:
        raise Invalid({"drive_id": N_("Choose a drive.")})
    if not parts or ".." in parts or parts[0].startswith(".") or len(folder) > 1000:
        raise Invalid({"folder": N_("Enter a folder of this drive, such as Anna/Files/Takeout.")})
    path = "/".join(parts)
    return Wanted(SourceKind.FOLDER, f"folder:{drive.id}:{path}"[:255], path, {"drive_id": drive.id, "folder": path})


def from_share(host: str, share: str, folder: str, port: str, user: str) -> Wanted:
    """A share of another computer.  Raises Invalid with every problem."""
    host, share, folder, user = host.strip(), share.strip().strip("\\/"), folder.strip().strip("\\/"), user.strip()
    problems: dict[str, Message | str] = {}
    if not HOST.fullmatch(host):
        problems["host"] = N_("Enter the name or the address of the other computer.")
    if not SHARE.fullmatch(share):
        problems["share"] = N_("Enter the name of the share.")
    parts = [part for part in folder.replace("\\", "/").split("/") if part]
    if any(part == ".." or not SHARE.fullmatch(part) for part in parts):
        problems["folder"] = N_("Enter a folder of the share, or leave this empty.")
    number = int(port) if port.isascii() and port.isdigit() else 0
    if not 0 < number < 65536:
        problems["port"] = N_("Enter a number between 1 and 65535; it is nearly always 445.")
    if problems:
        raise Invalid(problems)
    place = {"host": host, "share": share, "folder": "/".join(parts), "port": number, "user": user}
    title = "/".join([host, share, *parts])[:200]
    return Wanted(SourceKind.SHARE, f"share:{number}:{user}@{title}"[:255], title, place)


def start_look(session: Session, wanted: Wanted, user_id: int, *, asked_by: int | None) -> ImportRun:
    """Queue a look; what is known of the place from before counts.  Raises NotFound or AlreadyRunning."""
    user = session.get(User, user_id)
    if user is None or user.state is not UserState.ACTIVE:
        raise NotFound(what="person")
    mine = (ImportSource.user_id == user_id, ImportSource.key == wanted.key)
    source = session.scalar(select(ImportSource).where(*mine))
    if source is None:
        source = ImportSource(user_id=user_id, key=wanted.key, kind=wanted.kind, title=wanted.title, place={})
        session.add(source)
    source.title, source.place, source.camera = wanted.title, wanted.place, wanted.camera
    session.flush()
    return look_again(session, source, asked_by=asked_by)


def look_again(session: Session, source: ImportSource, *, asked_by: int | None) -> ImportRun:
    """Queue a look at a place that is known.  Raises AlreadyRunning."""
    run = ImportRun(source_id=source.id, asked_by=asked_by)
    session.add(run)
    session.flush()
    title = Message(N_("Looking at {name}"), {"name": source.title})
    run.job_id = _start(session, "importer.look", title, run, asked_by).id
    return run


def start_import(session: Session, run_id: int, *, deleted_too: bool, asked_by: int | None) -> ImportRun:
    """Bring in what a report told of.  Raises NotFound, Conflict when it is not there yet, or AlreadyRunning."""
    run, source = get(session, run_id)
    job = session.get(Job, run.job_id or 0)
    if not run.report or run.state is RunState.DONE or (job is not None and job.state in ACTIVE):
        raise Conflict()
    title = Message(N_("Importing from {name}"), {"name": source.title})
    run.state, run.deleted_too, run.finished = RunState.IMPORTING, deleted_too, None
    run.job_id = _start(session, "importer.run", title, run, asked_by).id
    return run


def _start(session: Session, kind: str, title: Message, run: ImportRun, asked_by: int | None) -> Job:
    lock, arguments = f"import:{run.source_id}", {"run_id": run.id}
    others = N_("Importing photos")
    job = jobs.start(session, kind, title=title, lock=lock, arguments=arguments, asked_by=asked_by, told_others=others)
    session.flush()
    return job


def stop(session: Session, run_id: int) -> ImportRun:
    """Cancel; what came in stays.  Raises NotFound or Conflict."""
    run, _ = get(session, run_id)
    job = session.get(Job, run.job_id) if run.job_id else None
    if job is None or job.state not in ACTIVE:
        raise Conflict()
    jobs.wish(session, job.id, Wish.CANCEL)
    if job.state not in ACTIVE:  # it had not begun
        run.state, run.finished = RunState.STOPPED, now()
    return run


def get(session: Session, run_id: int) -> tuple[ImportRun, ImportSource]:
    """A run and its source.  Raises NotFound."""
    run = session.get(ImportRun, run_id)
    if run is None:
        raise NotFound(what="import")
    return run, session.get_one(ImportSource, run.source_id)


@dataclass(frozen=True)
class Line:
    """A run as lists show it."""

    run: ImportRun
    source: ImportSource
    person: str
    job: Job | None

    @property
    def active(self) -> bool:
        """Whether it is being worked on."""
        return self.job is not None and self.job.state in ACTIVE

    @property
    def gave_up(self) -> bool:
        """Its job ended without a word: cancelled before it began, or given up."""
        return self.run.state in (RunState.LOOKING, RunState.IMPORTING) and not self.active


def history(session: Session, seen: ColumnElement[bool], *, before: int | None = None, limit: int = 30) -> list[Line]:
    """The runs that are ``seen`` (``access.seen_by``), newest first; with ``before``, those that are older."""
    rows = session.execute(
        select(ImportRun, ImportSource, User.name)
        .join(ImportSource, ImportSource.id == ImportRun.source_id)
        .join(User, User.id == ImportSource.user_id)
        .where(seen, ImportRun.id < before if before is not None else true())
        .order_by(ImportRun.id.desc())
        .limit(limit)
    )
    return [Line(run, source, name, session.get(Job, run.job_id or 0)) for run, source, name in rows]


def line(session: Session, run: ImportRun, source: ImportSource) -> Line:
    """One run."""
    return Line(run, source, session.get_one(User, source.user_id).name, session.get(Job, run.job_id or 0))


def details(
    session: Session, source_id: int, state: FileState, *, after: int = 0, limit: int = SHOWN
) -> Sequence[ImportFile]:
    """Files that are worth naming, in the order in which they were found."""
    wanted = select(ImportFile).where(ImportFile.source_id == source_id, ImportFile.state == state)
    return session.scalars(wanted.where(ImportFile.id > after).order_by(ImportFile.id).limit(limit)).all()


def to_bring(db: Database, source_id: int, *, deleted_too: bool) -> dict[str, int]:
    """Path -> row of what has to be brought in."""
    states = (FileState.NEW, FileState.DELETED) if deleted_too else (FileState.NEW,)
    wanted = select(ImportFile.path, ImportFile.id).where(
        ImportFile.source_id == source_id, ImportFile.state.in_(states)
    )
    with db.reading() as session:
        return {os.fsdecode(path): row_id for path, row_id in session.execute(wanted)}


def counts(db: Database, source_id: int) -> dict[FileState, int]:
    """How many files of a source are in which state."""
    grouped = select(ImportFile.state, func.count()).where(ImportFile.source_id == source_id).group_by(ImportFile.state)
    with db.reading() as session:
        return {state: count for state, count in session.execute(grouped)}


def came_in(db: Database, source_id: int, since: datetime) -> int:
    """How many files were brought in since then."""
    done = (ImportFile.source_id == source_id, ImportFile.state == FileState.DONE, ImportFile.brought >= since)
    with db.reading() as session:
        return session.scalar(select(func.count()).select_from(ImportFile).where(*done)) or 0
