"""A copy that is not what it should be: whose fault was it?

HOT is read again, past the page cache.  If HOT still is what its digest says, COLD wrote badly: once more, and a drive
that fails twice is not trusted any longer.  If HOT differs from its catalogue although size and time are the same, it
rotted: the copy that COLD had before is kept, and the file is reported as damaged.
"""

import os
from pathlib import Path

from sqlalchemy import update

from appliance import events
from appliance.backup import medium, problems
from appliance.backup.move import Carrier
from appliance.backup.work import Batch, Item
from appliance.db import Database
from appliance.drives.models import Drive, DriveState
from appliance.library.models import StoredFile
from appliance.words import N_


class Doubter:
    """Judges the doubtful files of one run."""

    def __init__(self, db: Database, carrier: Carrier, flush: medium.Flusher) -> None:
        self._db, self._carrier, self._flush = db, carrier, flush

    def judge(self, batch: Batch, item: Item) -> None:
        """Make the copy right, or note the item's problem.  Raises ColdUntrustworthy."""
        source = os.fsencode(batch.hot.path) + b"/" + item.path
        try:
            medium.digest_of_original(source, item.size, item.modified_ns)
            fresh = medium.digest_of_copy(source)
        except (medium.Changed, FileNotFoundError):
            item.problem = problems.CHANGED_MEANWHILE
        except OSError as error:
            item.problem, item.detail = problems.UNREADABLE, error.strerror or ""
        else:
            if fresh == item.digest:
                self._write_again(batch, item)
            elif item.was_catalogued:
                item.problem = problems.DAMAGED
                self._note_damage(batch, item)
            else:
                item.problem = problems.UNSTEADY

    def _write_again(self, batch: Batch, item: Item) -> None:
        top = self._carrier.top(batch)
        copy = os.fsencode(top) + b"/" + item.place
        Path(os.fsdecode(copy)).unlink(missing_ok=True)
        self._carrier.copy_one(batch.hot, item, top)
        self._flush()
        if item.problem or medium.digest_of_copy(copy) == item.digest:
            self._count_error(still_trusted=True)
            return
        self._count_error(still_trusted=False)
        raise problems.ColdUntrustworthy(drive=self._carrier.cold.name, file=_shown(item))

    def _count_error(self, *, still_trusted: bool) -> None:
        cold = self._carrier.cold
        with self._db.writing() as session:
            drive = session.get_one(Drive, cold.drive_id)
            drive.write_errors += 1
            if still_trusted:
                events.record(
                    session,
                    "backup.written_again",
                    N_("{drive} stored a file wrongly; it was written again."),
                    drive=cold.name,
                )
            else:
                drive.state = DriveState.UNTRUSTWORTHY
                template = N_("{drive} does not keep what is written to it and is not used any more.")
                events.record(session, "backup.untrustworthy", template, drive=cold.name)

    def _note_damage(self, batch: Batch, item: Item) -> None:
        with self._db.writing() as session:
            if item.folder.folder_id is not None:
                found = (StoredFile.folder_id == item.folder.folder_id) & (StoredFile.name == item.name)
                session.execute(update(StoredFile).where(found).values(damaged=True))
            template = N_("“{file}” on {drive} is damaged: it no longer is what was stored.")
            events.record(session, "backup.damaged", template, file=_shown(item), drive=batch.hot.name)


def _shown(item: Item) -> str:
    """A path for people; bytes that are no text are shown as such."""
    return item.path.decode("utf-8", "backslashreplace")
