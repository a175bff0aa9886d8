"""Whether the clock may be believed.  A small box has none that runs without power, and maybe nobody tells it.

Two moments are certain to have passed: that at which this version was built, and the last one that was noted while the
clock could be believed (``clock.json`` in the data folder, every six hours).

* A clock that shows a time before them is wrong: nothing starts by schedule.
* One that a time server has set since the start is believed; so is one that only went on from what was noted, and that
  of a computer which is not ours to look after.
* By any other nothing is deleted and nothing runs out, because nobody can bring back what went too early.

Standard library only: root's side asks, too.
"""

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance import BUILT
from appliance.drives.records import boot_id
from appliance.durable import write_atomically
from appliance.health import sensors
from appliance.places import Places, places

SYSTEMD, TIMESYNC = Path("/run/systemd/system"), Path("/run/systemd/timesync")
NOTE_EVERY = timedelta(hours=6)
APART = timedelta(hours=1)  # how far a clock may be behind what was noted, after a power cut
AHEAD = timedelta(days=1)  # how far it may be ahead of what was noted and how long the box has run since
JUMP = timedelta(hours=1)


@dataclass(frozen=True)
class Clock:
    """What the clock shows, and what speaks for it.  ``is_set`` is None where that is somebody else's business."""

    now: datetime
    is_set: bool | None
    floor: datetime  # has certainly passed
    goes_on: bool = False  # not set, but it went on from what was noted

    @property
    def is_wrong(self) -> bool:
        """It shows a time that has passed long ago."""
        return self.now < (built() if self.is_set is not False else self.floor - APART)

    @property
    def is_trusted(self) -> bool:
        """Things may be deleted, and run out, by it."""
        return not self.is_wrong and (self.is_set is not False or self.goes_on)

    @property
    def passed(self) -> datetime:
        """The moment to hold expiry against: never later than it really is, as far as anybody knows."""
        return self.now if self.is_trusted else min(self.now, self.floor)

    @property
    def likely(self) -> datetime:
        """The best that can be said of what time it is."""
        return max(self.now, self.floor)


def built() -> datetime:
    """When this version was built."""
    return datetime.fromisoformat(BUILT).replace(tzinfo=UTC)


def read(here: Places | None = None, moment: datetime | None = None) -> Clock:
    """The clock now, or as if it showed ``moment``."""
    shown, noted = moment or datetime.now(UTC), _noted(here or places())
    floor = max(built(), noted.passed)
    goes_on = floor - APART <= shown <= floor + noted.since + AHEAD
    return Clock(shown, is_set(), floor, goes_on)


def is_set() -> bool | None:
    """Whether a time server has set the clock since the start; None where there is no systemd to ask."""
    if not SYSTEMD.is_dir():
        return None
    if (TIMESYNC / "synchronized").exists():
        return True
    if TIMESYNC.is_dir() or os.environ.get("EVERPX_SERVICES") != "launcher":
        return False  # on the image nobody else sets it, and its units may not ask the kernel
    status = sensors.clock_status()
    return status is not None and not status & sensors.STA_UNSYNC


@dataclass(frozen=True)
class _Note:
    passed: datetime
    since: timedelta  # how long this box has certainly run since


def _noted(here: Places) -> _Note:
    up = uptime()
    with suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads((here.data / "clock.json").read_text())
        passed, boot, then = datetime.fromisoformat(told["passed"]), told["boot"], float(told["up"])
        return _Note(passed.astimezone(UTC), timedelta(seconds=up - then if boot == boot_id() else up))
    return _Note(datetime.min.replace(tzinfo=UTC), timedelta(seconds=up))


def uptime() -> float:
    """Seconds since the start, also those asleep."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def note(here: Places) -> timedelta | None:
    """Write down that this moment has passed, if that is certain.

    How far the clock jumped when it was set, if that was since the last call and far; what was dated before then is
    dated wrong.
    """
    clock, noted = read(here), _noted(here)
    jumped = _jumped(here, clock)
    late = clock.now - noted.passed  # a server may also set it back behind what another one said
    if clock.is_trusted and not timedelta() <= late < NOTE_EVERY:
        believe(here, clock.now)
    return jumped


def believe(here: Places, moment: datetime) -> None:
    """This moment has passed: a time server says so, or a person."""
    told = {"passed": moment.isoformat(), "boot": boot_id(), "up": uptime()}
    write_atomically(here.data / "clock.json", json.dumps(told).encode())


def _jumped(here: Places, clock: Clock) -> timedelta | None:
    """Compared with the last call in this run of the box; kept where a start forgets it."""
    place, up = here.run / "clock.json", uptime()
    before = None
    with suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads(place.read_text())
        before = None if told["set"] else datetime.fromisoformat(told["shown"]) + timedelta(seconds=up - told["up"])
    write_atomically(place, json.dumps({"shown": clock.now.isoformat(), "up": up, "set": clock.is_set}).encode())
    if before is None or clock.is_set is False or abs(jump := clock.now - before) < JUMP:
        return None
    return jump
