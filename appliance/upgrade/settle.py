"""The first thing of ours at each start, as root: ``python -m appliance.upgrade.settle``.

In a trial it copies the database before the new version opens it, and says that this start is a trial.  After one that
failed it brings that copy back and notes why.  After a power cut it notes what the cut left.  Everything is done over
again when it is cut off: the record changes last.
"""

import json
import logging
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from appliance.places import Places, places
from appliance.upgrade import before, boot, trial
from appliance.upgrade.attempt import Attempt, Phase
from appliance.upgrade.boot import Boot
from appliance.words import N_, Message

log = logging.getLogger("everpx.upgrade")
RELEASE = Path("/usr/lib/everpx/release")
CUT_OFF = N_("The station lost its power while version {version} was being installed. Please install it again.")
NOT_STARTED = N_("Version {version} did not start.")
NOT_HEARD = N_("Version {version} started, but stopped before it could show that it works.")
NO_COPY = N_("What the station knows could not be put aside ({why}), so version {version} was not tried.")
MOST_TRIES = 2


class NotBroughtBack(OSError):
    """The database may be of both versions: nothing may open it before this was done again."""


def settle(slots: Boot, here: Places, version: str) -> Attempt | None:
    """Put in order what this start finds; the record as it is afterwards.  Raises OSError, in a trial with a note."""
    if slots.start.trial:
        return _begin_trial(slots, here, version)
    record = slots.record()
    if record is None:
        return None
    settled = after(record, slots)
    if settled.state is Phase.CAME_BACK and record.copied:
        try:
            before.bring_back(here.database, slots.folder)
        except OSError as error:
            raise NotBroughtBack(*error.args) from error
    if settled != record:
        slots.note(settled)
    if settled.ended:
        before.forget(slots.folder)
    return settled


def after(record: Attempt, slots: Boot) -> Attempt:
    """What a record means at a start that is no trial."""
    running = record.slot == slots.start.slot
    match record.state:
        case Phase.INSTALLING:
            return record.at(Phase.REFUSED, why=_words(CUT_OFF, record))
        case Phase.STAGED | Phase.TRYING if running:
            return record.at(Phase.KEPT, why=None)  # cut off between the loader's note and this one
        case Phase.STAGED if slots.loader.armed():
            slots.loader.disarm()  # told to the loader, which has not been asked since
        case Phase.TRYING if _was_not_tried(record, slots):
            slots.loader.disarm()
            return record.at(Phase.STAGED)
        case Phase.TRYING:
            return record.at(
                Phase.CAME_BACK, why=record.why or _words(NOT_HEARD if record.reached else NOT_STARTED, record)
            )
    return record


def _was_not_tried(record: Attempt, slots: Boot) -> bool:
    """Whether the loader may never have heard that it should try."""
    if record.reached:
        return False
    lost = not slots.loader.remembers and record.tries < MOST_TRIES
    return lost or slots.loader.armed() == record.slot


def _begin_trial(slots: Boot, here: Places, version: str) -> Attempt:
    record = slots.record()
    if record is None or record.ended or record.slot != slots.start.slot:
        record = Attempt(version, "", slots.start.slot)  # the loader was told by hand
    record = replace(record, version=record.version or version)
    record = slots.note(record.at(Phase.TRYING, reached=True, copied=False, why=None))
    try:
        before.keep(here.database, slots.folder)
    except OSError as error:
        why = Message(NO_COPY, {"why": error.strerror or str(error), "version": record.version})
        slots.note(replace(record, why=why))
        raise
    trial.begin(here)
    return slots.note(replace(record, copied=True))


def _words(template: str, record: Attempt) -> Message:
    return Message(template, {"version": record.version or "?"})


def restart() -> None:
    """And nothing of the station starts meanwhile."""
    subprocess.run(["systemctl", "reboot", "--no-block"], check=True, timeout=60)
    time.sleep(600)


def main() -> None:
    """Settle.  A trial that cannot begin ends here; it fails only where the station must not start."""
    slots = boot.here()
    try:
        record = settle(slots, places(), str(json.loads(RELEASE.read_text())["version"]))
    except Exception as error:  # a trial must not go on without its copy, any other start must go on
        log.exception("not settled")
        if slots.start.trial:
            restart()
        sys.exit(isinstance(error, NotBroughtBack))
    if record is not None:
        print(f"{record.version} {record.state}{f': {record.why}' if record.why else ''}")


if __name__ == "__main__":
    main()
