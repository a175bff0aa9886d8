"""Whose photos somebody may look at: one's own; an admin also those of a person who was archived."""

from sqlalchemy.orm import Session

from appliance.errors import Forbidden
from appliance.people.models import Role, User, UserState
from appliance.words import N_


def whose(session: Session, viewer: User, person_id: int | None) -> User:
    """The person whose timeline ``viewer`` asks for; None is their own.  Raises Forbidden, also for nobody's."""
    if person_id is None or person_id == viewer.id:
        return viewer
    person = session.get(User, person_id)
    if viewer.role is not Role.ADMIN or person is None or person.state is not UserState.ARCHIVED:
        raise NotYours()
    return person


class NotYours(Forbidden):
    """Photos are private; being an admin does not change that."""

    code = "not_yours"
    template = N_("Photos are shown only to the person they belong to.")
