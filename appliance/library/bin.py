"""The bin: what somebody deleted lies in ``.everpx/bin/<id>/<name>`` of its HOT drive until it expires.

Deleting is three steps, and after a pulled plug the drive decides (``emptying.settle``):

1. the ``BinnedFile`` row and the tombstones are committed (see ``burying``).  Cut here, the row names a file that never
   came, and goes;
2. the file is renamed, with the XMP file beside it, and the folders are flushed.  Cut here, it lies in the bin, and its
   row in the library is stale, as after a deletion on a computer;
3. the rows of the library go.

The COLD copy takes no part: for it the file has vanished, and it keeps its version as always.  Whoever calls asks
before whether this person may.
"""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.orm import Session

from appliance.db import Database, now
from appliance.drives.layout import BIN, FAMILY
from appliance.drives.mounts import Mount
from appliance.errors import NotFound
from appliance.jobs import service as jobs
from appliance.library import burying, catalogue, index, reading, room, spool
from appliance.library.beneath import make_folder, open_beneath
from appliance.library.models import BinnedFile, StoredFile, Tombstone
from appliance.library.placing import place, rename_new
from appliance.settings import Setting
from appliance.words import N_, Message

KEEP_DAYS = Setting(
    "library.bin_days",
    30,
    N_("Bin"),
    help=N_("What was deleted can be brought back for this long."),
    minimum=1,
    maximum=365,
    unit=N_("days"),
)
SIDECAR = b".xmp"  # what people say of a photo lies beside it
TOGETHER = 100  # deleted with one commit before and one after


@dataclass(frozen=True)
class BroughtBack:
    """Where a thing from the bin is now; its name has a number where the old one was taken."""

    path: bytes
    is_folder: bool


def put(db: Database, mount: Mount, path: bytes, *, user: int, by: int | None) -> BinnedFile:
    """Move a file or folder into the bin.  ``user``: whose it is; ``by``: who did it.

    Raises NotFound, NotWritable, DriveGone.
    """
    return put_all(db, mount, [path], user=user, by=by)[0]


def put_all(db: Database, mount: Mount, paths: Sequence[bytes], *, user: int, by: int | None) -> list[BinnedFile]:
    """Move many into the bin; where one cannot be, those before it are in the bin and the rest stays."""
    if mount.read_only:
        raise room.NotWritable(drive=mount.name)
    binned = []
    for at in range(0, len(paths), TOGETHER):
        binned += _put_some(db, mount, paths[at : at + TOGETHER], user, by)
    return binned


def _put_some(db: Database, mount: Mount, paths: Sequence[bytes], user: int, by: int | None) -> list[BinnedFile]:
    with room.opened(mount) as root:
        found = [(path, kind_of(root, path)) for path in paths]
        with db.writing() as session:
            rows = [note(session, mount, path, facts, user, by) for path, facts in found]
        done: list[BinnedFile] = []
        problem: OSError | None = None
        with _Folders(root) as folders:
            try:
                _move_away(folders, rows, done)
            except OSError as error:
                if room.is_lost(error):
                    raise  # how far it came, the drive will tell
                problem = error
            folders.flush()
        mount.check()
        with db.writing() as session:
            for row in done:
                forget(session, row)
            for row in rows[len(done) :]:
                never_mind(session, row)
            read_what_waits(session)
        if isinstance(problem, FileNotFoundError):
            raise NotFound(what="file")
        if problem:
            raise problem
    return rows


def kind_of(root: int, path: bytes) -> os.stat_result:
    """What lies there.  Raises NotFound for nothing, and for what is neither a file nor a folder."""
    try:
        fd = open_beneath(root, path, os.O_PATH)
    except OSError as error:
        if room.is_lost(error):
            raise
        raise NotFound(what="file") from None
    try:
        facts = os.fstat(fd)
    finally:
        os.close(fd)
    if not path or not (stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)):
        raise NotFound(what="file")
    return facts


def note(
    session: Session,
    mount: Mount,
    path: bytes,
    facts: os.stat_result,
    user: int,
    by: int | None,
    place: str = BIN,
) -> BinnedFile:
    """The row, and tombstones of the photos."""
    moment = now()
    inside = StoredFile.id.in_(catalogue.files_at(mount.drive_id, path))
    if stat.S_ISDIR(facts.st_mode):
        size, digest = session.scalar(select(func.coalesce(func.sum(StoredFile.size), 0)).where(inside)) or 0, None
    else:
        size, digest = facts.st_size, session.scalar(select(StoredFile.digest).where(inside))
    row = BinnedFile(
        drive_id=mount.drive_id,
        user_id=user,
        path=path,
        stored_as=b"/".join((place.encode(), spool.new_id().encode(), split(path)[1])),
        size=size,
        digest=digest,
        binned=moment,
        binned_by=by,
        expires=moment + timedelta(days=KEEP_DAYS.get(session)),
    )
    session.add(row)
    session.flush()
    burying.bury(session, row, inside, is_folder=stat.S_ISDIR(facts.st_mode))
    return row


class _Folders:
    """Folders in which names change; each is opened once, and flushed when all is done."""

    def __init__(self, root: int) -> None:
        self.root = root
        self._open: dict[bytes, int] = {}

    def __enter__(self) -> "_Folders":
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self._open.values():
            os.close(fd)

    def open(self, path: bytes) -> int:
        """A folder that is there."""
        if path not in self._open:
            self._open[path] = open_beneath(self.root, path, os.O_RDONLY | os.O_DIRECTORY)
        return self._open[path]

    def make(self, path: bytes) -> None:
        """A new folder in one that is there."""
        folder, name = split(path)
        os.mkdir(name, 0o700, dir_fd=self.open(folder))

    def flush(self) -> None:
        """Make the names durable.  Raises OSError."""
        for fd in self._open.values():
            os.fsync(fd)


def _move_away(folders: _Folders, rows: Sequence[BinnedFile], done: list[BinnedFile]) -> None:
    """Rename; a place in the bin is durable before anything goes there."""
    os.close(make_folder(folders.root, BIN.encode()))
    for row in rows:
        folders.make(split(row.stored_as)[0])
    os.fsync(folders.open(BIN.encode()))
    for row in rows:
        (folder, name), (own, _) = split(row.path), split(row.stored_as)
        source, target = folders.open(folder), folders.open(own)
        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
        done.append(row)
        with contextlib.suppress(FileNotFoundError):
            os.rename(name + SIDECAR, name + SIDECAR, src_dir_fd=source, dst_dir_fd=target)


def split(path: bytes) -> tuple[bytes, bytes]:
    """A path's folder and name."""
    folder, _, name = path.rpartition(b"/")
    return folder, name


def read_what_waits(session: Session) -> None:
    """Have photos read that went into a bin before anybody had."""
    if burying.is_behind(session):
        reading.start(session)


def never_mind(session: Session, row: BinnedFile) -> None:
    """It is not (or no longer) in the bin: the row goes, and phones are not told that it was deleted."""
    session.execute(delete(Tombstone).where(Tombstone.deleted == row.binned))
    session.execute(delete(BinnedFile).where(BinnedFile.id == row.id))


def forget(session: Session, row: BinnedFile) -> None:
    """The library's rows of what lies in the bin now."""
    for path in (row.path, row.path + SIDECAR):
        catalogue.forget_files(session, catalogue.files_at(row.drive_id, path))


def seen_by(user: int) -> ColumnElement[bool]:
    """What of the bin somebody may see and bring back: their own, and the family's."""
    family = os.fsencode(FAMILY) + b"/"
    return or_(BinnedFile.user_id == user, func.substr(BinnedFile.path, 1, len(family)) == family)


def find(session: Session, binned_id: int, user: int) -> BinnedFile:
    """A row of the bin.  Raises NotFound, also for what is somebody else's."""
    row = session.scalar(select(BinnedFile).where(BinnedFile.id == binned_id, seen_by(user)))
    if row is None:
        raise NotFound(what="file")
    return row


def bring_back(db: Database, mount: Mount, row: BinnedFile) -> BroughtBack:
    """Undo a deletion: rename it back, under a number where its name is taken.  Raises NotFound, DriveGone.

    Cut after the rename, the row names what is no longer in the bin, and the walk over the drive finds the file.
    What was in a folder is in the library at once; of a very large one the rest is found by a walk that begins now.
    """
    if mount.read_only:
        raise room.NotWritable(drive=mount.name)
    (folder, name), (own, _) = split(row.path), split(row.stored_as)
    with room.opened(mount) as root:
        is_folder = stat.S_ISDIR(kind_of(root, row.stored_as).st_mode)
        with opened(open_beneath(root, own, os.O_RDONLY | os.O_DIRECTORY)) as source:
            with opened(make_folder(root, folder)) as target:
                placed, _ = place(source, name, target, os.fsdecode(name), lambda _: False)
                with contextlib.suppress(FileNotFoundError, FileExistsError):
                    rename_new(source, name + SIDECAR, target, placed + SIDECAR)
                os.fsync(target)
            os.fsync(source)
        whole = opened(open_beneath(root, split(own)[0], os.O_RDONLY | os.O_DIRECTORY))
        with whole as folder_of_all, contextlib.suppress(OSError):  # a sidecar that found its place taken stays
            os.rmdir(split(own)[1], dir_fd=folder_of_all)
        mount.check()
    with db.writing() as session:
        never_mind(session, row)
        catalogue.look_anew(session, mount.drive_id, folder)
    path = catalogue.joined(folder, placed)
    if not is_folder:
        index.look_at(db, mount, folder)
    elif not index.look_below(db, mount, path):
        _look_through(db)
    return BroughtBack(path, is_folder)


def _look_through(db: Database) -> None:
    with db.writing() as session, contextlib.suppress(jobs.AlreadyRunning):
        jobs.start(session, index.JOB, title=Message(N_("Looking through the drives")), lock=index.JOB)


@contextlib.contextmanager
def opened(fd: int) -> Iterator[int]:
    """An open descriptor, closed at the end of the block."""
    try:
        yield fd
    finally:
        os.close(fd)
