"""Bringing the page of one drive up to date: only the months and packs that changed are written.

In rounds: the rows are gone through, at most ``ROUND`` packs of pictures are made, and the index is replaced; then
again until nothing is left.  A round is what a pulled plug may cost, and what has to be held in memory.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from appliance.album_page import months, pictures, rows
from appliance.album_page.months import Month
from appliance.album_page.pictures import Packer, Wanted
from appliance.album_page.reach import open_the_way
from appliance.album_page.shelf import Shelf, as_script, name_of
from appliance.db import Database
from appliance.drives.models import DriveRole
from appliance.drives.mounts import Mount
from appliance.errors import OutOfSpace
from appliance.jobs.progress import Progress
from appliance.jobs.schedule import time_zone_name
from appliance.library import room
from appliance.words import N_

ROUND = 500  # packs
ENOUGH = 64 << 20  # bytes that a pack and what goes with it may need, besides what uploads leave free


@dataclass
class Built:
    """What an update did."""

    photos: int = 0
    packs: int = 0  # written
    is_new: bool = False  # the page shows something else than before


@dataclass
class _Round:
    """The page as it will be after a round."""

    index: dict[str, Any]
    photos: int = 0
    missing: list[tuple[int, list[str], int, Sequence[Wanted]]] = field(
        default_factory=list
    )  # year, packs, place, pack
    is_last: bool = True


def build(
    progress: Progress,
    drive: Mount,
    role: DriveRole,
    *,
    hots: Sequence[Mount] = (),
    flush: Callable[[], None],
    share: tuple[int, int] = (0, 100),
) -> Built:
    """Bring a drive's page up to date.  ``hots``: where a COLD drive's pictures come from.

    Raises DriveGone, OutOfSpace, NotWritable; Stopped, after what was made is kept.
    """
    built = Built()
    with room.opened(drive) as root:
        open_the_way(root)
        shelf, packer = Shelf(root, flush), Packer(hots)
        try:
            while True:
                turn = _look(progress.db, shelf, drive, role)
                built.photos = turn.photos
                try:
                    built.packs += _fill(progress, shelf, packer, drive, turn, share)
                finally:
                    built.is_new |= shelf.commit(turn.index)
                progress.got_on()
                if turn.is_last:
                    return built
        finally:
            packer.close()
            shelf.close()


def _look(db: Database, shelf: Shelf, drive: Mount, role: DriveRole) -> _Round:
    """Go through the rows, write the months that changed, and note the packs that are missing."""
    with db.reading() as session:
        zone = ZoneInfo(time_zone_name(session))
        people: dict[int, dict[str, Any]] = {
            person.id: {"id": person.id, "name": person.name, "colour": person.colour, "emoji": person.emoji}
            | {"months": [], "albums": _albums(shelf, list(rows.albums(session, drive.drive_id, role, person)))}
            for person in rows.people(session)
        }
    written = datetime.now(zone).date().isoformat()
    turn = _Round({"drive": {"name": drive.name, "tag": drive.tag, "role": role.value}, "written": written})
    with db.engine.connect() as connection, connection.begin():
        for user_id, number, photos in rows.months(connection, drive.drive_id, role):
            month = months.month(photos, role, zone)
            turn.photos += month.count
            people[user_id]["months"].append(_month(shelf, turn, number, month, role))
    turn.index["people"] = [person for person in people.values() if person["months"] or person["albums"]]
    return turn


def _month(shelf: Shelf, turn: _Round, number: int, month: Month, role: DriveRole) -> dict[str, Any]:
    year = number // 100
    file = shelf.put(year, "photos", month.content.encode())
    packs: list[str] = []
    for pack in pictures.packs_of(month.pictures) if role is DriveRole.COLD else ():
        name = name_of(year, "pictures", pictures.sign_of(pack)) if any(pack) else ""
        if name and not shelf.has(name):
            if len(turn.missing) < ROUND:
                turn.missing.append((year, packs, len(packs), pack))
            else:
                turn.is_last = False
            name = ""
        packs.append(name)
    return {"month": number, "count": month.count, "shared": month.shared, "file": file, "packs": packs}


def _albums(shelf: Shelf, albums: Sequence[rows.AlbumSeen]) -> list[dict[str, Any]]:
    described = []
    for album in albums:
        file = shelf.put(max(item.month for item in album.items) // 100, "album", as_script(album.items).encode())
        about = {"title": album.title, "description": album.description, "owner": album.owner_id}
        described.append(about | {"count": len(album.items), "cover": list(album.items[-1]), "file": file})
    return described


def _fill(progress: Progress, shelf: Shelf, packer: Packer, drive: Mount, turn: _Round, share: tuple[int, int]) -> int:
    """Make the packs that are missing; how many.  What is made so far is in the index, also when this raises."""
    for done, (year, packs, place, pack) in enumerate(turn.missing):
        progress.step(N_("Making the page of photos"), done, len(turn.missing), unit=N_("packs"), share=share)
        if room.free(drive) < ENOUGH:
            raise OutOfSpace(drive=drive.name, needed=room.said(ENOUGH), free=room.said(room.free(drive)))
        held, content = packer.pack(pack)
        if any(held):
            packs[place] = shelf.put(year, "pictures", content, pictures.sign_of(held))
    return len(turn.missing)
