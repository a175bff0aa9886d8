"""Root's side of upgrades.  It is told the name of a file that was brought, or documents that prove themselves.

Root believes nothing that is told of a bundle: it copies the file to where only root writes, has RAUC check the
signature, decides by what it remembers itself (``deciding``), and installs that very copy.  An install first stores
what is remembered, then the record of the attempt, then has RAUC write; each is durable before the next begins.
"""

import json
import logging
import os
import pwd
import shlex
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from appliance.broker.protocol import at_start, verb
from appliance.errors import ApplianceError
from appliance.upgrade import attempt, boot
from appliance.upgrade.attempt import Attempt, Phase, RecordDamaged
from appliance.words import Message
from plugins.upgrade import place
from plugins.upgrade.installing import CUT_OFF, progress_file, refuse
from plugins.upgrade.requests import (
    Brought,
    CannotDecide,
    CannotRestart,
    Chosen,
    DriveHeld,
    KeyList,
    News,
    Nothing,
    NothingExamined,
    NothingStaged,
    Silent,
    Undecided,
    is_drive_held,
)

log = logging.getLogger("everpx.broker")
DECIDE_WITHIN_S = 300
REBOOT_WITHIN_S = 60


class Told(ApplianceError):
    """What the process said that decides, in its own words."""

    def __init__(self, answer: dict[str, Any]) -> None:
        words = Message.from_json(answer["words"])
        self.template = words.template  # type: ignore[misc]
        super().__init__(**words.fields)
        self.code, self.hint = answer["error"], answer["hint_words"]  # type: ignore[misc]


@verb("upgrade.status")
def status(request: Nothing) -> dict[str, Any]:
    """What runs, whether it can be upgraded, and whether a version is being prepared."""
    running = place.release()
    return {"running": asdict(running), "busy": place.is_busy()}


@verb("upgrade.examine")
def examine(request: Brought) -> dict[str, Any]:
    """Copy the file to root's place and say what it is, if it may be installed.  Raises a refusal in words."""
    place.release()
    with place.alone():
        _nothing_waits()
        user = pwd.getpwnam(os.environ.get("EVERPX_USER", "everpx"))
        place.own(incoming(), request.name, user.pw_uid)
        try:
            return _decide({"ask": "examine", "channel": request.channel})
        except ApplianceError:
            place.forget()
            raise


@verb("upgrade.install")
def install(request: Chosen) -> dict[str, Any]:
    """Decide once more about root's own copy, note it, and begin to write.  How it goes on is in the record."""
    with place.alone() as lock:
        _nothing_waits()
        examined = _examined()
        if examined.get("manifest") != request.manifest or not place.bundle().exists():
            raise NothingExamined
        decided = _decide({"ask": "examine", "channel": examined.get("channel", "")})
        if decided["manifest"] != request.manifest:
            raise NothingExamined
        noted = Attempt(decided["version"], place.release().version).at(Phase.INSTALLING)
        attempt.write(place.home(), noted)
        _begin(lock)
        return {"version": decided["version"]}


@verb("upgrade.cancel")
def cancel(request: Nothing) -> dict[str, Any]:
    """What waits for its restart is not tried."""
    with place.alone():
        staged, slots = _staged(), boot.here()
        slots.stage(slots.start.slot)
        return {"version": staged.version}


@verb("upgrade.restart")
def restart(request: Nothing) -> dict[str, Any]:
    """Restart into the version that waits, unless a drive is in use.  Raises NothingStaged, DriveHeld."""
    with place.alone():
        staged = _staged()
        if is_drive_held(Path(os.environ.get("EVERPX_RUN", "/run/everpx"))):
            raise DriveHeld
        _try_it()
        return {"version": staged.version}


@verb("upgrade.follow")
def follow(request: KeyList) -> dict[str, Any]:
    """Trust the next list of keys, if the present ones say so."""
    return _decide({"ask": "follow", "document": request.document})


@verb("upgrade.hear")
def hear(request: News) -> dict[str, Any]:
    """What a channel file announces, if it is believed."""
    return _decide({"ask": "hear", "channel": request.channel, "document": request.document})


@verb("upgrade.silence")
def silence(request: Silent) -> dict[str, Any]:
    """Whether there has been no news for far too long."""
    return _decide({"ask": "silence", "network_works": request.network_works})


@at_start
def see_what_was_cut_off() -> None:
    """An install that nobody carries on was cut off; the slot that runs was never touched."""
    try:
        noted = attempt.read(place.home())
    except (RecordDamaged, OSError):
        return
    if noted is not None and noted.state is Phase.INSTALLING and not place.is_busy():
        refuse(Message(CUT_OFF))
        place.forget()
        progress_file().unlink(missing_ok=True)


def incoming() -> Path:
    """Where the console puts what it receives; it is the station's own user's."""
    return Path(os.environ.get("EVERPX_DATA", "/var/lib/everpx")) / "upgrade"


def _nothing_waits() -> None:
    try:
        noted = attempt.read(place.home())
    except RecordDamaged:
        return  # the next attempt begins a new record
    if noted is not None and noted.state in (Phase.STAGED, Phase.TRYING):
        raise Undecided(version=noted.version)


def _staged() -> Attempt:
    noted = attempt.read(place.home())
    if noted is None or noted.state is not Phase.STAGED:
        raise NothingStaged
    return noted


def _examined() -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((place.home() / place.EXAMINED).read_text())
    except (OSError, ValueError):
        raise NothingExamined from None
    return found


def _decide(question: dict[str, Any]) -> dict[str, Any]:
    """Ask the process that decides.  Raises Told, CannotDecide."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "plugins.upgrade.deciding"], input=json.dumps(question), capture_output=True,
            text=True, timeout=DECIDE_WITHIN_S, check=False,
        )  # fmt: skip
        if done.stderr.strip():
            log.info("deciding: %s", done.stderr.strip()[-1000:])
        answer: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise CannotDecide(why=f"{DECIDE_WITHIN_S} s") from None
    except ValueError:
        raise CannotDecide(why=(done.stderr.strip().splitlines() or ["?"])[-1][:200]) from None
    if "error" in answer:
        raise Told(answer)
    decided: dict[str, Any] = answer["ok"]
    return decided


def _begin(lock: int) -> None:
    """Start the process that writes; it keeps the lock, which is its standard input."""
    log = place.home() / "install.log"
    with log.open("wb") as out:
        subprocess.Popen(
            [sys.executable, "-m", "plugins.upgrade.installing"],
            stdin=lock, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip


def _try_it() -> None:
    """Tell the loader, and restart; where that cannot be, it waits as before.  Raises CannotRestart."""
    slots = boot.here()
    waiting = slots.record()
    slots.arm()
    argv = shlex.split(os.environ.get("EVERPX_REBOOT", "systemctl reboot"))
    try:
        subprocess.run(argv, stdin=subprocess.DEVNULL, check=True, timeout=REBOOT_WITHIN_S)
    except (OSError, subprocess.SubprocessError) as error:
        slots.loader.disarm()
        if waiting is not None:
            slots.note(waiting)
        raise CannotRestart(why=str(error)[:200]) from None
