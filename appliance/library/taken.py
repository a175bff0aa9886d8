"""When a photo or video was taken, from its own bytes or its name.

Runs where uploads arrive, on files from anybody, so it is bounded instead of complete (``bounded``): no decoder, and
what it cannot read gives None, never an error.
"""

import re
import struct
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from appliance.library import boxes, exif
from appliance.library.bounded import Bytes, bounded
from appliance.library.formats import AVIF, HEIF, JPEG, PNG, TIFF, WEBP, Format
from appliance.library.models import MediaKind


class Taken(NamedTuple):
    """``wall`` is what the camera's clock showed (naive), ``moment`` the same in UTC, ``source`` where it was found."""

    wall: datetime
    moment: datetime
    source: str


def taken(fd: int, size: int, found: Format, zone: tzinfo, now: datetime) -> Taken | None:
    """When the picture in the open file ``fd`` was taken; a clock without a zone is read as ``zone``'s."""
    whole = bounded(fd, size)
    try:
        if found.kind is MediaKind.VIDEO:
            when, source = boxes.film_date(whole), "video"
        else:
            when, source = _picture(whole, found), "exif"
        return _plausible(when, source, zone, now)
    except (ValueError, OverflowError, struct.error):
        return None


def from_name(name: str, zone: tzinfo, now: datetime) -> Taken | None:
    """The date that phones and messengers put into names: ``IMG_20231105_101112.jpg``, ``IMG-20190102-WA0001.jpg``."""
    match = re.search(r"(?<!\d)((?:19|20)\d\d)-?(\d\d)-?(\d\d)(?:[-_T ]?(\d\d)[-.]?(\d\d)[-.]?(\d\d))?(?!\d{5})", name)
    if not match:
        return None
    try:
        when = datetime(*(int(part or 0) for part in match.groups()))  # type: ignore[arg-type]  # noqa: DTZ001
        return _plausible(when, "name", zone, now)
    except (ValueError, OverflowError):
        return None


def _plausible(when: datetime | None, source: str, zone: tzinfo, now: datetime) -> Taken | None:
    """Leave out the dates that cameras write when they do not know: 1904, 1970, the far future."""
    if when is None:
        return None
    if when.tzinfo is None:
        wall, moment = when, when.replace(tzinfo=zone).astimezone(UTC)
    else:
        moment = when.astimezone(UTC)
        shown = moment.astimezone(zone) if source == "video" and when.tzinfo is UTC else when
        wall = shown.replace(tzinfo=None)
    unset = wall.year in (1904, 1970, 1980) and wall.timetuple()[1:6] == (1, 1, 0, 0, 0)
    if unset or wall.year < 1900 or moment > now + timedelta(days=2):
        return None
    return Taken(wall, moment, source)


def _picture(whole: Bytes, found: Format) -> datetime | None:
    block: Bytes | None = None
    if found is JPEG:
        block = exif.in_jpeg(whole)
    elif found is PNG:
        block = exif.in_chunks(whole, 8, b"eXIf", ">I4s", 4)
    elif found is WEBP:
        block = exif.in_chunks(whole, 12, b"EXIF", "<4sI", 0)
    elif found in (HEIF, AVIF):
        block = boxes.exif_in_heif(whole)
    elif found is TIFF:
        block = whole
    return exif.exif_date(block) if block else None
