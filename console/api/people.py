"""People by the API: what an admin may do for the family."""

from dataclasses import dataclass, field
from datetime import datetime

from appliance.errors import Forbidden
from appliance.people import service
from appliance.people.models import Role, User, UserState
from appliance.people.service import Fate
from console.access import address, admin_only, by, me, public
from console.api import auth
from console.api.jobs import JobView, job_view
from console.api.routes import route
from console.station import station


@dataclass(frozen=True)
class PersonView:
    """A member of the family."""

    id: int
    name: str
    folder: str
    role: Role
    state: UserState
    colour: str
    emoji: str
    language: str
    created: datetime


@dataclass(frozen=True)
class Claim:
    """What makes the first admin: the code on the label."""

    code: str = field(repr=False)
    name: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class NewPerson:
    """Somebody to add; a browser that adds an admin sends the caller's own password, too."""

    name: str
    password: str = field(repr=False)
    role: Role = Role.MEMBER
    own_password: str = field(default="", repr=False)


@dataclass(frozen=True)
class PersonChange:
    """Only the fields that are sent are changed; a browser that makes an admin sends the caller's own password."""

    name: str | None = None
    role: Role | None = None
    colour: str | None = None
    emoji: str | None = None
    enabled: bool | None = None
    own_password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Reset:
    """A new password for somebody who forgot theirs; a browser sends the caller's own, too."""

    new_password: str = field(repr=False)
    own_password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Removal:
    """What becomes of the files; ``heir`` is the id of who gets them when they are handed over.

    A browser sends the caller's own password, too.
    """

    fate: Fate
    heir: int | None = None
    own_password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Removed:
    """``job`` moves the files, where they are handed over."""

    job: JobView | None


def person_view(user: User) -> PersonView:
    """A row as the API shows it."""
    return PersonView(
        user.id, user.name, user.folder, user.role, user.state, user.colour, user.emoji, user.language, user.created
    )


@route("POST", "/claim", summary="Claim the station with the code on its label", access=public, status=201)
def claim(body: Claim) -> PersonView:
    """Works once in the life of a station."""
    with station().db.writing() as session:
        identity = station().identity
        return person_view(service.claim(session, identity, body.code, body.name, body.password, address()))


@route("GET", "/people", summary="Everybody", access=admin_only)
def listing() -> list[PersonView]:
    """By name; without those who were removed."""
    with station().db.reading() as session:
        return [person_view(user) for user in service.listing(session)]


@route("POST", "/people", summary="Add a person", access=admin_only, status=201)
def add(body: NewPerson) -> PersonView:
    """The folder on the drive is made when their first file arrives."""
    with station().db.writing() as session:
        if body.role is Role.ADMIN:
            auth.confirm(session, body.own_password)
        return person_view(service.add(session, by(), name=body.name, password=body.password, role=body.role))


@route("GET", "/people/<int:user_id>", summary="One person")
def one(user_id: int) -> PersonView:
    """Yourself; an admin, anybody."""
    if user_id != me().id and me().role is not Role.ADMIN:
        raise Forbidden()
    with station().db.reading() as session:
        return person_view(service.get(session, user_id))


@route("PATCH", "/people/<int:user_id>", summary="Rename, enable, disable, change role or picture", access=admin_only)
def change(user_id: int, body: PersonChange) -> PersonView:
    """All of it or none."""
    with station().db.writing() as session:
        user = service.get(session, user_id)
        if body.role is Role.ADMIN and user.role is not Role.ADMIN:
            auth.confirm(session, body.own_password)
        if body.name is not None:
            service.rename(session, by(), user, body.name)
        if body.colour is not None or body.emoji is not None:
            colour = user.colour if body.colour is None else body.colour
            service.change_picture(user, colour, user.emoji if body.emoji is None else body.emoji)
        if body.enabled is not None:
            (service.enable if body.enabled else service.disable)(session, by(), user)
        if body.role is not None:
            service.change_role(session, by(), user, body.role)
        return person_view(user)


@route("PUT", "/people/<int:user_id>/password", summary="Set somebody's password", access=admin_only)
def reset(user_id: int, body: Reset) -> None:
    """Ends their sign-ins and API tokens."""
    with station().db.writing() as session:
        auth.confirm(session, body.own_password)
        service.reset_password(session, by(), service.get(session, user_id), body.new_password)


@route("POST", "/people/<int:user_id>/removal", summary="Remove a person; no file is deleted", access=admin_only)
def remove(user_id: int, body: Removal) -> Removed:
    """Keep the files, archive them, or hand them over to somebody else."""
    with station().db.writing() as session:
        auth.confirm(session, body.own_password)
        heir = None if body.heir is None else service.get(session, body.heir)
        job = service.remove(session, by(), service.get(session, user_id), body.fate, heir)
    return Removed(None if job is None else job_view(job))
