"""Bundles on their way in, in the station's own data folder: one at a time, resumable, and whole before it has a name.

What has arrived is the length of the part, so nothing can claim more than there is.  Root copies it from here.
"""

import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from appliance.durable import flush_folder
from appliance.errors import Conflict, Invalid, NotFound
from appliance.places import Places
from appliance.words import N_
from plugins.upgrade.place import LARGEST, SPARE, NoRoom
from plugins.upgrade.requests import NAME

PART = re.compile(r"([0-9a-f]{32})\.([0-9]{1,10})\.part")
BLOCK = 1 << 20
Read = Callable[[int], bytes]


class WrongOffset(Conflict):
    """The client goes on where the part does not end."""

    code = "wrong_offset"
    template = N_("The upload continues at another place: {offset} bytes have arrived.")
    hint = N_("Ask how far it is and go on from there.")


@dataclass(frozen=True)
class Part:
    """A file that is on its way, or has arrived."""

    name: str
    size: int
    arrived: int
    path: Path

    @property
    def is_whole(self) -> bool:
        """Whether all of it is here."""
        return self.arrived == self.size


def folder(places: Places) -> Path:
    """Where they lie; made if absent."""
    place = places.data / "upgrade"
    place.mkdir(mode=0o700, exist_ok=True)
    return place


def check_size(places: Places, size: int) -> None:
    """Whether that much can be brought and copied once by root.  Raises Invalid, NoRoom."""
    if not 1 <= size <= LARGEST:
        raise Invalid({"Upload-Length": N_("This file is far too large to be a new version.")})
    facts = os.statvfs(places.data)
    needed = 2 * size + SPARE - facts.f_bavail * facts.f_frsize
    if needed > 0:
        raise NoRoom(needed_bytes=needed)


def create(places: Places, size: int) -> Part:
    """Begin one; what was brought before goes.  Raises Invalid, NoRoom."""
    clear(places)
    check_size(places, size)
    name = secrets.token_hex(16)
    path = folder(places) / f"{name}.{size}.part"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    return Part(name, size, 0, path)


def find(places: Places, name: str) -> Part:
    """One by its name.  Raises NotFound."""
    for path in folder(places).iterdir():
        if path.name == name and NAME.fullmatch(name):
            size = path.stat().st_size
            return Part(name, size, size, path)
        if (found := PART.fullmatch(path.name)) and found[1] == name:
            return Part(name, int(found[2]), path.stat().st_size, path)
    raise NotFound(what="upload")


def append(places: Places, name: str, offset: int, read: Read) -> Part:
    """Add what ``read`` gives; whoever sends more than was announced is cut off.  Raises NotFound, WrongOffset."""
    part = find(places, name)
    if part.is_whole and part.path.name == name:
        return part
    if offset != part.arrived:
        raise WrongOffset(offset=part.arrived)
    with part.path.open("r+b") as file:
        file.seek(offset)
        left = part.size - offset
        while left and (block := read(min(BLOCK, left))):
            file.write(block)
            left -= len(block)
    return finish(places, name)


def finish(places: Places, name: str) -> Part:
    """Give a part that is complete its name, durably; any other is returned as it is.  Raises NotFound."""
    part = find(places, name)
    if not part.is_whole or part.path.name == name:
        return part
    with part.path.open("rb") as file:
        os.fsync(file.fileno())
    whole = part.path.with_name(name)
    part.path.rename(whole)
    flush_folder(whole.parent)
    return Part(name, part.size, part.size, whole)


def adopt(places: Places, path: Path) -> str:
    """Give a file that the station has fetched itself into this folder a name; durably."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    name = secrets.token_hex(16)
    path.rename(path.with_name(name))
    flush_folder(path.parent)
    return name


def clear(places: Places) -> None:
    """Remove everything that was brought."""
    for path in folder(places).iterdir():
        if NAME.fullmatch(path.name) or PART.fullmatch(path.name):
            path.unlink(missing_ok=True)
