"""What of the HOT drives somebody reaches as files: their own folder and the family's, whoever they are.

Paths are bytes relative to a drive.  Whatever is opened is opened beneath the drive's top without following a link, so
a name from outside leads nowhere else, however it is spelled.
"""

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from appliance.drives.layout import CLIENTS_BIN, FAMILY
from appliance.drives.mounts import Mount
from appliance.errors import NotFound
from appliance.library import room
from appliance.library.beneath import open_beneath
from appliance.library.bin import SIDECAR
from appliance.library.catalogue import joined
from appliance.library.names import portable_problem, safe_name
from appliance.people.models import User
from appliance.words import N_, Message


class Entry(NamedTuple):
    """A file or folder as its folder lists it; a folder's size is 0."""

    name: bytes
    is_folder: bool
    size: int
    modified: float  # seconds since 1970


class Place(NamedTuple):
    """A file or folder that somebody reaches."""

    mount: Mount
    path: bytes

    def below(self, name: bytes) -> "Place":
        """Something in this folder."""
        return Place(self.mount, joined(self.path, name))


def tops(user: User) -> tuple[bytes, bytes]:
    """The folders at the top of a drive that are this person's to use."""
    return os.fsencode(user.folder), os.fsencode(FAMILY)


def reached(user: User, mounts: Sequence[Mount], tag: str, path: bytes) -> Place:
    """The place, if this person may have it.  Raises NotFound, also for what is somebody else's."""
    parts = path.split(b"/")
    odd = any(part in (b"", b".", b"..") or b"\0" in part for part in parts)
    mount = next((mount for mount in mounts if mount.tag == tag), None)
    if odd or mount is None or parts[0] not in tops(user):
        raise NotFound(what="folder")
    return Place(mount, path)


def changeable(user: User, place: Place) -> Place:
    """The same, if it may be renamed, moved and deleted: everything but the two folders at the top."""
    if place.path in tops(user):
        raise NotFound(what="folder")
    return place


def starts(user: User, mounts: Sequence[Mount]) -> list[Place]:
    """Where somebody begins: both top folders of the first drive, of the others those that are there."""
    found = []
    for number, mount in enumerate(mounts):
        for top in tops(user):
            if number == 0 or is_folder(mount, top):
                found.append(Place(mount, top))
    return found


def is_folder(mount: Mount, path: bytes) -> bool:
    """Whether there is such a folder on the drive.  Raises DriveGone."""
    with room.opened(mount) as root, contextlib.suppress(OSError):
        os.close(open_beneath(root, path, os.O_PATH | os.O_DIRECTORY))
        return True
    return False


@contextmanager
def opened(place: Place) -> Iterator[int]:
    """A folder's descriptor.  Raises NotFound, DriveGone."""
    with room.opened(place.mount) as root:
        fd = open_or_not_found(root, place.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield fd
        finally:
            os.close(fd)


def open_or_not_found(root: int, path: bytes, flags: int) -> int:
    """Open beneath; whatever stands in the way, there is no such thing, unless the drive is lost."""
    try:
        return open_beneath(root, path, flags)
    except OSError as error:
        if room.is_lost(error):
            raise
        raise NotFound(what="folder" if flags & os.O_DIRECTORY else "file") from None


def kind(place: Place) -> os.stat_result:
    """Facts of a file or folder.  Raises NotFound for everything else."""
    with room.opened(place.mount) as root:
        fd = open_or_not_found(root, place.path, os.O_PATH)
        try:
            facts = os.fstat(fd)
        finally:
            os.close(fd)
    if not (stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)):
        raise NotFound(what="file")
    return facts


def listing(place: Place) -> list[Entry]:
    """A folder's files and folders, folders first.  What people say of a photo is not shown beside it.

    A top folder that nobody has used yet is empty.  Raises NotFound, DriveGone.
    """
    try:
        with opened(place) as fd:
            found = list(entries(fd))
    except NotFound:
        if b"/" in place.path:
            raise
        return []
    names = {entry.name for entry in found}
    shown = [entry for entry in found if not _is_beside(entry.name, names)]
    return sorted(shown, key=lambda entry: (not entry.is_folder, natural(entry.name)))


def entries(folder: int) -> Iterator[Entry]:
    """The files and folders of an open folder; links, what was deleted, and what else there may be are left out."""
    device = os.fstat(folder).st_dev
    for name in os.listdir(folder):
        raw = os.fsencode(name)
        if name == CLIENTS_BIN:
            continue
        with contextlib.suppress(FileNotFoundError):  # removed since
            facts = os.stat(raw, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(facts.st_mode) and facts.st_dev == device:
                yield Entry(raw, True, 0, facts.st_mtime)
            elif stat.S_ISREG(facts.st_mode):
                yield Entry(raw, False, facts.st_size, facts.st_mtime)


def _is_beside(name: bytes, names: set[bytes]) -> bool:
    return name.endswith(SIDECAR) and name.removesuffix(SIDECAR) in names


def natural(name: bytes) -> tuple[list[tuple[int, str]], bytes]:
    """Sorts ``2.jpg`` before ``10.jpg`` and without regard to capitals."""
    parts: list[tuple[int, str]] = []
    digits = ""
    for character in shown(name).casefold() + "\0":
        if character.isascii() and character.isdigit():
            digits += character
            continue
        if digits:
            parts.append((int(digits), ""))
            digits = ""
        parts.append((-1, "") if character == "." else (1 << 62, character))  # b.jpg, then b2.jpg
    return parts, name


def shown(name: bytes) -> str:
    """A name for people; bytes that are no text are shown as such."""
    return name.decode("utf-8", "backslashreplace")


def name_problem(name: str, others: Iterable[bytes] = ()) -> Message | None:
    """Why something cannot have this name, as a sentence; ``others`` are the names in its folder.

    One rule for every drive: what is written on ext4 today may lie on exFAT or NTFS tomorrow.
    """
    if not name.strip():
        return Message(N_("Enter a name."))
    if name.startswith("."):
        return Message(N_("A name that begins with a dot is hidden on many computers. Choose another one."))
    if why := portable_problem(name.encode("utf-8", "replace")):
        return Message(N_("This name {why}."), {"why": Message(why)})
    if safe_name(name) != name:
        return Message(
            N_("This name has spaces or signs that some computers do not show. Try “{name}”."),
            {"name": safe_name(name)},
        )
    folded = name.casefold()
    if any(shown(other).casefold() == folded for other in others):
        return Message(N_("There is already something called “{name}” here."), {"name": name})
    return None
