"""When and where a photo was taken, as somebody said it elsewhere: Google's JSON, Apple's table, another program's XMP.

Its own bytes count more, except for a date that is days away: then somebody has put it right.  What is said lives in
the columns that the bytes fill otherwise, marked as said (``taken_from`` "owner", ``told_place``), and in the file
beside the photo, so that it survives the database.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.library import locating
from appliance.library.models import Media

OWNER = "owner"  # ``Media.taken_from``: somebody said it
FROM_BYTES = ("exif", "video")
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Origin:
    """A moment without a zone is what the camera's clock showed, where the station is."""

    taken: datetime | None = None
    latitude: float | None = None
    longitude: float | None = None


NOT_SAID = Origin()


def of(session: Session, media_ids: Sequence[int]) -> dict[int, Origin]:
    """What somebody said of these photos; not what their bytes say."""
    said = case((Media.taken_from == OWNER, Media.taken))
    latitude, longitude = (case((Media.told_place, column)) for column in (Media.latitude, Media.longitude))
    rows = session.execute(select(Media.id, said, latitude, longitude).where(Media.id.in_(media_ids)))
    return {row[0]: Origin(*row[1:]) for row in rows}


def better(said: datetime | None, bytes_say: datetime | None, moment: datetime) -> bool:
    """Whether what is said of the time counts more than what the bytes say."""
    if said is None or said > moment + ONE_DAY:
        return False
    return bytes_say is None or abs(bytes_say - said) > ONE_DAY


def say(session: Session, media_id: int, origin: Origin, here: tzinfo, *, written: bool, ours: bool = True) -> None:
    """Let a photo's row say so where it counts.

    ``written``: the file beside it says so already; not ``ours``: another program wrote that file.
    """
    media = session.execute(
        select(Media.taken, Media.taken_from, Media.latitude, Media.longitude, Media.told_place).where(
            Media.id == media_id
        )
    ).one()
    facts: dict[str, Any] = {}
    taken = origin.taken.replace(tzinfo=here) if origin.taken and origin.taken.tzinfo is None else origin.taken
    bytes_say = media.taken if media.taken_from in FROM_BYTES else None
    if taken and (taken, OWNER) != (media.taken, media.taken_from) and better(taken, bytes_say, now()):
        facts |= dated(taken, here)
    place = {"latitude": origin.latitude, "longitude": origin.longitude}
    free = media.latitude is None or media.told_place
    if None not in place.values() and free and place != {name: getattr(media, name) for name in place}:
        facts |= place | locating.named(origin.latitude, origin.longitude) | {"told_place": True}
    if facts:
        facts |= ({} if written else {"written": False}) | ({"edited": now()} if ours else {})
        session.execute(update(Media).where(Media.id == media_id).values(**facts))


def dated(taken: datetime, here: tzinfo) -> dict[str, Any]:
    """The columns of a date that somebody said."""
    shown = taken.astimezone(here)
    return {"taken": taken.astimezone(UTC), "taken_from": OWNER, "month": shown.year * 100 + shown.month}
