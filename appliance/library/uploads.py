"""Resumable uploads: what has arrived is the length of the part on the drive, so nothing can claim more than there is.

A part survives a lost connection, a closed laptop, a killed console and a restarted station.  Its bytes need not be
durable until the end: after a power cut the part is as long as it is, and the client goes on from there.  A part that
is complete but not yet taken (the console was killed in between) is taken when the client asks how far it is; until
that has succeeded nobody is told that all has arrived.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from appliance import clock
from appliance.db import Database, now
from appliance.drives.models import Drive
from appliance.drives.mounts import Mount, hot_mounts, mount_of
from appliance.errors import Conflict, Invalid, NotFound
from appliance.library import room, spool
from appliance.library.arrivals import Arrival, WrongContent, exact_folder
from appliance.library.catalogue import find_by_digest
from appliance.library.contents import start_writing
from appliance.library.folders import reached
from appliance.library.ingest import Ingest
from appliance.library.models import Upload
from appliance.library.pieces import Check, DamagedPiece, Writer, carry_on, carry_on_file, checksum_for, write
from appliance.library.shelves import Shelves
from appliance.people.models import User
from appliance.places import Places
from appliance.settings import Setting
from appliance.words import N_

LARGEST = 1 << 44  # 16 TiB
LONGEST_FOLDER = 4096  # characters, percent-encoded
MOST_WRITERS = 256
KEEP_FINISHED = timedelta(days=1)
KEEP_DAYS = Setting(
    "library.upload_days",
    7,
    N_("Unfinished uploads"),
    help=N_("An upload that was left unfinished can be continued for this long."),
    minimum=1,
    maximum=90,
    unit=N_("days"),
)


class WrongOffset(Conflict):
    """The client goes on where the part does not end."""

    code = "wrong_offset"
    template = N_("The upload continues at another place: {offset} bytes have arrived.")
    hint = N_("Ask how far it is and go on from there.")


class TakenOver(Conflict):
    """A newer connection has continued this upload."""

    code, status = "upload_taken_over", 423
    template = N_("This upload goes on over another connection.")
    hint = ""


@dataclass(frozen=True)
class Wanted:
    """What a client announces."""

    name: str
    size: int
    folder: str = ""
    modified: datetime | None = None
    digest: bytes | None = None
    drive: str = ""  # tag; "" is the first with room, a chosen folder (arrivals.exact_folder) is on its own


class Uploads:
    """The unfinished uploads of one station, in one process."""

    def __init__(self, db: Database, places: Places, door: Ingest) -> None:
        self.db, self.places, self.door, self.shelves = db, places, door, Shelves(db, places)
        self._writers: OrderedDict[str, Writer] = OrderedDict()
        self._lock = threading.Lock()

    def create(self, user: User, wanted: Wanted) -> tuple[Upload, Mount]:
        """Begin an upload on a drive with room for all of it.  Raises Invalid, OutOfSpace, DriveMissing."""
        problems = {}
        if not 0 <= wanted.size <= LARGEST:
            problems["Upload-Length"] = N_("This is not a possible size.")
        if len(wanted.name) > 255 or len(wanted.folder) > LONGEST_FOLDER:
            problems["filename"] = N_("This name is too long.")
        if wanted.digest is not None and len(wanted.digest) != 32:
            problems["digest"] = N_("This is not a BLAKE3 hash.")
        if problems:
            raise Invalid(dict(problems))
        mount = self.mount_for(user, wanted)
        with self.db.reading() as session:
            expires = now() + timedelta(days=KEEP_DAYS.get(session))
        upload = Upload(
            id=spool.new_id(),
            user_id=user.id,
            drive_id=mount.drive_id,
            name=wanted.name,
            folder=wanted.folder,
            size=wanted.size,
            expected_digest=wanted.digest,
            client_modified=wanted.modified,
            expires=expires,
        )
        with room.incoming(mount) as (_, folder):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            os.close(os.open(spool.part_name(upload.id), flags, 0o600, dir_fd=folder))
        with self.db.writing() as session:
            session.add(upload)
        return upload, mount

    def mount_for(self, user: User, wanted: Wanted) -> Mount:
        """Where a file shall go.  Raises NotFound for a folder that is not this person's, OutOfSpace, DriveMissing."""
        mounts = self.shelves.mounts()
        if (chosen := exact_folder(wanted.folder)) is None:
            return room.choose(mounts, wanted.size)
        mount = reached(user, mounts, wanted.drive, chosen).mount
        room.check(mount, wanted.size)
        return mount

    def find(self, user: User, tag: str, upload_id: str) -> tuple[Upload, Mount | None]:
        """A person's upload and its drive (None once it has finished).  Raises NotFound, DriveMissing, DriveGone."""
        with self.db.reading() as session:
            upload = session.get(Upload, upload_id)
            if upload is None or upload.user_id != user.id:
                raise NotFound(what="upload")
            if session.get_one(Drive, upload.drive_id).tag != tag:
                raise NotFound(what="upload")
            return upload, None if upload.finished else mount_of(session, self.places, upload.drive_id)

    def offset(self, user: User, upload: Upload, mount: Mount | None) -> int:
        """How much has arrived.  A part that is complete is taken first, so that "all" always means stored."""
        if mount is None:
            return upload.size
        writer = self._writer(upload.id)
        with writer.lock:
            arrived = self._length(upload, mount)
            if arrived == upload.size:
                self._take(user, upload, mount, writer)
        return arrived

    def append(
        self, user: User, upload: Upload, mount: Mount, offset: int, read: spool.Read, check: Check | None
    ) -> int:
        """Add what ``read`` gives, until it gives nothing more; returns the new offset.

        A newer call for the same upload takes over: its predecessor may hang on a connection that is long dead.
        Raises WrongOffset, TakenOver, DamagedPiece, and at the end whatever taking the file raises.
        """
        writer, me = self._writer(upload.id), object()
        checksum = checksum_for(check)
        with writer.lock:
            writer.owner = me
            self._expect(upload, mount, offset)
        position = offset
        with room.incoming(mount) as (_, folder):
            fd = os.open(spool.part_name(upload.id), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            try:
                while position < upload.size and (block := read(min(spool.BLOCK, upload.size - position))):
                    with writer.lock:
                        if writer.owner is not me:
                            raise TakenOver()
                        position += write(fd, block, position)
                        carry_on(writer, position - len(block), block)
                        if checksum:
                            checksum.update(block)
                if checksum and check and checksum.digest() != check[1]:
                    with writer.lock:
                        os.ftruncate(fd, offset)
                        writer.hashed = -1
                    raise DamagedPiece()
            finally:
                os.close(fd)
        return self._arrived(user, upload, mount, writer, position)

    def append_body(
        self, user: User, upload: Upload, mount: Mount, offset: int, body: bytes, check: Check | None
    ) -> int:
        """Like :meth:`append`, for a piece that nginx has put beside the part: the first is the part from now on."""
        writer = self._writer(upload.id)
        with room.incoming(mount) as (_, folder), writer.lock:
            writer.owner = None
            self._expect(upload, mount, offset)
            source = os.open(body, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            try:
                length = os.fstat(source).st_size
                if offset + length > upload.size:
                    raise Invalid({"Content-Length": N_("This is more than was announced.")})
                carry_on_file(writer, offset, source, check)
                if offset == 0:
                    os.rename(body, spool.part_name(upload.id), src_dir_fd=folder, dst_dir_fd=folder)
                    start_writing(source)
                else:
                    flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
                    target = os.open(spool.part_name(upload.id), flags, dir_fd=folder)
                    try:
                        spool.append_file(source, target, offset)
                        start_writing(target)
                    finally:
                        os.close(target)
                    os.unlink(body, dir_fd=folder)
            except BaseException:
                writer.hashed = -1  # it may know of bytes that were not kept: hash the whole at the end
                raise
            finally:
                os.close(source)
        return self._arrived(user, upload, mount, writer, offset + length)

    def terminate(self, upload: Upload, mount: Mount | None) -> None:
        """Give an upload up; a finished file stays."""
        writer = self._writer(upload.id)
        with writer.lock:
            writer.owner = None
            self._forget(upload, mount)

    def _arrived(self, user: User, upload: Upload, mount: Mount, writer: Writer, position: int) -> int:
        if position == upload.size:
            with writer.lock:
                self._take(user, upload, mount, writer)
        return position

    def _take(self, user: User, upload: Upload, mount: Mount, writer: Writer) -> None:
        """Hand a complete part to the door, unless another thread just has."""
        with self.db.reading() as session:
            row = session.get(Upload, upload.id)
            if row is None or row.finished:
                return
        arrival = Arrival(
            user_id=user.id,
            user_folder=user.folder,
            name=upload.name,
            folder=upload.folder,
            modified=upload.client_modified,
            digest=upload.expected_digest,
            upload_id=upload.id,
        )
        digest = writer.hasher.digest() if writer.hashed == upload.size else None
        try:
            self.door.take(mount, spool.part_name(upload.id), arrival, digest=digest)
        except WrongContent:
            self._forget(upload, mount)
            raise
        with self._lock:
            self._writers.pop(upload.id, None)

    def _forget(self, upload: Upload, mount: Mount | None) -> None:
        with self.db.writing() as session:
            session.execute(delete(Upload).where(Upload.id == upload.id))
        if mount is not None:
            spool.discard(mount, spool.part_name(upload.id))
        with self._lock:
            self._writers.pop(upload.id, None)

    def _writer(self, upload_id: str) -> Writer:
        with self._lock:
            writer = self._writers.setdefault(upload_id, Writer())
            self._writers.move_to_end(upload_id)
            if len(self._writers) > MOST_WRITERS:
                oldest = next(iter(self._writers))
                if not self._writers[oldest].lock.locked():
                    del self._writers[oldest]  # its hash is computed again at the end
            return writer

    def _length(self, upload: Upload, mount: Mount) -> int:
        with room.incoming(mount) as (_, folder):
            try:
                return os.stat(spool.part_name(upload.id), dir_fd=folder, follow_symlinks=False).st_size
            except FileNotFoundError:
                raise NotFound(what="upload") from None

    def _expect(self, upload: Upload, mount: Mount, offset: int) -> None:
        arrived = self._length(upload, mount)
        if offset != arrived:
            raise WrongOffset(offset=arrived)


def known(session: Session, door: Ingest, user: User, digests: Sequence[bytes]) -> set[bytes]:
    """Which of these a person has safely on a drive that is here: nothing else may be left unsent."""
    return {
        digest
        for digest in digests
        if any(door.is_there(session, row) for row in find_by_digest(session, user.id, user.folder, digest))
    }


def clean(db: Database, places: Places) -> int:
    """Forget uploads that nobody continued, and remove their parts; how many files went."""
    if not (time := clock.read(places)).is_trusted:
        return 0
    moment = time.now
    with db.writing() as session:
        session.execute(delete(Upload).where(Upload.expires < moment, Upload.finished.is_(None)))
        session.execute(delete(Upload).where(Upload.finished < moment - KEEP_FINISHED))
    with db.reading() as session:
        wanted = set(session.scalars(select(Upload.id).where(Upload.finished.is_(None))))
        mounts = hot_mounts(session, places)
    return sum(spool.clean(mount, wanted.__contains__) for mount in mounts if not mount.read_only)
