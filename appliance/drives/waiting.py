"""Switching a COLD drive on and waiting until it is here: by its switch, by people, or by both.

A switch that does not answer, or a drive that does not come although its switch is on, becomes a wish to people; the
station goes on trying meanwhile, ever more rarely, and takes the drive whichever way it comes.
"""

import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from sqlalchemy import select

from appliance.drives import circuits
from appliance.drives import inventory as live
from appliance.drives.identity import Verdict, VerdictKind, own_ids, verdict
from appliance.drives.models import Drive
from appliance.drives.switches import Means, PowerDriver, guarded
from appliance.errors import ApplianceError
from appliance.health import service as health
from appliance.health.models import Severity
from appliance.settings import Setting
from appliance.words import N_, Message

if TYPE_CHECKING:
    from appliance.jobs.progress import Progress

WAIT_HOURS = Setting(
    "drives.wait_hours",
    24,
    N_("How long to wait for a drive to be switched on"),
    help=N_("After that the work is given up until the next time."),
    minimum=1,
    maximum=336,
    unit=N_("hours"),
)
LOOK_AGAIN_S = 1.0
FIRST_RETRY_S, LAST_RETRY_S = 10.0, 300.0
PATIENCE_MOST_S = 600.0


class NotSwitchedOn(ApplianceError):
    """Nobody switched the drive on in time."""

    code, status = "drive_not_switched_on", 503
    template = N_("{drive} was not switched on within {hours} hours.")
    hint = N_("Nothing is lost; what is new is on one drive only until the next copy. Switch it on and start again.")


class DidNotCome(NotSwitchedOn):
    """The same, where nobody is asked to wait for people."""

    template = N_("{drive} did not come within {wait_seconds}.")
    hint = N_("Check its cable, and that the right switch was chosen for it.")


class Arrival:
    """One drive that is switched on and waited for."""

    def __init__(self, progress: "Progress", drive: Drive, driver: PowerDriver, within_s: float | None = None) -> None:
        self.progress, self.drive, self.driver, self.within_s = progress, drive, driver, within_s
        self.means = Means(progress.db, progress.broker, progress.places)
        self.own = own_ids(progress.places)
        self.problem: ApplianceError | None = None  # why the switch does not
        self.told: tuple[str, str] | None = None  # what people were asked last
        self.began = time.monotonic()
        self.retry_at, self.rest = 0.0, FIRST_RETRY_S

    def wait(self) -> live.Found:
        """The right drive, as soon as it is plugged in.  Raises NotSwitchedOn."""
        with self.progress.db.reading() as session:
            hours = WAIT_HOURS.get(session)
        late: NotSwitchedOn = NotSwitchedOn(drive=self.drive.name, hours=hours)
        if self.within_s is not None:
            late = DidNotCome(drive=self.drive.name, wait_seconds=round(self.within_s))
        try:
            self._switch()
            patience = guarded(self.driver, lambda: self.driver.patience(self.drive, self.means))
            end = self.began + (hours * 3600 if self.within_s is None else self.within_s)
            return self._until_here(end, late, min(patience, PATIENCE_MOST_S))
        finally:
            if self.told is not None:
                with self.progress.db.writing() as session:
                    health.settle(session, "switch_on", f"drive:{self.drive.id}")

    def _until_here(self, end: float, late: NotSwitchedOn, patience: float) -> live.Found:
        found, judged = self._search(live.refresh(self.progress.places, self.progress.broker))
        while found is None or judged is None or judged.kind is not VerdictKind.OURS:
            if time.monotonic() > end:
                raise late
            if judged is not None or self.problem is not None or time.monotonic() - self.began >= patience:
                self._ask_people(judged, patience)
            self.progress.step(judged.message if judged else self._stage(patience))
            self.progress.wait(LOOK_AGAIN_S)
            if patience and time.monotonic() >= self.retry_at:
                self._switch()
            found, judged = self._search(live.load(self.progress.places))
        seconds = time.monotonic() - self.began
        guarded(self.driver, lambda: self.driver.arrived(self.drive, self.means, seconds))
        return found

    def _switch(self) -> None:
        """Now, and once in a while again until it is here: a switch may have been deaf, or been turned back."""
        try:
            circuits.switch_on(self.means, self.driver, self.drive, self.progress)
            self.problem = None
        except ApplianceError as error:
            if self.problem is None or error.code != self.problem.code:
                self.progress.log(N_("{drive} could not be switched on: {why}"), self._why(error))
            self.problem = error
        self.retry_at, self.rest = time.monotonic() + self.rest, min(self.rest * 2, LAST_RETRY_S)

    def _why(self, error: ApplianceError) -> dict[str, object]:
        return {"drive": self.drive.name, "why": error.message}

    def _stage(self, patience: float) -> Message:
        named = {"drive": self.drive.name}
        if patience and self.problem is None:
            return Message(N_("Waiting for {drive} to start"), named)
        return Message(N_("Switch on {drive}"), named)

    def _search(self, inventory: live.Inventory) -> tuple[live.Found | None, Verdict | None]:
        """Whatever claims to be the drive, the real one first."""
        return search(self.progress, self.drive, inventory, self.own)

    def _ask_people(self, judged: Verdict | None, patience: float) -> None:
        message, hint = self._words(judged, patience)
        if self.told == (str(message), str(hint)):
            return
        self.told = (str(message), str(hint))
        with self.progress.db.writing() as session:
            subject = f"drive:{self.drive.id}"
            told = health.Finding("switch_on", Severity.WARNING, message, hint, subject, guide="connect")
            health.tell(session, told)

    def _words(self, judged: Verdict | None, patience: float) -> tuple[Message, Message]:
        named = {"drive": self.drive.name}
        if judged is not None:
            return judged.message, judged.hint
        if self.problem is not None:
            fields = named | {"why": self.problem.message}
            return (
                Message(N_("Please switch on {drive} by hand: {why}"), fields),
                Message(N_("The copy waits for it and goes on by itself. The station keeps trying the switch, too.")),
            )
        if patience:
            return (
                Message(N_("{drive} is switched on, but it does not come."), named),
                Message(N_("Check its cable and that the right switch was chosen for it. The copy waits for it.")),
            )
        return (
            Message(N_("Please switch on {drive}."), named),
            Message(N_("The copy waits for it. Plug it in, or switch its plug on; everything else is done by itself.")),
        )


def search(
    progress: "Progress", drive: Drive, inventory: live.Inventory, own: Collection[str]
) -> tuple[live.Found | None, Verdict | None]:
    """Whatever claims to be the drive, the real one first."""
    with progress.db.reading() as session:
        every = list(session.scalars(select(Drive)))
    best: tuple[live.Found | None, Verdict | None] = (None, None)
    for found in inventory.found:
        judged = verdict(found, inventory, every, own)
        if judged.drive_id == drive.id:
            if judged.kind is VerdictKind.OURS:
                return found, judged
            best = (found, judged)
    return best
