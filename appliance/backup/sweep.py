"""After a run that was cut off: what lies at a final place on COLD without a row goes to ``Older versions/``.

Such a file was renamed into place right before the plug was pulled, and HOT has moved on since.  Nothing is deleted.
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.backup import catalogue, medium, older
from appliance.backup.models import ColdFolder
from appliance.backup.older import Leaving, Shelf
from appliance.backup.versions import remove_empty
from appliance.db import Database, now
from appliance.drives.mounts import Mount
from appliance.jobs.progress import Progress
from appliance.library.listing import Listing
from appliance.library.models import Folder
from appliance.library.scan import walk
from appliance.words import N_


def put_strays_away(progress: Progress, shelf: Shelf, hots: Sequence[Mount]) -> int:
    """Look through the copies of these HOT drives; the number of files put away.  Reads directories only."""
    strays = 0
    for hot in hots:
        top = shelf.cold.path / hot.tag
        if not top.is_dir():
            continue
        for listing in walk(top):
            leaving = _strays(progress.db, shelf, hot, listing)
            shelf.put_away(leaving)
            if leaving:
                remove_empty(shelf.cold, hot.tag, listing.path)
            strays += len(leaving)
            progress.step(N_("Tidying up"), strays, unit=N_("files"), share=(85, 86))
    return strays


def _strays(db: Database, shelf: Shelf, hot: Mount, listing: Listing) -> list[Leaving]:
    with db.reading() as session:
        found = _folder(session, shelf.cold.drive_id, hot.drive_id, listing.path)
        held = catalogue.held(session, shelf.cold.drive_id, found) if found else {}
    names = {row.stored_as or name for name, row in held.items()}
    strays = [entry for entry in listing.files if entry.name not in names]
    if not strays:
        return []
    if found is None:
        with db.writing() as session:
            found = catalogue.ensure_folders(session, hot.drive_id, [listing.path])[listing.path]
    leaving = []
    for entry in strays:
        place = catalogue.joined(listing.path, entry.name)
        digest = medium.digest_of_copy(bytes(shelf.cold.path / hot.tag) + b"/" + place)
        leaving.append(
            Leaving(
                tag=hot.tag,
                place=place,
                folder_id=found,
                name=entry.name,
                why=older.VANISHED,
                size=entry.size,
                modified_ns=entry.modified_ns,
                digest=digest,
                since=now(),  # read for the first time just now
            )
        )
    return leaving


def _folder(session: Session, cold_id: int, hot_id: int, place: bytes) -> int | None:
    """The folder whose copy lies at a place."""
    moved = session.scalar(
        select(ColdFolder.folder_id)
        .join(Folder, Folder.id == ColdFolder.folder_id)
        .where(ColdFolder.cold_drive_id == cold_id, Folder.drive_id == hot_id, ColdFolder.stored_as == place)
    )
    if moved is not None:
        return moved
    known = catalogue.folders(session, cold_id, hot_id, [place]).get(place)
    return known.folder_id if known and known.stored_as is None else None
