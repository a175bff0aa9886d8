"""A drive for one holder at a time.  The kernel lets go when the holder dies, so there is nothing to clean up."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from appliance.errors import Conflict
from appliance.places import Places
from appliance.words import N_

if TYPE_CHECKING:
    from appliance.jobs.progress import Progress

TRY_AGAIN_S = 1.0
HANDING_OVER = 0  # no drive has this id: one hand-over at a time


@contextmanager
def lease(places: Places, drive_id: int, progress: "Progress | None" = None) -> Iterator[None]:
    """A drive for one holder at a time, let go by the kernel when the holder dies.

    With ``progress`` it waits its turn; without, it raises Conflict when the drive is taken.
    """
    path = places.run / f"drive-{drive_id}.lease"
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if progress is None:
                    raise Conflict() from None
                progress.step(N_("Waiting until the drive is free"))
                progress.wait(TRY_AGAIN_S)
        yield
