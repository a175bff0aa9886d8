"""Photos that look the same: 64 bits of each (made in the sandbox), compared with few others instead of with all.

Two that differ in at most three bits have one quarter in common, and most that differ in five do; so a new photo is
compared with those that share a quarter.  What is found is kept as pairs, since a page cannot compare a million.
"""

from collections.abc import Iterator

from sqlalchemy import delete, or_, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from appliance.library.models import LikenessBucket, LikenessPair, Media, StoredFile

ALIKE = 5  # bits that may differ
MOST_COMPARED = 500  # newest photos that share a quarter; only pictures of nothing have more
MOST_SAME = 50
PLAIN = 6  # fewer ones, or fewer zeros: a picture of one colour, which looks like every other


def distance(one: int, other: int) -> int:
    """In how many bits two differ."""
    return ((one ^ other) & (2**64 - 1)).bit_count()


def is_telling(bits: int) -> bool:
    """Whether a picture has anything to compare."""
    return PLAIN <= (bits & (2**64 - 1)).bit_count() <= 64 - PLAIN


def buckets(bits: int) -> list[int]:
    """The four quarters, each with its number before it."""
    whole = bits & (2**64 - 1)
    return [number << 16 | (whole >> 16 * number) & 0xFFFF for number in range(4)]


def note(session: Session, media_id: int) -> None:
    """Find and keep what looks like this photo, or is the same; what was known of it before is forgotten."""
    session.execute(delete(LikenessBucket).where(LikenessBucket.media_id == media_id))
    mine = or_(LikenessPair.media_id == media_id, LikenessPair.other_id == media_id)
    session.execute(delete(LikenessPair).where(mine, LikenessPair.different.is_(False)))
    row = session.execute(
        select(Media.likeness, StoredFile.digest)
        .join(StoredFile, StoredFile.id == Media.file_id)
        .where(Media.id == media_id)
    ).first()
    if row is None:
        return
    found = dict(_same(session, media_id, row.digest))
    if row.likeness is not None and is_telling(row.likeness):
        found = dict(_alike(session, media_id, row.likeness)) | found
        session.execute(
            insert(LikenessBucket), [{"bucket": bucket, "media_id": media_id} for bucket in buckets(row.likeness)]
        )
    if found:
        pairs = [
            {"media_id": max(media_id, other), "other_id": min(media_id, other), "distance": bits}
            for other, bits in found.items()
        ]
        session.execute(insert(LikenessPair).on_conflict_do_nothing(), pairs)


def _same(session: Session, media_id: int, digest: bytes | None) -> Iterator[tuple[int, int]]:
    """The same bytes, whatever they are."""
    if digest is not None:
        same = select(Media.id).join(StoredFile, StoredFile.id == Media.file_id)
        for other in session.scalars(same.where(StoredFile.digest == digest, Media.id != media_id).limit(MOST_SAME)):
            yield other, 0


def _alike(session: Session, media_id: int, bits: int) -> Iterator[tuple[int, int]]:
    near = (
        select(Media.id, Media.likeness)
        .join(LikenessBucket, LikenessBucket.media_id == Media.id)
        .where(LikenessBucket.bucket.in_(buckets(bits)), Media.id != media_id)
        .distinct()
        .order_by(Media.id.desc())
        .limit(MOST_COMPARED)
    )
    for other, likeness in session.execute(near):
        if likeness is not None and (bits_apart := distance(bits, likeness)) <= ALIKE:
            yield other, bits_apart
