"""The way to what the page shows, for whoever reads the drive on another computer.

The private folder belongs to the station's user and is closed to others, on filesystems that know owners.  The page
is opened by somebody with another number: they get through the private folder to the pictures, without a list of what
else is in it; the database copy and what is on its way in are closed by themselves first.
"""

import contextlib
import os
import stat
from collections.abc import Callable

from appliance.drives import layout
from appliance.library.beneath import make_folder, open_beneath

CLOSED = (layout.INCOMING, layout.STATION_COPY)
_OTHERS_PASS = 0o011
_CLOSED = 0o700


def open_the_way(root: int) -> None:
    """Do it, by a descriptor of the drive's top; nothing where it is so, or where a filesystem has no such thing."""
    for name in CLOSED:
        os.close(make_folder(root, name.encode()))  # closed before anything is in it
        _set(root, name, lambda mode: mode & _CLOSED)
    _set(root, layout.PRIVATE, lambda mode: mode | _OTHERS_PASS)
    for name in (layout.ALBUM, layout.PREVIEWS):
        _set(root, name, lambda mode: mode | 0o055)


def _set(root: int, name: str, wanted: Callable[[int], int]) -> None:
    try:
        folder = open_beneath(root, name.encode(), os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    try:
        mode = stat.S_IMODE(os.fstat(folder).st_mode)
        if wanted(mode) != mode:
            with contextlib.suppress(OSError):  # another user's, or FAT: the page is of use to the owner still
                os.fchmod(folder, wanted(mode))
    finally:
        os.close(folder)
