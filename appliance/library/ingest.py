"""The one door for bytes: a complete file in ``.everpx/incoming`` of a HOT drive becomes a file of a person.

What is true if the plug is pulled, line by line: until the rename the bytes have a name that no reader knows, and
cleaning removes them; the file is flushed before the rename and its folder after it, so the name never shows less
than the whole; the row is committed last, and only then is the upload acknowledged.  A file that was renamed but not
committed is found by the next walk over the drive, and by the same upload when it is sent again (``placing.same``).

Several uploads that finish at about the same time share one flush of their folder and one commit (``committer``).
"""

import contextlib
import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, timedelta, tzinfo

from sqlalchemy.orm import Session

from appliance.db import Database, now
from appliance.drives.mounts import Mount, mount_of
from appliance.errors import ApplianceError
from appliance.jobs.schedule import zone
from appliance.library import catalogue, origins, room
from appliance.library.arrivals import Arrival, Flushed, Incomplete, Stored, WrongContent, exact_folder, folder_for
from appliance.library.beneath import make_folder, open_beneath
from appliance.library.committer import Committer, Ticket
from appliance.library.contents import digest_of, same_bytes, stamp, start_writing
from appliance.library.formats import HEAD, Format, format_of
from appliance.library.names import safe_name
from appliance.library.placing import place
from appliance.library.taken import Taken, from_name, taken
from appliance.places import Places

ZONE_FOR_S = 30
SIDECAR = b".xmp"
ONE_DAY = timedelta(days=1)


class Ingest:
    """The door of one process; there is one, so that finishers can share their work."""

    def __init__(self, db: Database, places: Places) -> None:
        self.db, self.places = db, places
        self._committer: Committer[Flushed, Stored] = Committer(self._finish)
        self._zone: tuple[float, tzinfo] = (0.0, UTC)

    def take(self, mount: Mount, spool: bytes, arrival: Arrival, *, digest: bytes | None = None) -> Stored:
        """Make the file ``spool`` of the drive's incoming folder a file of a person, durably.

        ``digest`` where it was computed while the bytes came.  On success the spool is gone; on an error it is still
        there, except for WrongContent, after which there is no use in it.  Raises WrongContent, OutOfSpace,
        NotWritable, DriveGone.
        """
        with room.incoming(mount) as (root, folder):
            fd = os.open(spool, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            try:
                facts = os.fstat(fd)
                if not stat.S_ISREG(facts.st_mode):
                    raise Incomplete(name=arrival.name)
                start_writing(fd)
                digest = digest or digest_of(fd)
                if arrival.digest is not None and arrival.digest != digest:
                    os.unlink(spool, dir_fd=folder)
                    raise WrongContent(name=arrival.name)
                found = format_of(os.pread(fd, HEAD, 0))
                when = self._when(fd, facts.st_size, found, arrival)
                modified_ns = stamp(fd, arrival.modified or when.moment)
                os.fsync(fd)
            finally:
                os.close(fd)
            mount.check()
            stored = self._committer.submit(
                Flushed(
                    arrival, mount, root, folder, spool, facts.st_size, modified_ns, digest, found, when, self.zone()
                )
            )
        if arrival.folder or arrival.path:
            self._heed_sidecar(mount, stored)
        return stored

    def _heed_sidecar(self, mount: Mount, stored: Stored) -> None:
        """A program may send a photo and its sidecar, in either order; the upload is safe whatever comes of that."""
        name = stored.path.rpartition(b"/")[2]
        beside = os.fsencode(mount.path) + b"/" + stored.path + SIDECAR
        if name.endswith(SIDECAR) or os.path.lexists(beside):
            from appliance.library.beside import heed  # an XML parser that most stations never need here

            with contextlib.suppress(ApplianceError, OSError):
                heed(self.db, mount, stored.path)

    def zone(self) -> tzinfo:
        """The station's time zone; asked of the database twice a minute at most."""
        at, known = self._zone
        if time.monotonic() - at > ZONE_FOR_S or not at:
            with self.db.reading() as session:
                known = zone(session)
            self._zone = (time.monotonic(), known)
        return known

    def _when(self, fd: int, size: int, found: Format | None, arrival: Arrival) -> Taken:
        """The best guess: the file's own bytes, what its owner says, its name, the sender's date, this moment.

        What the owner says counts more than the bytes where the two are days apart: somebody has put it right.  Within
        a day the camera knows better, since its clock is the one that people saw.
        """
        here, moment = self.zone(), now()
        if found is not None:
            guess = taken(fd, size, found, here, moment)
            if (said := arrival.taken) and origins.better(said, guess.moment if guess else None, moment):
                return Taken(said.astimezone(here).replace(tzinfo=None), said, origins.OWNER)
            if guess := guess or from_name(arrival.name, here, moment):
                return guess
        if arrival.modified and arrival.modified <= moment + ONE_DAY:
            return Taken(arrival.modified.astimezone(here).replace(tzinfo=None), arrival.modified, "client")
        return Taken(moment.astimezone(here).replace(tzinfo=None), moment, "file")

    def _finish(self, tickets: Sequence[Ticket[Flushed, Stored]]) -> None:
        """Names, folders flushed once, rows committed once; each ticket gets its own result or error."""
        placed: list[Ticket[Flushed, Stored]] = []
        with _Folders() as folders:
            with self.db.reading() as session:
                for ticket in tickets:
                    with _told(ticket):
                        if self._store(session, ticket, folders, placed):
                            placed.append(ticket)
            for ticket in placed:
                with _told(ticket):
                    folders.flush(ticket.request)
        placed = [ticket for ticket in placed if ticket.error is None]
        if placed:
            with self.db.writing() as session:
                results = [self._rows(session, ticket.request) for ticket in placed]
            for ticket, result in zip(placed, results, strict=True):
                ticket.result = result
        for ticket in tickets:
            self._answer_twin(ticket, tickets)
        self._end_uploads(tickets)

    def _store(
        self,
        session: Session,
        ticket: Ticket[Flushed, Stored],
        folders: "_Folders",
        placed: Sequence[Ticket[Flushed, Stored]],
    ) -> bool:
        """Give a file its name; False when these bytes are this person's already, and the ticket has its answer."""
        file = ticket.request
        if file.arrival.path:
            _put_exactly(file, folders)
            return True
        if known := self._known(session, file):
            ticket.result = known
            os.unlink(file.spool, dir_fd=file.spool_folder)
            return False
        for other in placed:
            if _are_twins(file, other.request):
                file.twin = other.request
                return False
        file.folder = os.fsencode(folder_for(file.arrival, file.format, file.taken))
        folder = folders.open(file)
        same = same_bytes(folder, file.size, file.digest)
        file.name, was_there = place(file.spool_folder, file.spool, folder, safe_name(file.arrival.name), same)
        if was_there:
            file.modified_ns = os.stat(file.name, dir_fd=folder, follow_symlinks=False).st_mtime_ns
            os.unlink(file.spool, dir_fd=file.spool_folder)
        return True

    def _known(self, session: Session, file: Flushed) -> Stored | None:
        """The same bytes among this person's files, and really still on their drive."""
        arrival = file.arrival
        chosen = exact_folder(arrival.folder)  # there it shall be, wherever else it is
        for row in catalogue.find_by_digest(session, arrival.user_id, arrival.user_folder, file.digest):
            if chosen in (None, row.folder) and self.is_there(session, row):
                return Stored(row.file_id, row.media_id, row.drive_id, row.path, file.digest, file.size, known=True)
        return None

    def is_there(self, session: Session, row: catalogue.Known) -> bool:
        """Whether a file is on its drive as the row says; a drive that is not here can prove nothing."""
        try:
            with room.opened(mount_of(session, self.places, row.drive_id)) as root:
                fd = open_beneath(root, row.path, os.O_RDONLY | os.O_NONBLOCK)
                try:
                    facts = os.fstat(fd)
                    os.fsync(fd)  # whoever wrote it may not have
                finally:
                    os.close(fd)
        except (ApplianceError, OSError):
            return False
        return stat.S_ISREG(facts.st_mode) and (facts.st_size, facts.st_mtime_ns) == (row.size, row.modified_ns)

    def _rows(self, session: Session, file: Flushed) -> Stored:
        file_id = catalogue.record(
            session,
            folder_id=catalogue.folder_id(session, file.mount.drive_id, file.folder),
            name=file.name,
            size=file.size,
            modified_ns=file.modified_ns,
            digest=file.digest,
        )
        media_id = None
        if file.format is not None:
            media_id = catalogue.record_media(
                session,
                file_id=file_id,
                user_id=file.arrival.user_id,
                kind=file.format.kind,
                taken=file.taken,
                zone=file.zone,
                folder=file.folder,
            )
        elif file.arrival.path:
            catalogue.forget_media(session, file_id)  # there may have been a photo of this name
        if file.arrival.upload_id:
            catalogue.finish_upload(session, file.arrival.upload_id, file_id)
        path = catalogue.joined(file.folder, file.name)
        return Stored(file_id, media_id, file.mount.drive_id, path, file.digest, file.size)

    def _end_uploads(self, tickets: Sequence[Ticket[Flushed, Stored]]) -> None:
        """Uploads that brought nothing new end as well; the others have ended with their rows."""
        known = [
            (ticket.request.arrival.upload_id, ticket.result.file_id)
            for ticket in tickets
            if ticket.request.arrival.upload_id and ticket.result and ticket.result.known
        ]
        if known:
            with self.db.writing() as session:
                for upload_id, file_id in known:
                    catalogue.finish_upload(session, upload_id, file_id)

    def _answer_twin(self, ticket: Ticket[Flushed, Stored], tickets: Sequence[Ticket[Flushed, Stored]]) -> None:
        if ticket.request.twin is None:
            return
        first = next(other for other in tickets if other.request is ticket.request.twin)
        ticket.error = first.error
        if first.result:
            ticket.result = replace(first.result, known=True)
            os.unlink(ticket.request.spool, dir_fd=ticket.request.spool_folder)


class _Folders:
    """The folders that a batch puts files into, each opened and flushed once."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, bytes], int] = {}
        self._flushed: dict[tuple[int, bytes], OSError | None] = {}

    def __enter__(self) -> "_Folders":
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self._open.values():
            os.close(fd)

    def open(self, file: Flushed) -> int:
        """The folder's descriptor; it is made if there is none."""
        key = (file.mount.device_number, file.folder)
        if key not in self._open:
            self._open[key] = make_folder(file.root, file.folder)
        return self._open[key]

    def flush(self, file: Flushed) -> None:
        """Make the names in the folder durable.  Raises OSError, to each file of a folder that could not be."""
        key = (file.mount.device_number, file.folder)
        if key not in self._flushed:
            try:
                os.fsync(self._open[key])
                self._flushed[key] = None
            except OSError as error:
                self._flushed[key] = error
        if (problem := self._flushed[key]) is not None:
            raise problem


def _are_twins(file: Flushed, placed: Flushed) -> bool:
    """The same bytes of the same person; but a name that the sender chose may be replaced in this very batch."""
    same = placed.digest == file.digest and placed.arrival.user_id == file.arrival.user_id
    together = exact_folder(placed.arrival.folder) == exact_folder(file.arrival.folder)
    return same and together and not placed.arrival.path


def _put_exactly(file: Flushed, folders: _Folders) -> None:
    """The name that the sender chose, whatever file had it: the one or the other is there, and never half of one."""
    file.folder, _, file.name = file.arrival.path.rpartition(b"/")
    os.rename(file.spool, file.name, src_dir_fd=file.spool_folder, dst_dir_fd=folders.open(file))


@contextlib.contextmanager
def _told(ticket: Ticket[Flushed, Stored]) -> Iterator[None]:
    """What goes wrong with one file is that ticket's error, and the others go on."""
    try:
        yield
    except ApplianceError as error:
        ticket.error = error
    except OSError as error:
        ticket.error = room.meaning(error, ticket.request.mount, ticket.request.size) or error
