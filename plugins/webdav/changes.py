"""Changes that a client makes to the tree, each true on the drive before it is told, with the rows in step.

What is true if the plug is pulled: a rename is flushed before its rows are committed; rows that are behind are put
right by the next walk over the drive, and what people said of a photo is kept by its bytes.
"""

import contextlib
import os
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import func, update

from appliance.db import Database
from appliance.drives.mounts import Mount
from appliance.errors import ApplianceError
from appliance.library import bin as library_bin
from appliance.library import catalogue, moving, room, spool
from appliance.library.arrivals import Arrival, Stored
from appliance.library.beneath import make_folder, open_beneath
from appliance.library.ingest import Ingest
from appliance.library.models import Folder, Media, StoredFile
from appliance.library.uploads import LARGEST
from plugins.webdav.models import WebdavChecksum
from plugins.webdav.tree import Entry, Parts, Place, Tree

Read = Callable[[int], bytes]
YOUNGEST = datetime(2107, 1, 1, tzinfo=UTC)  # the last year that exFAT knows


class Changes:
    """What clients do to files; one per process."""

    def __init__(self, db: Database, door: Ingest) -> None:
        self.db, self.door = db, door

    def target(self, tree: Tree, parts: Parts, size: int, there: Entry | None) -> Place:
        """Where a file of this path is to be written: in place of the one that is there, else where there is room."""
        path = tree.path_of(parts)
        if there is not None and not there.is_folder:
            room.check(there.place.mount, size)
            return there.place
        return Place(room.choose(tree.mounts, size), path)

    def store(
        self, tree: Tree, place: Place, body: Place, modified: datetime | None, digest: bytes | None = None
    ) -> Stored:
        """Make the file ``body`` of a drive's incoming folder the file at ``place``; it is gone in any case.

        Raises what the library's door raises.
        """
        try:
            if body.mount.drive_id != place.mount.drive_id:
                body = Place(place.mount, spool.carry_over(body.mount, body.path, place.mount))
            user = tree.user
            name = os.fsdecode(place.path.rpartition(b"/")[2])
            arrival = Arrival(user.id, user.folder, name, modified=_sensible(modified), path=place.path)
            return self.door.take(place.mount, body.path, arrival, digest=digest)
        except BaseException:
            with contextlib.suppress(ApplianceError, OSError):  # the first error is the one to tell
                spool.discard(body.mount, body.path)
            raise

    def receive(self, mount: Mount, read: Read) -> Place:
        """Write a body that did not come through nginx into the incoming folder."""
        return Place(mount, spool.receive(mount, read, LARGEST))

    def keep_checksum(self, stored: Stored, checksum: str) -> None:
        """Remember a checksum that was found right."""
        with self.db.writing() as session:
            session.merge(WebdavChecksum(file_id=stored.file_id, digest=stored.digest, checksum=checksum))

    def make(self, tree: Tree, parts: Parts) -> None:
        """A new folder, where its parent is.  Raises FileExistsError."""
        path, parent = tree.path_of(parts), tree.find(parts[:-1], known=False)
        mount = parent.place.mount if parent and parent.places else room.choose(tree.mounts, 0)
        room.check(mount, 0)
        with room.opened(mount) as root:
            folder = make_folder(root, path.rpartition(b"/")[0])
            try:
                os.mkdir(path.rpartition(b"/")[2], 0o755, dir_fd=folder)
                os.fsync(folder)
            finally:
                os.close(folder)
        self._touched(mount, path)

    def remove(self, tree: Tree, entry: Entry) -> None:
        """Into the bin."""
        for place in entry.places:
            library_bin.put(self.db, place.mount, place.path, user=tree.user.id, by=tree.user.id)
            if entry.is_folder:
                self._touched(place.mount, place.path)

    def move(self, tree: Tree, entry: Entry, parts: Parts) -> None:
        """Rename; nothing has the new name.  A photo takes the file beside it along."""
        target = tree.path_of(parts)
        for place in entry.places:
            with room.opened(place.mount) as root:  # the folder may be on another drive only
                os.close(make_folder(root, target.rpartition(b"/")[0]))
            moving.move_to(self.db, tree.user, place.mount, place.path, target)
            if entry.is_folder:
                self._touched(place.mount, place.path)
                self._touched(place.mount, target)

    def copy(self, tree: Tree, entry: Entry, parts: Parts) -> Stored:
        """A file once more, under another name."""
        assert entry.facts is not None
        place = self.target(tree, parts, entry.facts.st_size, tree.find(parts, known=False))
        body = _copied(entry.place, place.mount)
        modified = datetime.fromtimestamp(int(entry.facts.st_mtime), UTC)
        return self.store(tree, place, body, modified, entry.row.digest if entry.row else None)

    def date(self, entry: Entry, modified: datetime) -> None:
        """Date a file anew, as sync programs do."""
        place, seconds = entry.place, int(_sensible(modified).timestamp())  # type: ignore[union-attr]
        with room.opened(place.mount) as root:
            fd = open_beneath(root, place.path, os.O_RDONLY)
            try:
                os.utime(fd, (seconds, seconds))
                os.fsync(fd)
                modified_ns = os.fstat(fd).st_mtime_ns
            finally:
                os.close(fd)
        if entry.row is not None and not entry.is_folder:
            with self.db.writing() as session:
                session.execute(
                    update(StoredFile).where(StoredFile.id == entry.row.file_id).values(modified_ns=modified_ns)
                )

    def favour(self, tree: Tree, entry: Entry, favourite: bool) -> bool:
        """Mark a photo of one's own as a favourite; False for what cannot be one."""
        if entry.row is None or entry.row.media_id is None:
            return False
        with self.db.writing() as session:
            media = session.get(Media, entry.row.media_id)
            if media is None or media.user_id != tree.user.id:
                return False
            media.favourite, media.written = favourite, False
        return True

    def _touched(self, mount: Mount, path: bytes) -> None:
        """A folder came or went: the etags above it change."""
        with self.db.writing() as session:
            number = catalogue.folder_id(session, mount.drive_id, path)
            session.execute(update(Folder).where(Folder.id == number).values(version=func.random()))


def used_by(tree: Tree) -> int:
    """Bytes of a person's files; the folders' sums are kept by triggers."""
    with tree.db.reading() as session:
        return catalogue.bytes_below(session, tree.drives, [tree.user.folder.encode()])


def _sensible(moment: datetime | None) -> datetime | None:
    """A date that every filesystem can keep."""
    return moment if moment is None or datetime(1980, 1, 2, tzinfo=UTC) <= moment < YOUNGEST else None


def _copied(source: Place, mount: Mount) -> Place:
    name = spool.part_name(spool.new_id())
    with room.opened(source.mount) as root, room.incoming(mount) as (_, folder):
        original = open_beneath(root, source.path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            target = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
            try:
                spool.append_file(original, target, 0)
            except BaseException:
                os.unlink(name, dir_fd=folder)
                raise
            finally:
                os.close(target)
        finally:
            os.close(original)
    return Place(mount, name)
