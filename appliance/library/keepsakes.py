"""What was said of bytes whose row went, or that were replaced: a rename on a computer, a photo deleted and sent again.

It is kept per person and digest, and given back when a row of the same person has these bytes again; the album items
of these bytes find their photo at the same moment.  Both is done by triggers (migration 0004), because rows come and
go by many ways: an upload, a walk over the drive, a copy that read a file first.  What was said later wins.

Here is what people do on purpose.
"""

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from appliance.library.models import Keepsake


def give_all(session: Session, person_id: int, heir_id: int) -> None:
    """A person's keepsakes become the heir's, with their files; the heir's own word on the same bytes stays."""
    theirs = select(Keepsake.digest).where(Keepsake.user_id == heir_id)
    session.execute(delete(Keepsake).where(Keepsake.user_id == person_id, Keepsake.digest.in_(theirs)))
    session.execute(update(Keepsake).where(Keepsake.user_id == person_id).values(user_id=heir_id))
