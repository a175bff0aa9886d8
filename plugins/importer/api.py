"""Imports by the API: where from, the report, the yes, how far it is, and what came of it.

Everything is as on the pages, and for the same people (``access``).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from appliance.errors import Invalid
from appliance.words import N_, Message
from console.access import me
from console.api.jobs import JobView, job_view
from console.api.routes import Room
from console.station import station
from plugins.importer import access, secrets, service
from plugins.importer.models import FileState, ImportRun, RunState, SourceKind
from plugins.importer.service import Line

room = Room(plugin="importer")
MOST = 500


@dataclass(frozen=True)
class DriveView:
    """A drive that is plugged in and is not the station's; ``camera``: it has a DCIM folder."""

    device: str
    title: str
    size: int
    camera: bool


@dataclass(frozen=True)
class HotView:
    """A drive whose folders can be imported from."""

    drive_id: int
    name: str


@dataclass(frozen=True)
class PersonView:
    """Somebody whose photos they may become."""

    id: int
    name: str


@dataclass(frozen=True)
class Sources:
    """Where photos can come from now; a share of another computer needs no listing."""

    drives: list[DriveView]
    hot: list[HotView]
    people: list[PersonView]


@dataclass(frozen=True)
class FromDrive:
    """``user_id``: whose photos they become; null are your own, and only an admin chooses somebody else."""

    device: str
    user_id: int | None = None


@dataclass(frozen=True)
class FromFolder:
    """``folder`` is a path on the drive, such as ``Anna/Files/Takeout``; archives in it are read as they are."""

    drive_id: int
    folder: str
    user_id: int | None = None


@dataclass(frozen=True)
class FromShare:
    """A share of another computer; ``keep``: the password is kept, encrypted, for the next time."""

    host: str
    share: str
    folder: str = ""
    port: int = 445
    user: str = ""
    password: str = ""
    keep: bool = False
    user_id: int | None = None


@dataclass(frozen=True)
class Again:
    """A new password, where the last one was not kept."""

    password: str | None = None
    keep: bool = False


@dataclass(frozen=True)
class Start:
    """``deleted_too``: also bring back what its person deleted here."""

    deleted_too: bool = False


@dataclass(frozen=True)
class RunView:
    """One time that somebody asked.  ``report`` and ``result`` are {} until there is one; ``stopped`` may go on."""

    id: int
    state: RunState
    source: str
    kind: SourceKind
    user_id: int
    person: str
    asked_by: int | None
    deleted_too: bool
    report: dict[str, Any]
    result: dict[str, Any]
    safe_to_format: datetime | None
    created: datetime
    finished: datetime | None
    job: JobView | None


@dataclass(frozen=True)
class FileView:
    """A file of the source as it was last seen, and what became of it."""

    id: int
    path: str
    size: int
    state: FileState
    why: Message | None
    proven: datetime | None


@dataclass(frozen=True)
class RunsQuery:
    """``before``: runs that are older than this one."""

    before: int | None = None
    limit: int = 30


@dataclass(frozen=True)
class FilesQuery:
    """``after``: the last id of the page before."""

    state: FileState
    after: int = 0
    limit: int = 200


def _view(line: Line) -> RunView:
    run, source = line.run, line.source
    state = RunState.STOPPED if line.gave_up else run.state
    return RunView(
        run.id, state, source.title, source.kind, source.user_id, line.person, run.asked_by, run.deleted_too,
        run.report, run.result, source.safe, run.created, run.finished, job_view(line.job) if line.job else None,
    )  # fmt: skip


def _fresh(session: Session, run: ImportRun) -> RunView:
    session.flush()
    return _view(service.line(session, *service.get(session, run.id)))


def _bounded(limit: int) -> int:
    if not 1 <= limit <= MOST:
        raise Invalid({"limit": Message(N_("Choose 1 to {most}."), {"most": MOST})})
    return limit


@room.route("GET", "/sources", summary="Where photos can be imported from")
def sources() -> Sources:
    """Drives that are plugged in, drives whose folders can be read, and whose photos they may become."""
    here, person = station(), me()
    with here.db.reading() as session:
        found = access.drives(session, here.places, person)
        people = service.people(session) if access.is_admin(person) else [person]
        return Sources(
            [DriveView(f.device, f.label or f.title, f.capacity or f.size, service.is_camera(f)) for f in found],
            [HotView(drive.id, drive.name) for drive in service.hot(session)],
            [PersonView(one.id, one.name) for one in people],
        )


@room.route("POST", "/looks/drive", summary="Look at a drive that is plugged in", status=202)
def look_at_drive(body: FromDrive) -> RunView:
    """Makes the report; nothing is written to any drive."""
    here = station()
    with here.db.writing() as session:
        user_id = access.whose(me(), body.user_id)
        wanted = access.from_drive(session, here.places, me(), body.device)
        return _fresh(session, service.start_look(session, wanted, user_id, asked_by=me().id))


@room.route("POST", "/looks/folder", summary="Look at a folder of a HOT drive", status=202)
def look_at_folder(body: FromFolder) -> RunView:
    """Makes the report; nothing is written to any drive."""
    with station().db.writing() as session:
        user_id = access.whose(me(), body.user_id)
        wanted = access.from_folder(session, me(), body.drive_id, body.folder)
        return _fresh(session, service.start_look(session, wanted, user_id, asked_by=me().id))


@room.route("POST", "/looks/share", summary="Look at a share of another computer", status=202)
def look_at_share(body: FromShare) -> RunView:
    """Makes the report.  The password is forgotten after the import unless it shall be kept."""
    here = station()
    with here.db.writing() as session:
        user_id = access.whose(me(), body.user_id)
        wanted = service.from_share(body.host, body.share, body.folder, str(body.port), body.user)
        run = service.start_look(session, wanted, user_id, asked_by=me().id)
        _, source = service.get(session, run.id)
        secrets.remember(here.places, source, body.password, keep=body.keep)
        return _fresh(session, run)


@room.route("GET", "/runs", summary="Imports, the newest first")
def runs(query: RunsQuery) -> list[RunView]:
    """Those that you may see."""
    limit = _bounded(query.limit)
    with station().db.reading() as session:
        lines = service.history(session, access.seen_by(me()), before=query.before, limit=limit)
        return [_view(line) for line in lines]


@room.route("GET", "/runs/<int:run_id>", summary="One import: its report, how far it is, what came of it")
def one(run_id: int) -> RunView:
    """For watching it: ask every two seconds at most."""
    with station().db.reading() as session:
        return _view(service.line(session, *access.run_of(session, me(), run_id)))


@room.route("GET", "/runs/<int:run_id>/files", summary="Files of an import in one state")
def files(run_id: int, query: FilesQuery) -> list[FileView]:
    """What cannot be read and why, what is new, what is left out."""
    limit = _bounded(query.limit)
    with station().db.reading() as session:
        _, source = access.run_of(session, me(), run_id)
        rows = service.details(session, source.id, query.state, after=query.after, limit=limit)
        return [FileView(r.id, r.path.decode("utf-8", "replace"), r.size, r.state, r.why, r.proven) for r in rows]


@room.route("POST", "/runs/<int:run_id>/import", summary="Bring in what the report told of", status=202)
def bring_in(run_id: int, body: Start) -> RunView:
    """The yes; also to go on with one that was stopped."""
    with station().db.writing() as session:
        access.run_of(session, me(), run_id)
        run = service.start_import(session, run_id, deleted_too=body.deleted_too, asked_by=me().id)
        return _fresh(session, run)


@room.route("POST", "/runs/<int:run_id>/again", summary="Look at the same place once more", status=202)
def again(run_id: int, body: Again) -> RunView:
    """A new run; what was read before is not read again."""
    here = station()
    with here.db.writing() as session:
        _, source = access.run_of(session, me(), run_id)
        run = service.look_again(session, source, asked_by=me().id)
        if source.kind is SourceKind.SHARE and body.password is not None:
            secrets.remember(here.places, source, body.password, keep=body.keep)
        return _fresh(session, run)


@room.route("POST", "/runs/<int:run_id>/cancel", summary="Cancel a look or an import", status=202)
def cancel(run_id: int) -> RunView:
    """What came in stays."""
    with station().db.writing() as session:
        access.run_of(session, me(), run_id)
        return _fresh(session, service.stop(session, run_id))
