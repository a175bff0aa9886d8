"""What somebody deleted here: their phone is told, so that it does not come back by itself."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.backup.catalogue import CHUNK, chunk
from appliance.library.models import Tombstone


def deleted(session: Session, user_id: int, digests: Sequence[bytes]) -> set[bytes]:
    """Which of these a person deleted; whether the same bytes have come back since is another question."""
    found: set[bytes] = set()
    for at in range(0, len(digests), CHUNK):
        stones = select(Tombstone.digest).where(Tombstone.user_id == user_id)
        found.update(session.scalars(stones.where(Tombstone.digest.in_(chunk(digests, at)))))
    return found
