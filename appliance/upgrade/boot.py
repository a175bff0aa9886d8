"""Which slot starts next: one state machine over the loader's notes and the record of the attempt.

RAUC writes a slot and says that it should be started (``stage``).  Nothing is told to the loader before the restart
that is meant for it (``arm``); the loader starts the slot once, and whatever happens, the start after that is the old
one again, unless the new one said that it is well (``commit``).  So a power cut changes nothing by itself: before the
restart the new slot waits, after it the old one runs.

Whenever both are written, the order is such that a cut between them is told right at the next start (``settle.py``).
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import ApplianceError
from appliance.places import places
from appliance.upgrade import attempt
from appliance.upgrade.attempt import Attempt, Phase, RecordDamaged
from appliance.upgrade.loaders import SLOTS, Firmware, Grub, Loader, other
from appliance.words import N_, Message

TAKEN_BACK = N_("Somebody at the station took version {version} back before it was tried.")
_SLOT_OF_PARTITION = {2: "A", 3: "B"}


class TrialFirst(ApplianceError):
    """During a trial the other slot is what the station comes back to: nobody writes there."""

    code, status = "upgrade_trial_first", 409
    template = N_("A new version is being tried. Another one can be installed when that has been decided.")


class NothingWaits(ApplianceError):
    """There is no version that a restart could try."""

    code, status, template = "upgrade_nothing_waits", 409, N_("No new version is waiting to be tried.")


@dataclass(frozen=True)
class Start:
    """How the running system was started: which slot, and whether it is being tried."""

    slot: str
    trial: bool


class Boot:
    """The state of both slots; ``folder`` holds the record of the attempt."""

    def __init__(self, start: Start, loader: Loader, folder: Path) -> None:
        self.start, self.loader, self.folder = start, loader, folder

    def record(self) -> Attempt | None:
        """The last attempt; one that cannot be read is none, for what is to be started."""
        try:
            return attempt.read(self.folder)
        except RecordDamaged:
            return None

    def note(self, noted: Attempt) -> Attempt:
        """Store the record."""
        attempt.write(self.folder, noted)
        return noted

    def primary(self) -> str:
        """The slot that the next restart for an upgrade starts: one that waits to be tried, else the loader's."""
        record = self.record()
        waits = record is not None and not self.start.trial and record.state in {Phase.STAGED, Phase.TRYING}
        return record.slot if record is not None and waits else self.loader.primary()

    def is_good(self, slot: str) -> bool:
        """Whether a slot is known to hold something that starts, or that is worth a try."""
        if slot == self.start.slot:
            return True
        record = self.record()
        return record is not None and record.state in {Phase.STAGED, Phase.TRYING, Phase.KEPT}

    def stage(self, slot: str) -> None:
        """A slot was written and waits to be tried; the one that runs stays: whatever waits is taken back."""
        if self.start.trial:
            return  # what comes next is decided by this trial, and by nothing else
        record = self.record()
        if slot == self.start.slot:
            self.loader.disarm()
            if record is not None and record.state in {Phase.STAGED, Phase.TRYING}:
                self.note(record.at(Phase.REFUSED, why=Message(TAKEN_BACK, {"version": record.version})))
            return
        if record is None or record.state is not Phase.INSTALLING:
            record = Attempt("", "")  # by hand, past the station: it has no name, and is tried like any other
        self.note(record.at(Phase.STAGED, slot=slot, tries=0, reached=False, copied=False))

    def unstage(self, slot: str) -> None:
        """A slot is about to be written over: it is not tried any more, and nothing comes back to it.  TrialFirst."""
        if slot == self.start.slot:
            return
        if self.start.trial:
            raise TrialFirst
        self._fall_back_here()
        self.loader.disarm()
        record = self.record()
        if record is None or record.state is not Phase.INSTALLING:
            self.note(Attempt("", "").at(Phase.INSTALLING, slot=slot))

    def arm(self) -> Attempt:
        """Tell the loader to try what waits, for the restart that follows at once.  Raises NothingWaits."""
        record = self.record()
        if record is None or record.state not in {Phase.STAGED, Phase.TRYING} or self.start.trial:
            raise NothingWaits
        if record.slot != other(self.start.slot):
            raise NothingWaits
        self._fall_back_here()
        # a cut between the two: the loader tries, and the trial knows itself by that
        self.loader.arm(record.slot)
        if record.state is Phase.TRYING:
            return record
        return self.note(record.at(Phase.TRYING, tries=record.tries + 1, reached=False, copied=False))

    def _fall_back_here(self) -> None:
        """A loader that could not start its primary runs the other one: that is then what it comes back to."""
        if self.loader.primary() != self.start.slot:
            self.loader.commit(self.start.slot)

    def commit(self, slot: str) -> None:
        """The running slot is well: it starts from now on."""
        if slot != self.start.slot:
            return
        if self.loader.primary() != slot or self.loader.armed():
            self.loader.commit(slot)  # from here on it is kept; the record follows, if need be at the next start
        record = self.record()
        if record is not None and record.state in {Phase.STAGED, Phase.TRYING} and record.slot == slot:
            self.note(record.at(Phase.KEPT, why=None))


def here() -> Boot:
    """That of the machine this runs on.  ``EVERPX_SELECTOR`` and ``EVERPX_PROC`` name other places than its own."""
    selector = Path(os.environ.get("EVERPX_SELECTOR", "/boot/selector"))
    proc = Path(os.environ.get("EVERPX_PROC", "/proc"))
    firmware = proc / "device-tree/chosen/bootloader"
    if (firmware / "partition").exists():
        argument = Path(os.environ.get("EVERPX_REBOOT_ARGUMENT", "/run/systemd/reboot-param"))
        loader: Loader = Firmware(selector, argument)
    else:
        loader = Grub(selector)
    return Boot(started(proc), loader, places().upgrade)


def started(proc: Path) -> Start:
    """What loader and kernel say of this start.  A Pi's firmware says it in the device tree, as big-endian numbers."""
    said = dict(re.findall(r"(rauc\.slot|everpx\.trial)=(\S+)", (proc / "cmdline").read_text()))
    slot, trial = said.get("rauc.slot", ""), said.get("everpx.trial") == "1"
    firmware = proc / "device-tree/chosen/bootloader"
    if (firmware / "partition").exists():
        slot = _SLOT_OF_PARTITION.get(_number(firmware / "partition"), "")
        trial = _number(firmware / "tryboot") == 1
    if slot not in SLOTS:
        raise ValueError("This system was not started from a slot.")
    return Start(slot, trial)


def _number(file: Path) -> int:
    return int.from_bytes(file.read_bytes(), "big") if file.exists() else 0
