"""Who may import what, and who sees which import.

An admin brings in for anybody, from anything but another person's folder.  A member brings in for themselves: from a
share of another computer, from a folder of their own or of the family's, and from a card that is known as theirs; whose
a new card is, an admin says.  An import is seen by whoever's photos they become, by whoever asked for it, and by admins
when it came from a drive that is plugged into the station.
"""

import unicodedata

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from appliance.drives.inventory import Found
from appliance.drives.layout import FAMILY
from appliance.errors import Forbidden, Invalid, NotFound
from appliance.people.models import Role, User, UserState
from appliance.places import Places
from appliance.words import N_, Message
from plugins.importer import service
from plugins.importer.models import ImportRun, ImportSource, SourceKind


def is_admin(person: User) -> bool:
    """Whether they manage the station."""
    return person.role is Role.ADMIN


def whose(person: User, user_id: int | None) -> int:
    """Whose photos they become: one's own unless something else was chosen.  Raises Forbidden."""
    if user_id is None or user_id == person.id:
        return person.id
    if not is_admin(person):
        raise Forbidden()
    return user_id


def seen_by(person: User) -> ColumnElement[bool]:
    """The runs that somebody sees, where their sources are joined."""
    theirs = [ImportSource.user_id == person.id, ImportRun.asked_by == person.id]
    if is_admin(person):
        theirs.append(ImportSource.kind == SourceKind.DRIVE)
    return or_(*theirs)


def run_of(session: Session, person: User, run_id: int) -> tuple[ImportRun, ImportSource]:
    """A run and its source.  Raises NotFound, also when it is none of theirs."""
    wanted = select(ImportRun).join(ImportSource, ImportSource.id == ImportRun.source_id)
    if session.scalar(wanted.where(ImportRun.id == run_id, seen_by(person))) is None:
        raise NotFound(what="import")
    return service.get(session, run_id)


def drives(session: Session, places: Places, person: User) -> list[Found]:
    """What is plugged in: for a member, what is known as theirs."""
    found = service.drives(session, places)
    if is_admin(person):
        return found
    mine = set(session.scalars(select(ImportSource.key).where(ImportSource.user_id == person.id)))
    return [one for one in found if service.key_of(one) in mine]


def from_drive(session: Session, places: Places, person: User, device: str) -> service.Wanted:
    """A drive that is plugged in.  Raises NotFound."""
    if all(found.device != device for found in drives(session, places, person)):
        raise NotFound(what="drive")
    return service.from_drive(session, places, device)


def from_folder(session: Session, person: User, drive_id: int, folder: str) -> service.Wanted:
    """A folder of a HOT drive that is nobody else's.  Raises Invalid."""
    wanted = service.from_folder(session, drive_id, folder)
    top = _alike(wanted.place["folder"].partition("/")[0])
    if top in (_alike(person.folder), _alike(FAMILY)):
        return wanted
    if not is_admin(person):
        template = N_("Enter a folder of your own, such as {folder}.")
        raise Invalid({"folder": Message(template, {"folder": f"{person.folder}/Files/Takeout"})})
    living = session.scalars(select(User).where(User.state.in_((UserState.ACTIVE, UserState.DISABLED))))
    if owner := next((user for user in living if _alike(user.folder) == top), None):
        template = N_("This folder is {person}’s, who can import from it.")
        raise Invalid({"folder": Message(template, {"person": owner.name})})
    return wanted


def _alike(name: str) -> str:
    """Equal for names that a drive may take for the same."""
    return unicodedata.normalize("NFC", name).casefold()
