"""The part of a run with the COLD drive on: older versions, copy and prove, scrub, manifest, database copy."""

import contextlib
import errno
import os
import sqlite3
from collections.abc import Sequence
from datetime import date
from typing import Any

from appliance import clock
from appliance.album_page import cold as album_page
from appliance.backup import (
    crashpoints,
    manifest,
    medium,
    not_copied,
    older,
    problems,
    runs,
    scrub,
    station_copy,
    sweep,
    versions,
)
from appliance.backup.doubt import Doubter
from appliance.backup.move import Carrier
from appliance.backup.pipeline import Crew, Pipeline, Tally
from appliance.backup.plan import Numbers, Sheet
from appliance.backup.settle import Settler
from appliance.backup.work import Batch, Cutter
from appliance.drives import meeting
from appliance.drives.mounts import Mount
from appliance.errors import ApplianceError
from appliance.jobs.progress import Progress
from appliance.words import N_


class Visit:
    """One COLD drive, switched on."""

    def __init__(self, progress: Progress, cold: Mount, hots: Sequence[Mount], today: date) -> None:
        self.progress, self.db = progress, progress.db
        self.cold, self.hots, self.today = cold, hots, today
        self.flush = medium.Flusher(cold, progress.broker)
        self.shelf = older.Shelf(self.db, cold, today, before=lambda: manifest.withdraw(cold))
        self.carrier = Carrier(cold)
        self.tally = Tally()
        time = clock.read(progress.places)  # versions go by days that have surely passed, and by no others
        self.until = today if time.is_trusted else min(today, time.passed.date())

    def do(self, sheets: Sequence[Sheet], numbers: Numbers, was_cut_off: bool) -> dict[str, Any]:
        """Everything; the numbers of the run.  Raises what stops a run, in words."""
        if self.cold.read_only:
            raise problems.ColdReadOnly(drive=self.cold.name)
        try:
            return self._do(sheets, numbers, was_cut_off)
        except OSError as error:
            raise self._in_words(error, numbers.bytes) from error

    def _do(self, sheets: Sequence[Sheet], numbers: Numbers, was_cut_off: bool) -> dict[str, Any]:
        self.carrier.clear()
        if was_cut_off:
            with self.db.writing() as session:
                older.reconcile(session, self.cold, runs.last_scrub(session, self.cold.drive_id))
        try:
            self._make_room(numbers.bytes)
            for sheet in sheets:
                versions.move_vanished(self.progress, sheet, self.shelf, self.flush)
            self._copy(sheets, numbers)
            if was_cut_off:
                sweep.put_strays_away(self.progress, self.shelf, self.hots)
            scrubbed = self._scrub()
            repaired = scrub.repair_hot(self.progress, self.cold, self.hots)
            versions.apply_policy(self.db, self.cold, self.until)
        except BaseException:
            with contextlib.suppress(OSError, ApplianceError):  # the drive itself may be what failed
                self.cold.check()
                self._leave_a_manifest(sheets)
            raise
        files = self._leave_a_manifest(sheets)
        album_page.leave(self.progress, self.cold, self.hots, self.flush)
        self._leave_the_database()
        self.flush()
        crashpoints.reach("finished")
        return {
            "files": files,
            "copied": self.tally.copied,
            "bytes": self.tally.bytes,
            "skipped": self.tally.skipped,
            "vanished": numbers.vanished,
            "scrubbed": scrubbed.read,
            "repaired": scrubbed.repaired + repaired,
            "lost": scrubbed.lost,
        }

    def _in_words(self, error: OSError, needed: int) -> ApplianceError:
        """Whose trouble it was.  Raises DriveGone."""
        for drive in (self.cold, *self.hots):
            drive.check()
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = versions.in_words(versions.free_bytes(self.cold))
            return problems.ColdFull(drive=self.cold.name, needed=versions.in_words(needed), free=free)
        return problems.ColdFailing(drive=self.cold.name, why=error.strerror or str(error))

    def _make_room(self, needed: int) -> None:
        versions.make_room(self.db, self.cold, self.until, needed)

    def _copy(self, sheets: Sequence[Sheet], numbers: Numbers) -> None:
        self.tally.expected = numbers.bytes
        crew = Crew(
            carrier=self.carrier,
            settler=Settler(self.db, self.cold, self.shelf),
            doubter=Doubter(self.db, self.carrier, self.flush),
            flush=self.flush,
            put_away=self.shelf.put_away,
            make_room=self._make_room,
            reuse=self._reuse if numbers.vanished else None,
        )
        cutter = Cutter(self.db, self.cold)
        with Pipeline(self.progress, crew, self.tally) as pipeline:
            for sheet in sheets:
                pipeline.run(cutter.batches(sheet))

    def _reuse(self, batch: Batch) -> None:
        versions.reuse(self.db, self.shelf, batch, os.fsencode(self.carrier.top(batch)))

    def _scrub(self) -> scrub.Scrubbed:
        with self.db.reading() as session:
            last = runs.last_scrub(session, self.cold.drive_id)
            budget = scrub.slice_bytes(session, self.cold.drive_id, last)
        return scrub.Scrub(self.progress, self.hots, self.shelf, self.flush).run(budget, share=(85, 95))

    def _leave_a_manifest(self, sheets: Sequence[Sheet]) -> int:
        """Also when the run was stopped: what is proven so far is worth checking."""
        self.carrier.clear()
        not_copied.write(self.cold, sheets)
        files = manifest.write(self.db, self.cold)
        crashpoints.reach("manifest")
        return files

    def _leave_the_database(self) -> None:
        """Every drive gets a copy; a drive without room for it does not spoil the proof."""
        self.progress.step(N_("Finishing"), share=(97, 99))
        for drive in (self.cold, *self.hots):  # one after the other: side by side they would need twice the memory
            if drive.read_only or self._knows_more(drive):
                continue
            try:
                station_copy.write(self.db, drive)
            except (OSError, sqlite3.Error) as error:
                fields = {"drive": drive.name, "why": str(error)}
                self.progress.log(N_("The settings could not be copied onto {drive}: {why}."), fields)

    def _knows_more(self, drive: Mount) -> bool:
        """Whether the copy on a drive may be of a later time than this station: it stays until somebody decided."""
        try:
            if meeting.meet(self.progress.places, drive) is None:
                return False
        except OSError:
            return False
        self.progress.log(
            N_("What {drive} knows of people and settings may be newer, and was kept."), {"drive": drive.name}
        )
        return True
