"""An album as one readable file, ``<user>/Albums/<title>.json``: its words, its photos by hash and path, its members.

Written after each change and before every copy; read when a walk meets one that the database does not know, so that
albums survive it, and move with the drive to another station.  What is true if the plug is pulled: the file is
replaced whole, its folder flushed, and then the row says that it is written.  A deleted album's file goes first and
its row last.
"""

import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from appliance.db import Database, now
from appliance.drives.mounts import Mount
from appliance.library import room
from appliance.library.albums import album_text
from appliance.library.albums.models import Album
from appliance.library.beneath import make_folder, open_beneath
from appliance.library.names import numbered, safe_name
from appliance.library.small_files import read_small, replace
from appliance.people.models import User

FOLDER = "Albums"
SUFFIX = ".json"
LARGEST = 32 << 20  # bytes; 100,000 photos
MOST_FILES = 5000
UNDO_FOR = timedelta(minutes=10)  # a deleted album can be had back for so long


def write_all(db: Database, mounts: Sequence[Mount]) -> int:
    """Each album whose file is behind, on the first of these drives; how many."""
    if not mounts:
        return 0
    with db.reading() as session:
        behind = session.scalars(select(Album.id).where(Album.written.is_(False))).all()
    return sum(_bring_in_step(db, mounts, album_id) for album_id in behind)


def _bring_in_step(db: Database, mounts: Sequence[Mount], album_id: int) -> bool:
    with db.reading() as session:
        album = session.get(Album, album_id)
        if album is None:
            return False
        folder = os.fsencode(f"{session.get_one(User, album.user_id).folder}/{FOLDER}")
        text = album_text.written(session, album)
    if album.deleted is not None:
        return _remove(db, mounts, album, folder)
    home, *others = mounts
    _write(home, folder, album, text)
    for mount in others:  # written when this drive was not here
        _unlink(mount, folder, album.uuid, keep=None)
    with db.writing() as session:
        same = (Album.id == album.id, Album.changed == album.changed, Album.deleted.is_(None))
        session.execute(update(Album).where(*same).values(written=True))
    return True


def _remove(db: Database, mounts: Sequence[Mount], album: Album, folder: bytes) -> bool:
    """The files, then the row; not while somebody may still want it back."""
    if album.deleted is None or now() - album.deleted < UNDO_FOR:
        return False
    for mount in mounts:
        _unlink(mount, folder, album.uuid, keep=None)
    with db.writing() as session:
        row = session.get(Album, album.id)
        if row is not None and row.deleted is not None:
            session.delete(row)
    return True


def _write(mount: Mount, folder: bytes, album: Album, text: bytes) -> None:
    with room.incoming(mount) as (root, incoming):
        here = make_folder(root, folder)
        try:
            name = _free_name(here, album)
            replace(incoming, here, name, text)
            os.fsync(here)
        finally:
            os.close(here)
    mount.check()
    _unlink(mount, folder, album.uuid, keep=name)  # under the title that it had before


def _free_name(folder: int, album: Album) -> bytes:
    """``<title>.json``, numbered where another album or anything else has the name."""
    number = 1
    while True:
        plain = safe_name(album.title) + SUFFIX
        name = os.fsencode(plain if number == 1 else numbered(plain, number))
        try:
            facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return name
        if facts.st_size <= LARGEST and _uuid_of(folder, name) == album.uuid:
            return name
        number += 1


def _unlink(mount: Mount, folder: bytes, uuid: str, *, keep: bytes | None) -> None:
    """Remove the files of an album, but not the one that holds it now."""
    with room.opened(mount) as root:
        try:
            here = open_beneath(root, folder, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            return
        try:
            for name in _names(here):
                if name != keep and _uuid_of(here, name) == uuid:
                    os.unlink(name, dir_fd=here)
            os.fsync(here)
        finally:
            os.close(here)


def _names(folder: int) -> list[bytes]:
    names = [os.fsencode(name) for name in os.listdir(folder)]
    return sorted(name for name in names if name.endswith(SUFFIX.encode()))[:MOST_FILES]


def _uuid_of(folder: int, name: bytes) -> str | None:
    found = _read(folder, name)
    return None if found is None else found["uuid"]


def _read(folder: int, name: bytes) -> dict[str, Any] | None:
    """An album's facts; None for any other file."""
    try:
        text = read_small(folder, name, LARGEST)
        return None if text is None else album_text.read(text)
    except (OSError, album_text.NoAlbum):
        return None


# ---- reading what the database does not know


def take_all(db: Database, mounts: Sequence[Mount]) -> int:
    """Albums that lie on the drives and that the database does not know; how many."""
    with db.reading() as session:
        people = session.scalars(select(User).order_by(User.id)).all()
    taken = 0
    for mount in mounts:
        for person in people:
            for facts in _lying(mount, os.fsencode(f"{person.folder}/{FOLDER}")):
                with db.writing() as session:
                    taken += album_text.take(session, person, facts)
    return taken


def _lying(mount: Mount, folder: bytes) -> Iterator[dict[str, Any]]:
    with room.opened(mount) as root:
        try:
            here = open_beneath(root, folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return
        try:
            for name in _names(here):
                if (facts := _read(here, name)) is not None:
                    yield facts
        finally:
            os.close(here)
