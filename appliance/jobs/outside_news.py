"""What the worker knows of news on the drives (:mod:`appliance.watching`): that there is some, and when to look."""

import math
import time

from appliance.folder_news import FolderNews
from appliance.places import Places

MADE_OR_TOUCHED = 0x104  # IN_CREATE, IN_ATTRIB
CATCH_UP = "appliance.watching.catch_up"
LONGEST_REST_S = 60.0


class OutsideNews:
    """A reason to start the process that catches up, which stays until there is nothing left."""

    def __init__(self, here: Places) -> None:
        self._folder = here.news
        self._told = FolderNews()
        self._failed = 0
        self._again = -math.inf

    def fileno(self) -> int:
        """Readable when there is news."""
        return self._told.fileno()

    def heard(self) -> None:
        """Call when it was readable: what waits for one drive does not hold up another."""
        if self._told.heard():
            self._again = -math.inf

    def rest(self) -> float:
        """Seconds until somebody must look; 0 for now, infinite when there is no news.  Listens from now on."""
        self._told.listen(self._folder, MADE_OR_TOUCHED)
        try:
            there = any(self._folder.iterdir())
        except OSError:
            there = False
        return max(0.0, self._again - time.monotonic()) if there else math.inf

    def ended(self, status: int) -> None:
        """The process is done; where it could not finish, the next one waits longer each time."""
        self._failed = self._failed + 1 if status else 0
        self._again = time.monotonic() + min(2.0**self._failed, LONGEST_REST_S) if status else -math.inf
