"""Giving one person's files to another: on each HOT drive the folder moves beneath the heir's, then the rows follow.

What is true if the plug is pulled here: the new name is noted before the rename, so whoever repeats the work either
finds the old folder and renames it, or does not and knows where it went.  Rows change only after the drive has the
rename for good; until then the catalogue tells of files that a scan would find elsewhere, and no file is lost.
"""

import os
import stat
from collections.abc import Iterator

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from appliance.db import Database
from appliance.drives.layout import FILES
from appliance.drives.mounts import Mount
from appliance.library import catalogue, keepsakes
from appliance.library.albums.models import Album, AlbumItem, AlbumMember, PublicLink
from appliance.library.beneath import make_folder
from appliance.library.models import Folder, Media, StoredFile
from appliance.library.names import numbered
from appliance.library.room import NotWritable, opened

FOLDERS_AT_ONCE = 100  # per transaction: uploads wait no longer than this takes
MEDIA_AT_ONCE = 2000


def free_name(mount: Mount, heir_folder: str, wanted: str) -> str:
    """The first of ``wanted``, ``wanted (2)``, … that nothing has in the heir's Files."""
    with opened(mount) as root:
        number = 1
        while True:
            name = wanted if number == 1 else numbered(wanted, number)
            if not _exists(root, f"{heir_folder}/{FILES}/{name}"):
                return name
            number += 1


def is_there(mount: Mount, folder: str) -> bool:
    """Whether a drive has this top folder."""
    with opened(mount) as root:
        return _exists(root, folder)


def move_folder(mount: Mount, folder: str, heir_folder: str, name: str) -> None:
    """Rename ``folder`` to ``<heir>/Files/<name>`` and make it durable.  Raises DriveGone, NotWritable, OutOfSpace.

    On a FUSE filesystem root must flush the drive as well.
    """
    if mount.read_only:
        raise NotWritable(drive=mount.name)
    with opened(mount) as root:
        files = make_folder(root, f"{heir_folder}/{FILES}".encode())
        try:
            os.rename(os.fsencode(folder), os.fsencode(name), src_dir_fd=root, dst_dir_fd=files)
            os.fsync(files)
            os.fsync(root)
        finally:
            os.close(files)


def _exists(root: int, path: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(os.fsencode(path), dir_fd=root, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def move_rows(db: Database, drive_id: int, old: bytes, new: bytes, heir_id: int) -> Iterator[int]:
    """Let the rows of the files below ``old`` follow to ``new``; yields how many folders are done, safe to repeat.

    The old folders' rows stay: a COLD drive still holds copies under their names.
    """
    below = (Folder.path > old + b"/") & (Folder.path < old + b"0")  # "0" is the character after "/"
    wanted = select(Folder.id, Folder.path).where(Folder.drive_id == drive_id, or_(Folder.path == old, below))
    with db.reading() as session:
        folders = [(row.id, row.path) for row in session.execute(wanted.order_by(Folder.id))]
    for start in range(0, len(folders), FOLDERS_AT_ONCE):
        with db.writing() as session:
            for folder_id, path in folders[start : start + FOLDERS_AT_ONCE]:
                _move_files(session, folder_id, catalogue.folder_id(session, drive_id, new + path[len(old) :]), heir_id)
        yield min(start + FOLDERS_AT_ONCE, len(folders))


def _move_files(session: Session, source: int, target: int, heir_id: int) -> None:
    """One folder's files; where a scan was quicker and has made new rows, the older ones with their history stay."""
    moving = select(StoredFile.id).where(StoredFile.folder_id == source)
    names = select(StoredFile.name).where(StoredFile.folder_id == source)
    session.execute(delete(StoredFile).where(StoredFile.folder_id == target, StoredFile.name.in_(names)))
    session.execute(update(Media).where(Media.file_id.in_(moving)).values(user_id=heir_id))
    session.execute(update(StoredFile).where(StoredFile.folder_id == source).values(folder_id=target, copied=False))


def give_words(db: Database, user_id: int, heir_id: int) -> None:
    """The person's albums become the heir's, and what was said of photos that may come back; links to them end."""
    with db.writing() as session:
        keepsakes.give_all(session, user_id, heir_id)
        albums = select(Album.id).where(Album.user_id == user_id)
        session.execute(delete(PublicLink).where(PublicLink.album_id.in_(albums)))
        session.execute(delete(AlbumMember).where(AlbumMember.album_id.in_(albums), AlbumMember.user_id == heir_id))
        session.execute(update(AlbumItem).where(AlbumItem.added_by == user_id).values(added_by=heir_id))
        session.execute(delete(AlbumMember).where(AlbumMember.user_id == user_id))
        session.execute(update(Album).where(Album.user_id == user_id).values(user_id=heir_id, written=False))


def give_rest(db: Database, user_id: int, heir_id: int) -> Iterator[int]:
    """Make the heir's whatever else is in the person's timeline, such as an adopted drive's photos."""
    done = 0
    while True:
        some = select(Media.id).where(Media.user_id == user_id).limit(MEDIA_AT_ONCE)
        with db.writing() as session:
            given = list(session.scalars(some))
            session.execute(update(Media).where(Media.id.in_(given)).values(user_id=heir_id))
        if not given:
            return
        done += len(given)
        yield done
