"""New folders, renaming and moving on one drive; the rows follow in the same go, so that a photo stays in its albums.

The rename is made and flushed while the write lock is held, and the commit follows: no walk sees the one without the
other.  After a pulled plug between the two the rows are stale, and the next walk brings them in step as it does for
whatever was renamed on a computer.
"""

import os
import stat
from collections.abc import Sequence

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from appliance.db import Database
from appliance.drives.mounts import Mount
from appliance.errors import Conflict, Invalid, NotFound
from appliance.library import catalogue, folders, room
from appliance.library.beneath import make_folder
from appliance.library.bin import SIDECAR, split
from appliance.library.folders import Place
from appliance.library.models import Folder, Media, StoredFile
from appliance.library.names import numbered
from appliance.library.placing import rename_new
from appliance.people.models import User
from appliance.words import N_

MOST = 1000  # things moved in one go


class IntoItself(Conflict):
    """A folder cannot be put into itself."""

    code = "into_itself"
    template = N_("“{name}” cannot be moved into itself.")
    hint = N_("Choose another folder.")


class CopiedIntoItself(IntoItself):
    """Nor can a copy of it."""

    template = N_("“{name}” cannot be copied into itself.")


def new_folder(place: Place, name: str) -> Place:
    """Make a folder in a folder.  Raises Invalid, NotFound, NotWritable, DriveGone."""
    _writable(place.mount)
    with room.opened(place.mount) as root:
        parent = make_folder(root, place.path) if b"/" not in place.path else _open(root, place.path)
        try:
            if problem := folders.name_problem(name, _names(parent)):
                raise Invalid({"name": problem})
            os.mkdir(os.fsencode(name), 0o755, dir_fd=parent)
            os.fsync(parent)
        finally:
            os.close(parent)
    return place.below(os.fsencode(name))


def rename(db: Database, user: User, place: Place, name: str) -> Place:
    """Call a file or folder something else.  Raises Invalid, NotFound, NotWritable, DriveGone."""
    folders.changeable(user, place)
    folder, old = split(place.path)
    with folders.opened(Place(place.mount, folder)) as fd:
        others = [other for other in _names(fd) if other != old]
    if problem := folders.name_problem(name, others):
        raise Invalid({"name": problem})
    if os.fsencode(name) == old:
        return place
    (moved,) = _move(db, user, place.mount, [(place.path, folder, [os.fsencode(name)])])
    return Place(place.mount, moved)


def move(db: Database, user: User, places: Sequence[Place], target: Place) -> list[Place]:
    """Put files and folders into another folder of their drive; a name that is taken there gets a number.

    Where one cannot be moved, those before it are, the rest is not.  Raises as :func:`rename`, IntoItself.
    To another drive: ``carrying``.
    """
    if len(places) > MOST:
        raise Invalid({"paths": N_("Choose at most 1000 at once.")})
    steps = []
    for place in places:
        folders.changeable(user, place)
        folder, name = split(place.path)
        if target.path == place.path or target.path.startswith(place.path + b"/"):
            raise IntoItself(name=folders.shown(name))
        if folder != target.path:
            steps.append((place.path, target.path, [name, *_numbered(name)]))
    return [Place(target.mount, path) for path in _move(db, user, target.mount, steps)] if steps else []


def move_to(db: Database, user: User, mount: Mount, old: bytes, new: bytes) -> None:
    """Give a file or folder exactly this path, whose folder is there.  Raises Invalid when something has it."""
    folder, name = split(new)
    _move(db, user, mount, [(old, folder, [name])])


def _numbered(name: bytes) -> list[bytes]:
    return [os.fsencode(numbered(os.fsdecode(name), number)) for number in range(2, 20)]


Step = tuple[bytes, bytes, list[bytes]]  # from, into which folder, under the first of these names that is free


def _move(db: Database, user: User, mount: Mount, steps: Sequence[Step]) -> list[bytes]:
    _writable(mount)
    done: list[tuple[bytes, bytes]] = []
    with room.opened(mount) as root, db.writing() as session:
        problem = None
        try:
            for old, folder, names in steps:
                done.append((old, _rename(root, old, folder, names)))
        except (OSError, NotFound, Invalid) as error:
            if not done or (isinstance(error, OSError) and room.is_lost(error)):
                raise
            problem = error
        for path in {split(path)[0] for pair in done for path in pair}:
            _flush(root, path)
        mount.check()
        for old, new in done:
            _follow(session, mount.drive_id, user, old, new)
    if problem:
        raise problem
    return [new for _, new in done]


def _rename(root: int, old: bytes, folder: bytes, names: Sequence[bytes]) -> bytes:
    """Rename one, and what is said of it beside it; returns where it is now."""
    parent, name = split(old)
    source = _open(root, parent)
    try:
        _check(source, name)
        target = make_folder(root, folder) if b"/" not in folder else _open(root, folder)
        try:
            beside, new = name + SIDECAR, names[0]
            if parent == folder and _is_respelled(source, name, new):
                for old, respelled in ((name, new), (beside, new + SIDECAR)):
                    if _exists(source, old):
                        os.rename(old, respelled, src_dir_fd=source, dst_dir_fd=source)
                return catalogue.joined(folder, new)
            new = _free(source, name, target, names)
            if _exists(source, beside) and not _exists(target, new + SIDECAR):
                rename_new(source, beside, target, new + SIDECAR)
        finally:
            os.close(target)
    finally:
        os.close(source)
    return catalogue.joined(folder, new)


def _free(source: int, name: bytes, target: int, names: Sequence[bytes]) -> bytes:
    for new in names:
        try:
            rename_new(source, name, target, new)
        except FileExistsError:
            continue
        return new
    taken = folders.shown(names[-1])
    raise Invalid({"name": folders.name_problem(taken, [names[-1]]) or N_("Choose another name.")})


def _is_respelled(folder: int, name: bytes, new: bytes) -> bool:
    """Whether the new name is the old one in other capitals, on a drive where that is one name."""
    alike = folders.shown(name).casefold() == folders.shown(new).casefold()
    return alike and _exists(folder, new) and new not in _names(folder)


def _check(folder: int, name: bytes) -> None:
    """Raises NotFound for a link and whatever else is no file and no folder."""
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        raise NotFound(what="file") from None
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise NotFound(what="file")


def _exists(folder: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _open(root: int, path: bytes) -> int:
    return folders.open_or_not_found(root, path, os.O_RDONLY | os.O_DIRECTORY)


def _flush(root: int, path: bytes) -> None:
    fd = _open(root, path)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _writable(mount: Mount) -> None:
    if mount.read_only:
        raise room.NotWritable(drive=mount.name)


def _names(folder: int) -> list[bytes]:
    return [os.fsencode(name) for name in os.listdir(folder)]


def _follow(session: Session, drive_id: int, user: User, old: bytes, new: bytes) -> None:
    """The rows of a file, or of all that is in a folder, say where it is now; stale ones that were there go."""
    catalogue.forget_files(session, catalogue.files_at(drive_id, new))
    (folder, name), (new_folder_path, new_name) = split(old), split(new)
    for suffix in (b"", SIDECAR):
        at = select(Folder.id).where(Folder.drive_id == drive_id, Folder.path == folder).scalar_subquery()
        one = (StoredFile.folder_id == at, StoredFile.name == name + suffix)
        home = catalogue.folder_id(session, drive_id, new_folder_path)
        if suffix:
            session.execute(
                delete(StoredFile).where(StoredFile.folder_id == home, StoredFile.name == new_name + suffix)
            )
        values = {"folder_id": home, "name": new_name + suffix, "copied": False}
        session.execute(update(StoredFile).where(*one).values(**values))
    inside = session.execute(
        select(Folder.id, Folder.path).where(Folder.drive_id == drive_id, catalogue.below(old))
    ).all()
    for folder_id, path in inside:  # the old rows stay: a COLD drive holds copies under their names
        home = catalogue.folder_id(session, drive_id, new + path[len(old) :])
        where = StoredFile.folder_id == folder_id
        session.execute(update(StoredFile).where(where).values(folder_id=home, copied=False))
    change_hands(session, drive_id, user, old, new)


def change_hands(session: Session, drive_id: int, user: User, old: bytes, new: bytes) -> None:
    """Into the family's folder photos become "ours"; out of it they are again of whoever takes them, alone."""
    was, becomes = catalogue.is_family(old), catalogue.is_family(new)
    if was == becomes:
        return
    moved = Media.file_id.in_(catalogue.files_at(drive_id, new))
    values = {"shared": True} if becomes else {"shared": False, "user_id": user.id}
    session.execute(update(Media).where(moved).values(**values))
    session.execute(update(Media).where(moved, Media.edited.is_not(None)).values(written=False))
