"""The HOT drives that uploads go to, looked up at most once a second: a thousand photos ask a thousand times.

What comes from here may be a second old.  That is safe, since every use opens the drive by its device number and
checks its marker again (``room.opened``, ``Mount.check``) before it writes.
"""

import time

from appliance.db import Database
from appliance.drives.mounts import Mount, hot_mounts
from appliance.places import Places

GOOD_FOR_S = 1.0


class Shelves:
    """The HOT drives of one station, as one process sees them."""

    def __init__(self, db: Database, places: Places) -> None:
        self._db, self._places = db, places
        self._looked, self._mounts = -GOOD_FOR_S, list[Mount]()

    def mounts(self) -> list[Mount]:
        """The HOT drives that are here, in the order of their number."""
        if time.monotonic() - self._looked >= GOOD_FOR_S:
            with self._db.reading() as session:
                self._mounts = hot_mounts(session, self._places)
            self._looked = time.monotonic()
        return self._mounts
