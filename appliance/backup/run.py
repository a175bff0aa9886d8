"""One run from HOT to COLD: plan, brake, then, if there is anything to do, a visit to the COLD drive, and the proof.

Safe to kill anywhere: what is recorded as proven was read back from the medium, and the next run finds the rest again.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from appliance import events, plugin
from appliance.backup import brake, not_copied, plan, policy, runs, scrub
from appliance.backup.models import RunState
from appliance.backup.plan import Numbers, Sheet
from appliance.drives.mounts import Mount
from appliance.jobs.progress import Cancelled, Progress
from appliance.jobs.schedule import time_zone_name
from appliance.library import notes, scan
from appliance.words import N_

OpenCold = Callable[[], AbstractContextManager[Mount]]


@dataclass(frozen=True)
class Target:
    """The COLD drive of a run, known before it is switched on."""

    drive_id: int
    name: str


def run(progress: Progress, target: Target, hots: Sequence[Mount], open_cold: OpenCold) -> dict[str, Any]:
    """Do a run and record how it ended; the job's result.  Raises what the job should tell."""
    run_id, was_cut_off = runs.open_run(progress.db, target.drive_id, progress.job_id)
    try:
        return _Run(progress, target, run_id, hots).do(open_cold, was_cut_off)
    except Cancelled:
        runs.close(progress.db, run_id, RunState.CANCELLED)
        raise
    except Exception:
        runs.close(progress.db, run_id, RunState.FAILED)
        raise


class _Run:
    def __init__(self, progress: Progress, target: Target, run_id: int, hots: Sequence[Mount]) -> None:
        self.progress, self.db = progress, progress.db
        self.target, self.run_id, self.hots = target, run_id, hots
        self.started = time.monotonic()
        self.details: dict[str, Any] = {}  # of the run's row
        with self.db.reading() as session:
            self.today = datetime.now(ZoneInfo(time_zone_name(session))).date()  # the family's, not the machine's

    def do(self, open_cold: OpenCold, was_cut_off: bool) -> dict[str, Any]:
        with ExitStack() as notes:
            return self._do(self._plan(notes), open_cold, was_cut_off)

    def _do(self, sheets: list[Sheet], open_cold: OpenCold, was_cut_off: bool) -> dict[str, Any]:
        numbers = total(sheets)
        others = not_copied.described(sheets)
        if self._braked(sheets, numbers):
            return {"braked": True}
        if not was_cut_off and not self._needs_cold(sheets):
            if not numbers.unreadable:
                others["named"] = []  # the run that met them names them, not every night's
            details = {"files": numbers.files, "others": others}
            runs.close(self.db, self.run_id, RunState.NOTHING_TO_DO, details=details, skipped=numbers.unreadable)
            return {"nothing_to_do": True, "files": numbers.files}
        from appliance.backup import recall  # most nights need neither
        from appliance.backup.visit import Visit

        with open_cold() as cold, ExitStack() as anew:
            if recall.recall(self.progress, cold, was_cut_off=was_cut_off):
                sheets = self._plan(anew)
                numbers = total(sheets)
            self.details |= {runs.VISIT: True, "others": others, "moved": sum(sheet.numbers.moved for sheet in sheets)}
            runs.note(self.db, self.run_id, details=self.details)
            result = Visit(self.progress, cold, self.hots, self.today).do(sheets, numbers, was_cut_off)
            self.details[recall.MANIFEST] = recall.digest(cold)
            self._practise(cold)
        return self._prove(result, numbers.unreadable)

    def _plan(self, notes: ExitStack) -> list[Sheet]:
        self.progress.step(N_("Comparing"), share=(0, 2))
        self._before_backup()
        sheets: list[Sheet] = []
        for hot in self.hots:
            base = sum(sheet.numbers.files for sheet in sheets)

            def tick(numbers: Numbers, base: int = base) -> None:
                done = base + numbers.files
                self.progress.step(N_("Comparing"), done, unit=N_("files"), share=(0, 2))

            sheet = plan.compare(self.db, hot, self.target.drive_id, self.progress.places.data, tick)
            notes.callback(sheet.close)
            sheets.append(sheet)
        scan.forget()
        return sheets

    def _before_backup(self) -> None:
        with self.db.reading() as session:
            is_behind = notes.is_behind(session)
        if is_behind:  # what people said travels with their photos
            from appliance.library import note_files  # most nights do not need it

            scan.forget()
            note_files.write_all(self.progress, self.hots)
        if not plugin.is_answered("before_backup"):
            return
        scan.forget()  # listed before they had their say
        with self.db.writing() as session:
            plugin.call("before_backup", session=session)

    def _braked(self, sheets: list[Sheet], numbers: Numbers) -> bool:
        planned = {"new": numbers.new, "changed": numbers.changed, "vanished": numbers.vanished, "bytes": numbers.bytes}
        with self.db.reading() as session:
            limits = brake.Limits(policy.BRAKE_SHARE.get(session), policy.BRAKE_FILES.get(session))
            asked = runs.waiting(session, self.target.drive_id)
        question = None
        for sheet in sheets:
            self._look_for_moved(sheet, sheets, limits.enough(sheet.numbers))
            noisy = brake.look(sheet.samples)
            question = question or brake.judge(sheet.hot.name, sheet.numbers, noisy, limits)
        if question is None or runs.is_allowed(self.db, self.target.drive_id, numbers.vanished, numbers.changed):
            if asked is not None:
                runs.release(self.db, self.target.drive_id)
            if any((numbers.new, numbers.changed, numbers.vanished)):
                runs.note(self.db, self.run_id, **planned)
            return False
        runs.note(self.db, self.run_id, **planned)
        runs.brake(self.db, self.run_id, self.target.drive_id, question)
        with self.db.writing() as session:
            events.record(session, "backup.braked", question.template, **question.fields)
        return True

    def _look_for_moved(self, sheet: Sheet, sheets: Sequence[Sheet], enough: int) -> None:
        """What only moved is no reason to ask."""
        if sheet.numbers.vanished < enough:
            return
        from appliance.backup import moves  # most nights do not need it

        scratch = self.progress.places.data
        sheet.numbers.moved = moves.count(
            self.db, sheet, sheets, enough, scratch, lambda: self.progress.step(N_("Comparing"), share=(0, 2))
        )

    def _needs_cold(self, sheets: list[Sheet]) -> bool:
        if any(not sheet.is_empty for sheet in sheets):
            return True
        with self.db.reading() as session:
            return (
                scrub.is_due(session, self.target.drive_id)
                or runs.drill_is_due(session, self.target.drive_id)
                or bool(scrub.damaged_with_copy(session, self.target.drive_id))
            )

    def _practise(self, cold: Mount) -> None:
        """The monthly restore drill, while the drive is on anyway."""
        with self.db.reading() as session:
            due = runs.drill_is_due(session, self.target.drive_id)
        if due:
            from appliance.backup import drill

            drill.drill(self.progress, self.target, self.hots, lambda: nullcontext(cold), share=(99, 100))

    def _prove(self, result: dict[str, Any], unreadable: int) -> dict[str, Any]:
        result["skipped"] += unreadable
        counted = {key: result[key] for key in ("copied", "bytes", "skipped", "scrubbed", "repaired")}
        seconds = max(1, round(time.monotonic() - self.started))
        self.details |= {"files": result["files"], "seconds": seconds, runs.LOST: result["lost"]}
        runs.close(self.db, self.run_id, RunState.PROVEN, details=self.details, **counted)
        with self.db.writing() as session:
            events.record(
                session,
                "backup.proven",
                N_("{drive} holds {files} files, proven."),
                drive=self.target.name,
                files=result["files"],
            )
        return result


def total(sheets: Sequence[Sheet]) -> Numbers:
    """The numbers of all HOT drives together."""
    everything = Numbers()
    for sheet in sheets:
        for name, value in vars(sheet.numbers).items():
            setattr(everything, name, getattr(everything, name) + value)
    return everything
