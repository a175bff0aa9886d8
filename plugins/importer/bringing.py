"""Bringing files in: read once, hashed on the way, read back from the drive, and through the same door as any upload.

What is true if the plug is pulled: a copy on its way has a name of the run in ``.everpx/incoming``, which the next
start of the run removes; a file that went through the door is a committed row; whether its row here says so follows
within a second, and a file whose row does not is read again and found to be known.  Nothing is ever written to the
source, and nothing is removed from it.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime

from blake3 import blake3
from sqlalchemy import update

from appliance.db import Database, now
from appliance.drives.mounts import Mount
from appliance.errors import ApplianceError
from appliance.jobs.progress import Progress
from appliance.library import room
from appliance.library.arrivals import Arrival, Stored
from appliance.library.contents import digest_of, start_writing
from appliance.library.ingest import Ingest
from appliance.library.pieces import write
from appliance.library.shelves import Shelves
from appliance.people.models import User
from appliance.words import N_, Message
from plugins.importer import said, why
from plugins.importer.models import FileState, ImportFile
from plugins.importer.said import Told
from plugins.importer.sources import CannotRead, Entry, Item, Source

BLOCK = 1 << 20
FINISHERS = 4  # they share flushes and commits, so more of them wait less
WAITING = 8  # files that are copied and not through the door yet
TELL_EVERY_S = 1.0
NO_NAME = "Unnamed"


class NotKept(ApplianceError):
    """What was read back is not what was written."""

    code, status = "import_not_kept", 500
    template = N_("{drive} did not keep what it was given.")
    hint = N_("Nothing was removed from where it came from. Look under Health: the drive may be about to fail.")


@dataclass(frozen=True)
class Copied:
    """A file on its way: whole, under a name of the run."""

    entry: Entry
    row_id: int
    mount: Mount
    spool: bytes
    digest: bytes


@dataclass(frozen=True)
class Ended:
    """What became of one."""

    copied: Copied
    stored: Stored | None  # None: it was deleted here before
    at: datetime


class Bringing:
    """One run's copying."""

    def __init__(self, progress: Progress, door: Ingest, user: User, run_id: int, told: Told) -> None:
        self.progress, self.door, self.user, self.told = progress, door, user, told
        self.db: Database = progress.db
        self.shelves = Shelves(progress.db, progress.places)
        self.graves: set[bytes] = set()  # digests that are not brought in
        self._prefix, self._count = f"import-{run_id}-", 0
        self._told_at = time.monotonic()
        self._going: set[Future[Ended]] = set()
        self._ended: list[Ended] = []

    def clear(self) -> None:
        """Remove what an earlier start of this run left half-copied."""
        for mount in self.shelves.mounts():
            if not mount.read_only:
                with room.incoming(mount) as (_, folder):
                    for name in os.listdir(folder):  # noqa: PTH208 - the open folder, wherever its path leads now
                        if name.startswith(self._prefix):
                            os.unlink(name, dir_fd=folder)

    def bring(self, source: Source, wanted: dict[str, int], total: tuple[int, int], share: tuple[int, int]) -> None:
        """Bring in the files ``wanted`` (path -> row); ``total`` is their number and bytes.

        Raises SourceGone, OutOfSpace, DriveGone, NotKept …: what came in before stays.
        """
        left, done_bytes = dict(wanted), 0
        with ThreadPoolExecutor(FINISHERS, "finish") as pool:
            try:
                for item in source.visit():
                    row_id = left.pop(item.entry.path, None)
                    if row_id is None:
                        continue
                    self.progress.step(_stage(total[0] - len(left), total[0]), done_bytes, total[1], share=share)
                    self._copy_one(pool, item, row_id)
                    done_bytes += item.entry.size
                    self._note_when_due()
                    if not left:
                        break
            finally:
                wait(self._going)
                self._gather(self._going)
                self._note()
        for row_id in left.values():
            self._unreadable(row_id, Message(why.VANISHED))

    def _copy_one(self, pool: ThreadPoolExecutor, item: Item, row_id: int) -> None:
        while len(self._going) >= WAITING:
            done, _ = wait(self._going, timeout=5, return_when="FIRST_COMPLETED")
            self._gather(done)
        try:
            copied = self._copy(item, row_id)
        except CannotRead as error:
            self._unreadable(row_id, error.fields["why"])
        else:
            self._going.add(pool.submit(self._finish, copied))

    def _gather(self, done: set[Future[Ended]]) -> None:
        """Take what the finishers ended; the first error of one is the run's."""
        self._going = self._going - done
        errors = []
        for future in done:
            if error := future.exception():
                errors.append(error)
            else:
                self._ended.append(future.result())
        if errors:
            raise errors[0]

    def _copy(self, item: Item, row_id: int) -> Copied:
        """Into the spool of the first drive with room for it, hashed on the way."""
        entry = item.entry
        mount = room.choose(self.shelves.mounts(), entry.size)
        self._count += 1
        name = f"{self._prefix}{self._count}.part".encode()
        with item.open() as file, self._part(mount, name) as fd:
            hasher, length = blake3(), 0
            while block := file.read(BLOCK):
                if length + len(block) > entry.size:
                    raise CannotRead(name=entry.name, why=Message(why.CHANGED))
                with room.in_words(mount, entry.size):
                    write(fd, block, length)
                hasher.update(block)
                length += len(block)
                if length % (64 * BLOCK) == 0:
                    self.progress.listen()
            if length != entry.size:
                raise CannotRead(name=entry.name, why=Message(why.CHANGED))
            start_writing(fd)
        return Copied(entry, row_id, mount, name, hasher.digest())

    @contextlib.contextmanager
    def _part(self, mount: Mount, name: bytes) -> Iterator[int]:
        """A new file in the spool; nothing is left of it after an error."""
        with room.incoming(mount) as (_, folder):
            fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
            try:
                yield fd
            except BaseException:
                os.unlink(name, dir_fd=folder)
                raise
            finally:
                os.close(fd)

    def _finish(self, copied: Copied) -> Ended:
        """Read it back from the medium, then through the door."""
        entry, mount = copied.entry, copied.mount
        with room.incoming(mount) as (_, folder):
            fd = os.open(copied.spool, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            try:
                if copied.digest in self.graves:
                    os.unlink(copied.spool, dir_fd=folder)
                    return Ended(copied, None, now())
                os.fsync(fd)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                if digest_of(fd) != copied.digest:
                    os.unlink(copied.spool, dir_fd=folder)
                    raise NotKept(drive=mount.name)
            finally:
                os.close(fd)
        return Ended(copied, self.door.take(mount, copied.spool, self._arrival(entry), digest=copied.digest), now())

    def _arrival(self, entry: Entry) -> Arrival:
        told = self.told.files.get(entry.path, said.NOTHING)
        modified = datetime.fromtimestamp(entry.modified_ns // 1_000_000_000, UTC) if entry.modified_ns > 0 else None
        if entry.archive:
            modified = told.taken  # an archive's own times tell when it was made
        name = entry.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace") or NO_NAME
        return Arrival(self.user.id, self.user.folder, name, modified=modified, taken=told.taken)

    def _note_when_due(self) -> None:
        done = {future for future in self._going if future.done()}
        if done:
            self._gather(done)
        if time.monotonic() - self._told_at > TELL_EVERY_S:
            self._note()

    def _note(self) -> None:
        """Commit what has ended."""
        ended, self._ended, self._told_at = self._ended, [], time.monotonic()
        if not ended:
            return
        with self.db.writing() as session:
            for one in ended:
                state = FileState.DELETED
                if one.stored is not None:
                    state = FileState.KNOWN if one.stored.known else FileState.DONE
                values = {"state": state, "digest": one.copied.digest, "proven": one.at if one.stored else None}
                values |= {"brought": one.at if state is FileState.DONE else None}
                session.execute(update(ImportFile).where(ImportFile.id == one.copied.row_id).values(**values))
        self.progress.got_on()

    def _unreadable(self, row_id: int, reason: Message) -> None:
        with self.db.writing() as session:
            values = {"state": FileState.UNREADABLE, "why": reason}
            session.execute(update(ImportFile).where(ImportFile.id == row_id).values(**values))


def _stage(number: int, total: int) -> Message:
    return Message(N_("Bringing in photo or video {number} of {total}"), {"number": number, "total": total})
