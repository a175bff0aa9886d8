"""Whether a card may be formatted: only when each of its files was read back from HOT and is what the card had.

What a camera keeps for itself does not count; any other file that was not brought in does.
"""

import os
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select, update

from appliance.db import now
from appliance.drives.mounts import mount_of
from appliance.errors import ApplianceError
from appliance.jobs.progress import Progress
from appliance.library import catalogue, room
from appliance.library.beneath import open_beneath
from appliance.library.contents import digest_of
from appliance.library.models import StoredFile
from appliance.people.models import User
from appliance.words import N_
from plugins.importer.models import FileState, ImportFile

#: Indexes, thumbnails and settings that cameras make anew.
CAMERAS_OWN = (".ctg", ".thm", ".lrv", ".ind", ".bnp", ".int", ".inp", ".mpl", ".cpi", ".bdm", ".dsc", ".dat", ".log")
CAMERAS_FILES = ("autprint.mrk", "indexervolumeguid", "wpsettings.dat", "version.txt", "mediapro.xml", "gopro.txt")


def prove(progress: Progress, source_id: int, user: User, since: datetime, share: tuple[int, int]) -> bool:
    """Read back from HOT what this run has not read back; True when all that the source holds is safe."""
    where = (ImportFile.source_id == source_id, ImportFile.state.in_((FileState.DONE, FileState.KNOWN)))
    stale = or_(ImportFile.proven.is_(None), ImportFile.proven < since)
    with progress.db.reading() as session:
        rows = session.scalars(select(ImportFile).where(*where, stale)).all()
    for number, row in enumerate(rows):
        progress.step(N_("Reading back what the drives have"), number, len(rows), unit="files", share=share)
        kept = row.digest is not None and _is_kept(progress, user, row.digest)
        with progress.db.writing() as session:
            proven = now() if kept else None
            session.execute(update(ImportFile).where(ImportFile.id == row.id).values(proven=proven))
    return not unsafe(progress, source_id)


def unsafe(progress: Progress, source_id: int) -> Sequence[str]:
    """Files that are nowhere else, as far as anybody knows."""
    with progress.db.reading() as session:
        open_ = ImportFile.state.in_((FileState.NEW, FileState.UNREADABLE, FileState.LEFT_OUT))
        rows = session.scalars(select(ImportFile.path).where(ImportFile.source_id == source_id, open_)).all()
        unproven = ImportFile.state.in_((FileState.DONE, FileState.KNOWN)) & ImportFile.proven.is_(None)
        more = session.scalars(select(ImportFile.path).where(ImportFile.source_id == source_id, unproven)).all()
    paths = [os.fsdecode(path) for path in (*rows, *more)]
    return [path for path in paths if not _is_cameras_own(path)]


def _is_cameras_own(path: str) -> bool:
    name = path.rpartition("/")[2].lower()
    return name.endswith(CAMERAS_OWN) or name in CAMERAS_FILES


def _is_kept(progress: Progress, user: User, digest: bytes) -> bool:
    """Whether a file of this person on a HOT drive that is here really holds these bytes, read from the medium."""
    with progress.db.reading() as session:
        rows = catalogue.find_by_digest(session, user.id, user.folder, digest)
    for row in rows:
        try:
            with progress.db.reading() as session:
                mount = mount_of(session, progress.places, row.drive_id)
            with room.opened(mount) as root:
                fd = open_beneath(root, row.path, os.O_RDONLY | os.O_NONBLOCK)
                try:
                    os.fsync(fd)
                    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                    same = digest_of(fd) == digest
                finally:
                    os.close(fd)
        except (ApplianceError, OSError):
            continue
        if same:
            with progress.db.writing() as session:
                session.execute(update(StoredFile).where(StoredFile.id == row.file_id).values(proven=now()))
            return True
    return False
