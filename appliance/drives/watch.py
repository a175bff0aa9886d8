"""Hearing that the list of drives may have changed: a device came or went, root (un)mounted or formatted one.

Three sources: announcements of devices (pyudev), news of the folders in which root writes and in which folder drives
lie (inotify), and a look at these folders now and then for what nobody told.
"""

import select
import time
from pathlib import Path
from typing import Any

from appliance.folder_news import NAMES, FolderNews
from appliance.later import put_off
from appliance.places import Places

DEBOUNCE_S = 0.3
LONGEST_SETTLE_S = 1.5  # a drive that keeps changing is shown all the same
LOOK_ANYWAY_S = 60.0
LOOK_OFTEN_S = 1.0  # where a source is missing


class Watch:
    """Call :meth:`changed`, and :meth:`wait` while it says no.

    What a scan itself looked at for the first time counts as news, too: one more scan, which then finds everything
    looked at, is better than a change that was missed.
    """

    def __init__(self, places: Places) -> None:
        self._folders = (places.mounts, places.mounts / ".seen", places.folder_drives)
        self._devices = _monitor()
        self._names = FolderNews()
        self._told_of_all = self._listen()
        self._times = self._looked()

    def wait(self, seconds: float) -> None:
        """Until something may have happened, at most so long."""
        sources = [source for source in (self._devices, self._names) if source is not None and source.fileno() >= 0]
        most = LOOK_ANYWAY_S if self._told_of_all and self._devices is not None else LOOK_OFTEN_S
        select.select(sources, [], [], max(0.0, min(seconds, most)))

    def changed(self) -> bool:
        """Whether anything happened since the last call; waits a moment for a burst of events to end."""
        happened = self._drain()
        end = time.monotonic() + LONGEST_SETTLE_S
        while happened and self._devices is not None and time.monotonic() < end:
            if not select.select([self._devices], [], [], DEBOUNCE_S)[0]:
                break
            self._drain()
        self._names.heard()
        self._told_of_all = self._listen()  # before the look, so that nothing falls between
        times = self._looked()
        happened = happened or times != self._times
        self._times = times
        return happened

    def close(self) -> None:
        """Stop listening."""
        self._names.close()
        self._devices = None  # pyudev closes what nobody holds any more

    def _drain(self) -> bool:
        """Whether a drive was announced."""
        happened = False
        try:
            while self._devices is not None and self._devices.poll(0) is not None:
                happened = True
        except OSError:  # more came than fitted: look
            happened = True
        return happened

    def _listen(self) -> bool:
        """Hear of each folder; of one that is not there, through the nearest that is."""
        there = [next(place for place in (folder, *folder.parents) if place.is_dir()) for folder in self._folders]
        return all([self._names.listen(place, NAMES) for place in there])

    def _looked(self) -> tuple[Any, ...]:
        return tuple(_stamp(folder) for folder in self._folders)


def _monitor() -> Any:
    """pyudev's monitor: of udev's announcements where it runs (devices are ready then), else of the kernel's own.

    None where there is none, such as in a sandbox; what root writes and folder drives are noticed all the same.
    """
    for unused in ("shutil", "tempfile"):  # which ctypes.util names for finding libraries without ldconfig
        put_off(unused)
    try:
        import pyudev

        source = "udev" if Path("/run/udev/control").exists() else "kernel"
        monitor = pyudev.Monitor.from_netlink(pyudev.Context(), source=source)
        monitor.filter_by(subsystem="block")
        monitor.start()
    except (ImportError, OSError):  # ImportError also says that libudev is missing
        return None
    return monitor


def _stamp(folder: Path) -> Any:
    try:
        facts = folder.stat()
        return facts.st_ino, facts.st_mtime_ns
    except OSError:
        return None
