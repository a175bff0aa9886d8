"""The verdict about a version on trial, as root: ``python -m appliance.upgrade.judge --user NAME COMMAND…``.

Waits until the station answers at its front door, then asks the probe (COMMAND, run as the station's user): it ends
with 0 when everything a family does works, else it says on its last line what does not.  A version that is well is
kept; any other notes why, and the restart brings the old one back.  The unit has a limit, so no answer is one, too.
"""

import argparse
import http.client
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from appliance.places import Places, places
from appliance.upgrade import before, boot, settle, trial
from appliance.upgrade.boot import Boot
from appliance.words import N_, Message

BROKEN = 500  # and above, an answer of HTTP says that the server has failed
WHOLE_S = 13 * 60  # the unit's limit is a little more
PATIENCE_S = 4 * 60  # from the first answer on: drives spin up, indexes are read
PROBE_S = 3 * 60
AGAIN_S = 5
TRIES = 4
MARK_GOOD = ["rauc", "status", "mark-good"]
UNWELL = N_("Version {version} was tried and did not work: {why}")
SILENT = N_("its console did not answer.")
SLOW = N_("nobody could find out in time whether it works.")
NOT_KEPT = N_("it works, but could not be kept ({why}).")


@dataclass(frozen=True)
class Probe:
    """A program that uses the station as a family does, and the user that it runs as."""

    command: Sequence[str]
    user: str = ""


def examined(probe: Probe, until: float) -> Message | None:
    """Why the version is not well, or None when it is."""
    while answer() is None:
        if time.monotonic() > until:
            return Message(SILENT)
        time.sleep(1)
    until = min(until, time.monotonic() + PATIENCE_S)
    while (why := asked(probe)) is not None and time.monotonic() < until:
        time.sleep(AGAIN_S)
    return why


def answer() -> int | None:
    """What the front door says, or None while there is nobody."""
    door = http.client.HTTPConnection("127.0.0.1", 80, timeout=30)
    try:
        door.request("GET", "/", headers={"Host": "localhost"})
        return door.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        door.close()


def asked(probe: Probe) -> Message | None:
    """What is wrong: the console is not behind its door, or what the probe says in its own sentence."""
    if (answer() or BROKEN) >= BROKEN:
        return Message(SILENT)
    if not probe.command:
        return None
    who: dict[str, Any] = {"user": probe.user, "group": probe.user, "extra_groups": []} if probe.user else {}
    try:
        done = subprocess.run(
            probe.command, capture_output=True, text=True, timeout=PROBE_S, check=False, cwd="/", **who
        )
    except subprocess.TimeoutExpired:
        return Message(SLOW)
    if done.returncode == 0:
        return None
    sentence = (done.stdout.strip() or done.stderr.strip() or f"{done.returncode}").splitlines()[-1]
    return Message("{why}", {"why": sentence}) if {"{", "}"} & set(sentence) else Message(sentence)


def kept() -> Message | None:
    """Keep the running slot, through RAUC as anybody would: a version that cannot upgrade is not kept either."""
    for _ in range(TRIES):  # the bus gives up after 25 s, and what it started goes on starting
        done = subprocess.run(MARK_GOOD, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode == 0:
            return None
    said = (done.stderr.strip() or done.stdout.strip() or f"{done.returncode}").splitlines()[-1]
    return Message(NOT_KEPT, {"why": said})


def judge(slots: Boot, here: Places, probe: Probe) -> Message | None:
    """Keep the version or note why not, and return that."""
    why = examined(probe, time.monotonic() + WHOLE_S) or kept()
    if why is None:
        trial.end(here)
        before.forget(slots.folder)
        return None
    record = slots.record()
    if record is not None:
        slots.note(replace(record, why=Message(UNWELL, {"version": record.version, "why": why})))
    return why


def main() -> None:
    """Judge, if there is a trial."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--user", default="everpx")
    options.add_argument("probe", nargs=argparse.REMAINDER)
    given = options.parse_args()
    slots, here = boot.here(), places()
    if not slots.start.trial or not trial.is_on(here):
        return
    why = judge(slots, here, Probe(given.probe, given.user))
    print(f"EVERPX-TRIAL {why if why else 'kept'}", flush=True)
    if why is not None:
        settle.restart()


if __name__ == "__main__":
    main()
