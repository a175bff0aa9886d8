"""A month of photos as the page reads it: one line an item, paths percent-encoded byte for byte."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any
from urllib.parse import quote

from appliance.album_page.rows import Photo
from appliance.drives.models import DriveRole
from appliance.library.models import MediaKind, PreviewState

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PHOTO, VIDEO = 0, 1


def month(photos: Sequence[Photo], role: DriveRole, zone: tzinfo) -> dict[str, Any]:
    """``folders`` once, and ``items``: see :func:`item`; the oldest first."""
    folders: dict[bytes, int] = {}
    items = [item(photo, folders.setdefault(photo.place, len(folders)), role, zone) for photo in photos]
    return {"folders": [quote(place) for place in folders], "items": items}


def item(photo: Photo, folder: int, role: DriveRole, zone: tzinfo) -> list[Any]:
    """[id, kind, when, folder, name, bytes, width, height, shared, picture, more].

    ``when``: seconds since 1970 on the family's clock.  ``picture``: the digest on HOT, whose previews are files; else
    whether a pack has it.  ``more`` is left out where nobody said anything: title, description, tags, camera, seconds,
    rating, favourite by their first letters.
    """
    has_picture = photo.preview is PreviewState.READY and photo.digest is not None
    picture: Any = int(has_picture)
    if role is DriveRole.HOT and photo.digest is not None and has_picture:
        picture = photo.digest.hex()
    line = [
        photo.id,
        VIDEO if photo.kind is MediaKind.VIDEO else PHOTO,
        int((photo.taken.astimezone(zone).replace(tzinfo=UTC) - _EPOCH).total_seconds()),
        folder,
        quote(photo.name, safe=""),
        photo.size,
        photo.width or 0,
        photo.height or 0,
        int(photo.shared),
        picture,
    ]
    more = {"t": photo.title, "d": photo.description, "g": photo.words, "c": photo.camera, "s": photo.seconds}
    more |= {"r": photo.rating, "f": int(photo.favourite)}
    said = {name: value for name, value in more.items() if value}
    return [*line, said] if said else line
