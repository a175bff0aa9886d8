"""Windows and Mac sharing by the API: who may use what, folders with a share of their own, room for Macs, a try."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.errors import NotFound
from appliance.people.models import User
from appliance.words import Message
from console.access import admin_only, me
from console.api.jobs import JobView, job_view
from console.api.routes import Room
from console.station import station
from plugins.smb import service, wanted
from plugins.smb.models import Level, SmbFolder

room = Room(plugin="smb")


@dataclass(frozen=True)
class FolderView:
    """A folder below ``Family`` that has a share of its own name."""

    id: int
    name: str
    drive_id: int


@dataclass(frozen=True)
class RightView:
    """What a person may do; ``folder_id`` null is all of ``Family``."""

    folder_id: int | None
    level: Level


@dataclass(frozen=True)
class PersonView:
    """``problem``: why there is nothing for them.  ``family``: what their share of ``Family`` is called.

    ``ready``: they have typed their password since sharing is on.
    """

    user_id: int
    name: str
    problem: Message | None
    ready: bool
    time_machine_gb: int | None
    family: str
    rights: list[RightView]


@dataclass(frozen=True)
class NewFolder:
    """Made inside ``Family`` on the first HOT drive, if it is not there."""

    name: str


@dataclass(frozen=True)
class Right:
    """Of one person to one folder; ``folder_id`` null is all of ``Family``."""

    user_id: int
    level: Level
    folder_id: int | None = None


@dataclass(frozen=True)
class Rights:
    """What is not named stays as it is."""

    rights: list[Right]


@dataclass(frozen=True)
class RoomForMac:
    """0 is without limit, null is no room; what is there stays."""

    gigabytes: int | None


@room.route("GET", "/people", summary="Who may use what over SMB", access=admin_only)
def people() -> list[PersonView]:
    """Everybody who can sign in to the station, by name."""
    with station().db.reading() as session:
        return _people(session)


@room.route("PUT", "/rights", summary="Say who may use what over SMB", access=admin_only)
def allow(body: Rights) -> list[PersonView]:
    """All of it or none; in force within seconds."""
    with station().db.writing() as session:
        chosen = {}
        for right in body.rights:
            if session.get(User, right.user_id) is None:
                raise NotFound(what="person")
            if right.folder_id is not None and session.get(SmbFolder, right.folder_id) is None:
                raise NotFound(what="folder")
            chosen[right.user_id, right.folder_id] = right.level
        service.allow(session, chosen)
        service.start_settling(session)
        session.flush()
        return _people(session)


@room.route("GET", "/folders", summary="Folders of Family with a share of their own", access=admin_only)
def folders() -> list[FolderView]:
    """By name."""
    with station().db.reading() as session:
        return [_folder(folder) for folder in session.scalars(select(SmbFolder).order_by(SmbFolder.name))]


@room.route("POST", "/folders", summary="Give a folder of Family a share of its own", access=admin_only, status=201)
def add_folder(body: NewFolder) -> FolderView:
    """One that is there already keeps its capitals."""
    with station().db.writing() as session:
        folder = service.add_folder(session, station().places, body.name)
        service.start_settling(session)
        return _folder(folder)


@room.route("DELETE", "/folders/<int:folder_id>", summary="End a folder’s own share", access=admin_only)
def remove_folder(folder_id: int) -> None:
    """The folder stays, with all that is in it."""
    with station().db.writing() as session:
        service.remove_folder(session, folder_id)
        service.start_settling(session)


@room.route("PUT", "/people/<int:user_id>/mac", summary="Give a person’s Mac room for its backups", access=admin_only)
def give_room(user_id: int, body: RoomForMac) -> PersonView:
    """On the first HOT drive; not copied to COLD drives."""
    with station().db.writing() as session:
        service.give_room(session, user_id, body.gigabytes)
        service.start_settling(session)
        session.flush()
        return next(person for person in _people(session) if person.user_id == user_id)


@room.route("POST", "/self-test", summary="Try the shares like a computer", access=admin_only, status=202)
def try_shares() -> JobView:
    """The job's result says which steps went well, its error which one did not."""
    with station().db.writing() as session:
        return job_view(service.start_self_test(session, me().id))


def _folder(folder: SmbFolder) -> FolderView:
    return FolderView(folder.id, folder.name, folder.drive_id)


def _people(session: Session) -> list[PersonView]:
    ids = [None, *session.scalars(select(SmbFolder.id).order_by(SmbFolder.name))]
    chosen, names = wanted.levels(session), wanted.names_of_family(session)
    return [
        PersonView(
            one.user.id,
            one.user.name,
            one.problem if isinstance(one.problem, Message | None) else Message(one.problem),
            one.has_password,
            one.time_machine_gb,
            names[one.user.id],
            [RightView(number, chosen.get((one.user.id, number), Level.CHANGE)) for number in ids],
        )
        for one in wanted.people(session)
    ]
