"""A person's files as one tree over every HOT drive: what lies in their folder, and ``Family`` for everybody.

What is there is read from the drives, what is known of it from the rows.  A HOT drive that is not here is an error for
everything: a sync client that saw a tree without its files would delete them on the computer.
"""

import errno
import os
import stat
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from blake3 import blake3
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from appliance.db import Database
from appliance.drives.layout import FAMILY
from appliance.drives.mounts import DriveMissing, Mount, hot_drives, mount_for
from appliance.library import room
from appliance.library.beneath import open_beneath
from appliance.library.catalogue import below, bytes_below, joined
from appliance.library.models import Folder, Media, PreviewState, StoredFile
from appliance.people.models import User
from appliance.places import Places
from plugins.webdav.models import WebdavChecksum
from plugins.webdav.names import BACK, BadName, shown, stored

Parts = tuple[str, ...]
GOOD_FOR_S = 1.0
NOTHING_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV})  # on a drive that was just opened


class Row(NamedTuple):
    """What the library knows of a file."""

    file_id: int
    size: int
    modified_ns: int
    digest: bytes | None
    media_id: int | None
    favourite: bool
    preview: PreviewState | None
    checksum: str


@dataclass(frozen=True)
class Place:
    """Where something lies on one drive."""

    mount: Mount
    path: bytes


@dataclass(frozen=True)
class Entry:
    """A file or folder; a folder may lie on several drives."""

    parts: Parts
    places: tuple[Place, ...]
    facts: os.stat_result | None = None  # None: a folder that is always there
    row: Row | None = None
    number: int = 0  # of the folder's row
    etag: str = field(default="", compare=False)

    @property
    def is_folder(self) -> bool:
        """Whether it can hold others."""
        return self.facts is None or stat.S_ISDIR(self.facts.st_mode)

    @property
    def name(self) -> str:
        """As clients see it."""
        return self.parts[-1] if self.parts else ""

    @property
    def place(self) -> Place:
        """Where its bytes are."""
        return self.places[0]


def parts_in(path: str) -> Parts:
    """The names in a path; a destination may come with signs moved, see ``server``."""
    return tuple(name for name in path.translate(BACK).split("/") if name)


class Tree:
    """One person's tree, as it is during one request."""

    def __init__(self, db: Database, user: User, mounts: Sequence[Mount]) -> None:
        self.db, self.user, self.mounts = db, user, mounts
        self.drives = [mount.drive_id for mount in mounts]

    def path_of(self, parts: Parts) -> bytes:
        """Relative to a drive.  Raises BadName."""
        if parts[:1] == (FAMILY,):
            return "/".join([FAMILY, *map(stored, parts[1:])]).encode()
        return "/".join([self.user.folder, *map(stored, parts)]).encode()

    def find(self, parts: Parts, *, known: bool = True) -> Entry | None:
        """What has this path, None for nothing; with what is known of it if that is wanted.  Raises DriveGone."""
        try:
            path = self.path_of(parts)
        except BadName:
            return None
        places, facts = [], None
        for mount in self.mounts:
            found = _facts(mount, path)
            if found is None or (facts is not None and not stat.S_ISDIR(found.st_mode)):
                continue
            facts = facts or found
            places.append(Place(mount, path))
            if not stat.S_ISDIR(facts.st_mode):
                break
        if facts is None and parts not in ((), (FAMILY,)):
            return None
        entry = Entry(parts, tuple(places), facts)
        return self._known([entry])[0] if known else entry

    def members(self, folder: Entry) -> list[Entry]:
        """What is in a folder, in no order.  Raises DriveGone."""
        found: dict[str, Entry] = {}
        for place in folder.places:
            for name, facts in _listing(place):
                text = shown(name)
                if text is None or (not folder.parts and text == FAMILY):
                    continue
                here = Place(place.mount, joined(place.path, name))
                known = found.get(text)
                if known is None:
                    found[text] = Entry((*folder.parts, text), (here,), facts)
                elif known.is_folder and stat.S_ISDIR(facts.st_mode):
                    found[text] = replace(known, places=(*known.places, here))
        if not folder.parts:
            family = tuple(Place(m, FAMILY.encode()) for m in self.mounts if _facts(m, FAMILY.encode()) is not None)
            found[FAMILY] = Entry((FAMILY,), family)
        return self._known(list(found.values()))

    def size_of(self, folder: Entry) -> int:
        """Bytes of all that the library knows below a folder."""
        tops = [self.path_of(folder.parts)] + ([FAMILY.encode()] if not folder.parts else [])
        with self.db.reading() as session:
            return bytes_below(session, self.drives, tops)

    def _known(self, entries: list[Entry]) -> list[Entry]:
        """The entries with their rows and etags."""
        with self.db.reading() as session:
            rows = _rows(session, [entry for entry in entries if not entry.is_folder])
            versions = _versions(session, self, [entry for entry in entries if entry.is_folder])
        return [
            replace(entry, number=versions[entry.parts][0], etag=versions[entry.parts][1])
            if entry.is_folder
            else _with_row(entry, rows.get((entry.place.mount.drive_id, entry.place.path)))
            for entry in entries
        ]


class Trees:
    """Makes trees; the drives are looked up at most once a second, and every use proves them again."""

    def __init__(self, db: Database, places: Places) -> None:
        self._db, self._places = db, places
        self._looked, self._mounts = -GOOD_FOR_S, list[Mount]()

    def of(self, user: User) -> Tree:
        """Raises DriveMissing when one of the HOT drives is not here, or there is none."""
        if time.monotonic() - self._looked >= GOOD_FOR_S:
            with self._db.reading() as session:
                self._mounts = [mount_for(self._places, drive) for drive in hot_drives(session)]
            self._looked = time.monotonic()
        if not self._mounts:
            raise DriveMissing(drive="HOT")
        return Tree(self._db, user, self._mounts)


def _facts(mount: Mount, path: bytes) -> os.stat_result | None:
    """Of a file or folder; None when there is neither."""
    with room.opened(mount) as root:
        try:
            fd = open_beneath(root, path, os.O_PATH)
        except OSError as error:
            if error.errno not in NOTHING_THERE and room.meaning(error, mount) is not None:
                raise
            return None
        try:
            facts = os.fstat(fd)
        finally:
            os.close(fd)
    return facts if stat.S_ISDIR(facts.st_mode) or stat.S_ISREG(facts.st_mode) else None


def _listing(place: Place) -> Iterable[tuple[bytes, os.stat_result]]:
    found = []
    with room.opened(place.mount) as root:
        folder = open_beneath(root, place.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for name in map(os.fsencode, os.listdir(folder)):  # noqa: PTH208  (the open folder, wherever it is now)
                try:
                    facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(facts.st_mode) or (
                    stat.S_ISDIR(facts.st_mode) and facts.st_dev == place.mount.device_number
                ):
                    found.append((name, facts))
        finally:
            os.close(folder)
    return found


def _with_row(entry: Entry, row: Row | None) -> Entry:
    """A file's etag is that of its bytes where they are known, so that it stays when a drive is replaced."""
    facts = entry.facts
    assert facts is not None
    if row is not None and (row.size, row.modified_ns) != (facts.st_size, facts.st_mtime_ns):
        row = row._replace(digest=None, checksum="")
    stamp = f"{int(facts.st_mtime):x}-{facts.st_size:x}"
    body = row.digest.hex()[:24] if row and row.digest else f"{facts.st_ino:x}"
    return replace(entry, row=row, etag=f"{body}-{stamp}")


def _rows(session: Session, files: Sequence[Entry]) -> dict[tuple[int, bytes], Row]:
    """What is known of files, by drive and path; one question for each folder."""
    wanted: dict[tuple[int, bytes], list[bytes]] = {}
    for entry in files:
        folder, _, name = entry.place.path.rpartition(b"/")
        wanted.setdefault((entry.place.mount.drive_id, folder), []).append(name)
    found = {}
    for (drive_id, folder), names in wanted.items():
        asked = (
            select(
                StoredFile.name,
                StoredFile.id,
                StoredFile.size,
                StoredFile.modified_ns,
                StoredFile.digest,
                Media.id,
                Media.favourite,
                Media.preview,
                WebdavChecksum.digest,
                WebdavChecksum.checksum,
            )
            .join(Folder, Folder.id == StoredFile.folder_id)
            .outerjoin(Media, Media.file_id == StoredFile.id)
            .outerjoin(WebdavChecksum, WebdavChecksum.file_id == StoredFile.id)
            .where(Folder.drive_id == drive_id, Folder.path == folder)
        )
        if len(names) == 1:
            asked = asked.where(StoredFile.name == names[0])
        for name, number, size, modified, digest, media, favourite, preview, of, checksum in session.execute(asked):
            right = checksum if checksum and of == digest else ""
            row = Row(number, size, modified, digest, media, bool(favourite), preview, right)
            found[drive_id, joined(folder, name)] = row
    return found


def _versions(session: Session, tree: Tree, folders: Sequence[Entry]) -> dict[Parts, tuple[int, str]]:
    """The number and etag of folders; the etag is another one after any change of any file below.

    One question covers all: a listing's folders are neighbours.  The top contains the family's folder, too.
    """
    found: dict[Parts, tuple[int, str]] = {}
    for entry in folders:
        tops = [tree.path_of(entry.parts)] + ([FAMILY.encode()] if not entry.parts else [])
        asked = select(Folder.id, Folder.drive_id, Folder.path, Folder.version).where(
            Folder.drive_id.in_(tree.drives), or_(*map(below, tops))
        )
        number, hasher = 0, blake3()
        for row_id, drive_id, path, version in session.execute(asked.order_by(Folder.drive_id, Folder.path)):
            hasher.update(b"%d %d %b\0" % (drive_id, version, path))
            number = number or (row_id if path == tops[0] else 0)
        found[entry.parts] = number, hasher.hexdigest(12)
    return found
