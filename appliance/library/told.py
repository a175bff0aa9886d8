"""Bringing rows in step with what root was told of (:mod:`appliance.watching`): files, folders that came or went.

By the rules of the walk (:mod:`appliance.library.index`): a row goes only when its name is surely not there, on a drive
that surely is, asked again with the write lock held; what cannot be read keeps its row.  Work grows with what changed,
not with the folder that it changed in.
"""

import errno
import os
import stat
from collections.abc import Collection, Iterable, Iterator
from datetime import tzinfo

from sqlalchemy import select, update

from appliance.db import Database
from appliance.drives.mounts import Mount
from appliance.library import beside, catalogue, index, room, scan, sidecars, sighting
from appliance.library.beneath import open_beneath
from appliance.library.listing import Entry
from appliance.library.models import Folder, StoredFile
from appliance.library.sighting import Owners

AT_ONCE = 500  # names in one question to the database
NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV})


def forget(db: Database, mount: Mount, folder: bytes, names: Iterable[bytes]) -> int:
    """Let the rows of those go that are not there any more; how many.  Raises DriveGone."""
    gone = 0
    for part in _parts(names):
        found = _look(mount, folder, part)
        missing = [name for name in part if name not in found]
        if missing and (known := _known(db, mount, folder, missing)):
            with db.writing() as session:
                found = _look(mount, folder, known)  # an upload may have brought one meanwhile
                mount.check()
                still = [name for name in known if name not in found]
                folder_id = catalogue.folder_id(session, mount.drive_id, folder)
                sighting.forget(session, folder_id, still)
                session.execute(update(Folder).where(Folder.id == folder_id).values(fingerprint=None))
            gone += len(still)
    return gone


def take(db: Database, mount: Mount, folder: bytes, names: Iterable[bytes], owners: Owners, here: tzinfo) -> int:
    """Write down those that are new or changed, not read yet; how many.  Raises DriveGone."""
    new = 0
    for part in _parts(names):
        found = _look(mount, folder, part)
        known = _known(db, mount, folder, [name for name, entry in found.items() if entry is not None])
        entries = [entry for entry in found.values() if entry is not None]
        changed = [entry for entry in entries if known.get(entry.name) != (entry.size, entry.modified_ns)]
        if not changed:
            continue
        seen = sighting.look(mount, folder, changed, here)
        near = _look(mount, folder, _beside(db, mount, folder, changed))
        with room.opened(mount) as root:
            said = beside.look(root, folder, [*entries, *(entry for entry in near.values() if entry)], changed)
        mount.check()
        sighting.write_down(db, mount, folder, seen, said, owners, here)
        new += len(seen)
    return new


def look_below(db: Database, mount: Mount, path: bytes, owners: Owners, here: tzinfo) -> None:
    """Compare a folder that came or went, and all below it, with the rows.  Raises DriveGone."""
    counts = {"new": 0, "gone": 0, "unreadable": 0}
    walked: set[bytes] = set()
    waiting = [path]
    while waiting:
        folder = waiting.pop()
        found = scan.folder_of(os.fsencode(mount.path), mount.device_number, folder)
        if found is None:
            continue
        listing, folders = found
        walked.add(folder)
        waiting.extend(catalogue.joined(folder, name) for name in reversed(folders))
        if listing.problem is not None:
            walked |= index.folders_below(db, mount.drive_id, folder)
        else:
            index.compare(db, mount, listing, owners, here, counts)
    mount.check()
    index.forget_folders(db, mount, walked, catalogue.below(path))


def _look(mount: Mount, folder: bytes, names: Collection[bytes]) -> dict[bytes, Entry | None]:
    """Those that are there as regular files; None for one that may be there but cannot be looked at."""
    with room.opened(mount) as root:
        try:
            place = open_beneath(root, folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            return {} if error.errno in NOT_THERE else dict.fromkeys(names)
        try:
            return {name: entry for name in names for there, entry in [_entry(place, name)] if there}
        finally:
            os.close(place)


def _entry(folder: int, name: bytes) -> tuple[bool, Entry | None]:
    try:
        facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        return error.errno not in NOT_THERE, None
    regular = stat.S_ISREG(facts.st_mode)
    return regular, Entry(name, facts.st_size, facts.st_mtime_ns, facts.st_ino) if regular else None


def _beside(db: Database, mount: Mount, folder: bytes, changed: Iterable[Entry]) -> set[bytes]:
    """Where the sidecars of new photos may be, and the photos of new sidecars (``IMG_1.xmp`` belongs to any IMG_1)."""
    names: set[bytes] = set()
    for entry in changed:
        if not entry.name.endswith(sidecars.SUFFIX):
            names.update(sidecars.names_for(entry.name))
            continue
        stem = entry.name.removesuffix(sidecars.SUFFIX)
        same = (StoredFile.name >= stem, StoredFile.name < stem + b"/")  # "/" comes right after "."
        photos = select(StoredFile.name).join(Folder, Folder.id == StoredFile.folder_id)
        with db.reading() as session:
            names.update(session.scalars(photos.where(Folder.drive_id == mount.drive_id, Folder.path == folder, *same)))
    return names - {entry.name for entry in changed}


def _known(db: Database, mount: Mount, folder: bytes, names: Collection[bytes]) -> dict[bytes, tuple[int, int]]:
    """What the rows of these say."""
    with db.reading() as session:
        rows = session.execute(
            select(StoredFile.name, StoredFile.size, StoredFile.modified_ns)
            .join(Folder, Folder.id == StoredFile.folder_id)
            .where(Folder.drive_id == mount.drive_id, Folder.path == folder, StoredFile.name.in_(names))
        )
        return {name: (size, modified) for name, size, modified in rows}


def _parts(names: Iterable[bytes]) -> Iterator[list[bytes]]:
    every = sorted(names)
    for start in range(0, len(every), AT_ONCE):
        yield every[start : start + AT_ONCE]
