"""What a person says belongs together, where the station's guess is not theirs: taken apart, or shown as one.

It is said of photos like a title is, so it lies in the files beside them and outlives the database.
"""

import secrets
from collections.abc import Sequence

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from appliance.errors import Invalid, NotFound
from appliance.library import notes, stacks, visible
from appliance.library.models import Media
from appliance.library.notes import ALONE, Change
from appliance.people.models import User
from appliance.words import N_

MOST = stacks.MOST


def take_apart(session: Session, person: User, media_id: int) -> int:
    """Show each of a group by itself from now on; how many.  Raises NotFound for what is not one's own group."""
    ids = _own_together(session, person, [media_id])
    if len(ids) < 2:
        raise NotFound(what="group")
    _say(session, person, ids, ALONE)
    return len(ids)


def take_out(session: Session, person: User, media_id: int) -> None:
    """Show one of a group by itself from now on; the others stay together.  Raises NotFound."""
    ids = _own_together(session, person, [media_id])
    if len(ids) < 2 or media_id not in ids:
        raise NotFound(what="group")
    notes.edit(session, person, [media_id], Change(grouping=ALONE))
    _decide(session, ids)


def put_together(session: Session, person: User, media_ids: Sequence[int]) -> int:
    """Show photos of one's own as one, with what is shown with them already; how many.  Raises Invalid, NotFound."""
    ids = _own_together(session, person, media_ids)
    if len(ids) < 2:
        raise Invalid({"ids": N_("Choose at least two photos of your own.")})
    if len(ids) > MOST:
        raise Invalid({"ids": N_("These are too many to show as one.")})
    _say(session, person, ids, secrets.token_hex(8))
    return len(ids)


def guess(session: Session, person: User, media_id: int) -> None:
    """Leave it to the station again, for a photo and what its owner grouped with it.  Raises NotFound."""
    ids = _own_together(session, person, [media_id])
    _say(session, person, ids, "")


def _own_together(session: Session, person: User, media_ids: Sequence[int]) -> list[int]:
    """One's own photos among these, and of what is shown with them as one."""
    ids = notes.own(session, person, media_ids)
    if not ids:
        raise NotFound(what="photo")
    roots = {root or own for own, root in session.execute(select(Media.id, Media.stack_id).where(Media.id.in_(ids)))}
    inside = or_(Media.id.in_(roots), Media.stack_id.in_(roots))
    return list(session.scalars(select(Media.id).where(inside, visible.changeable_by(person)).order_by(Media.id)))


def _say(session: Session, person: User, ids: Sequence[int], grouping: str) -> None:
    notes.edit(session, person, ids, Change(grouping=grouping))
    _decide(session, ids)


def _decide(session: Session, ids: Sequence[int]) -> None:
    """All anew, also those of which nothing was said."""
    session.execute(update(Media).where(Media.id.in_(ids)).values(stack_id=None, stack=""))
    for media_id in ids:
        stacks.join(session, media_id)
