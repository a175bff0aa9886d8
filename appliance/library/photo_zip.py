"""Photos by their ids as the files of one ZIP: those that this person may see, from whichever drives they are on."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.backup.catalogue import CHUNK, chunk
from appliance.drives.mounts import Mount, mount_of
from appliance.errors import NotFound
from appliance.library import folders, visible
from appliance.library.catalogue import joined
from appliance.library.folders import Place
from appliance.library.models import Folder, Media, StoredFile
from appliance.library.zipping import MOST, Part, TooMany, distinct
from appliance.people.models import User
from appliance.places import Places


def parts_of(session: Session, places: Places, viewer: User, ids: Sequence[int]) -> tuple[list[Part], list[str]]:
    """The files, and the names of those that are gone.  Raises NotFound, TooMany, DriveMissing, DriveGone."""
    if len(ids) > MOST:
        raise TooMany()
    mounts: dict[int, Mount] = {}
    found, lost = [], []
    for drive_id, path in _paths(session, viewer, ids):
        if drive_id not in mounts:
            mounts[drive_id] = mount_of(session, places, drive_id)
        place, name = Place(mounts[drive_id], path), folders.shown(path.rpartition(b"/")[2])
        try:
            facts = folders.kind(place)
        except NotFound:
            lost.append(name)
        else:
            found.append(Part(place.mount, path, name, facts.st_size, facts.st_mtime))
    if not found and not lost:
        raise NotFound(what="photo")
    return distinct(found), lost


def _paths(session: Session, viewer: User, ids: Sequence[int]) -> list[tuple[int, bytes]]:
    rows: list[tuple[int, bytes]] = []
    for at in range(0, len(ids), CHUNK):
        wanted = (
            select(Folder.drive_id, Folder.path, StoredFile.name)
            .select_from(Media)
            .join(StoredFile, StoredFile.id == Media.file_id)
            .join(Folder, Folder.id == StoredFile.folder_id)
            .where(Media.id.in_(chunk(ids, at)), visible.by_person(viewer))
            .order_by(Media.taken, Media.id)
        )
        rows += [(drive_id, joined(path, name)) for drive_id, path, name in session.execute(wanted)]
    return rows
