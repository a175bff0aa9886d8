"""The worker's eyes: a thread that keeps ``run/inventory.json`` true.

A thread of its own, because looking at a drive that hangs takes as long as it takes; meanwhile jobs start and end as
usual.  It looks when the kernel tells of a drive, when root mounted or unmounted one, and every ten minutes for what
nobody tells (free space, temperature).
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from appliance.broker.client import Broker
from appliance.drives import inventory, records
from appliance.drives.watch import Watch
from appliance.errors import ApplianceError
from appliance.places import Places

log = logging.getLogger("everpx.drives")

LOOK_EVERY_S = 600
TRY_AGAIN_S = 5  # when root does not answer


class DriveWatch(threading.Thread):
    """``scanned`` is set once there is a first list; ``changed`` is called when drives came, went or changed sides."""

    def __init__(self, here: Places, broker: Broker, changed: Callable[[], None]) -> None:
        super().__init__(name="drive watch", daemon=True)
        self.here, self.broker, self.changed = here, broker, changed
        self.scanned = threading.Event()
        self._last: inventory.Inventory | None = None
        self._mattered: list[tuple[Any, ...]] | None = None

    def run(self) -> None:
        """For ever; the process's end ends it."""
        news = Watch(self.here)
        while True:
            seen = self.look()
            self.scanned.set()
            end = time.monotonic() + (LOOK_EVERY_S if seen else TRY_AGAIN_S)
            while time.monotonic() < end and not news.changed():
                news.wait(end - time.monotonic())

    def look(self) -> bool:
        """One list, saved before anybody is told of it; False when it could not be made."""
        try:
            now = inventory.scan(self.here, self.broker, self._last)
            inventory.save(self.here, now)
        except (ApplianceError, OSError) as error:
            log.warning("the list of drives could not be made: %s", error)
            return False
        self._last = now
        before, self._mattered = self._mattered, _what_matters(self.here, now)
        if before != self._mattered:
            log.info("drives: %s", ", ".join(f.device for f in now.found) or "none")
            self.changed()
        return True


def _what_matters(here: Places, now: inventory.Inventory) -> list[tuple[Any, ...]]:
    """What calls for chores; free space and temperature do not.

    Mounts count apart: a drive that came, was mounted and went between two looks is in neither of them.
    """
    drives = [
        (f.device, f.sequence, f.filesystem_uuid, f.mark, f.mounted_at, f.read_only, f.dirty, f.health, f.problem)
        for f in now.found
    ]
    return [*drives, *((r.tag, r.device, r.sequence) for r in records.all_records(here.mounts))]
