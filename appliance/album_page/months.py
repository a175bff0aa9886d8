"""A month of photos as the page reads it: one line an item, paths percent-encoded byte for byte."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple
from urllib.parse import quote

from appliance.album_page.pictures import Wanted, wanted
from appliance.album_page.rows import Photo
from appliance.album_page.shelf import as_script
from appliance.drives.models import DriveRole
from appliance.library.models import MediaKind

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PHOTO, VIDEO = 0, 1


@dataclass(frozen=True)
class Month:
    """What is shown of one month of one person."""

    content: str  # of its script
    pictures: list[Wanted]  # one for each item
    shared: int

    @property
    def count(self) -> int:
        """How many items are shown."""
        return len(self.pictures)


class _Line(NamedTuple):
    """An item, ready but for its place among the others: little, since a month may have a hundred thousand."""

    id: int
    shown_with: int | None  # the item that stands for a Live photo's film, a raw file, a burst
    folder: int
    name: str
    is_shared: bool
    picture: Wanted
    text: str


def month(photos: Iterable[Photo], role: DriveRole, zone: tzinfo) -> Month:
    """``folders`` once; ``items``, the oldest first; ``also``: [item's id, folder, name] of what is shown with one."""
    folders: dict[bytes, int] = {}
    lines = [_line(photo, folders.setdefault(photo.place, len(folders)), role, zone) for photo in photos]
    ids = {line.id for line in lines}
    shown = [line for line in lines if line.shown_with not in ids]
    also = [[line.shown_with, line.folder, line.name] for line in lines if line.shown_with in ids]
    items = ",".join(line.text for line in shown)
    places = as_script([quote(place) for place in folders])
    content = f'{{"folders":{places},"items":[{items}],"also":{as_script(also)}}}'
    return Month(content, [line.picture for line in shown], sum(line.is_shared for line in shown))


def _line(photo: Photo, folder: int, role: DriveRole, zone: tzinfo) -> _Line:
    name = quote(photo.name, safe="")
    picture = wanted(photo)
    text = as_script(item(photo, folder, name, role, zone))
    return _Line(photo.id, photo.stack_id, folder, name, photo.shared, picture, text)


def item(photo: Photo, folder: int, name: str, role: DriveRole, zone: tzinfo) -> list[Any]:
    """[id, kind, when, folder, name, bytes, width, height, shared, picture, more].

    ``when``: seconds since 1970 on the family's clock.  ``picture``: the digest on HOT, whose previews are files; else
    whether a pack has it.  ``more`` is left out where nothing is said: title, description, tags (``g``), place, camera,
    seconds, rating, favourite by their first letters.
    """
    held = wanted(photo)
    line = [
        photo.id,
        VIDEO if photo.kind is MediaKind.VIDEO else PHOTO,
        int((photo.taken.astimezone(zone).replace(tzinfo=UTC) - _EPOCH).total_seconds()),
        folder,
        name,
        photo.size,
        photo.width or 0,
        photo.height or 0,
        int(photo.shared),
        held[1].hex() if held and role is DriveRole.HOT else int(held is not None),
    ]
    place = ", ".join(filter(None, (photo.town, photo.country)))
    more: dict[str, Any] = {"t": photo.title, "d": photo.description, "g": photo.words, "p": place, "c": photo.camera}
    more |= {"s": photo.seconds, "r": photo.rating, "f": int(photo.favourite)}
    said = {letter: value for letter, value in more.items() if value}
    return [*line, said] if said else line
