"""Where root keeps what belongs to upgrades, and what the running system says of itself.  Standard library only.

All of it is root's: the bundle is copied here before anybody looks into it, so what was examined is what is installed,
whatever becomes of the file that was brought.
"""

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.durable import flush_folder
from appliance.errors import ApplianceError
from appliance.words import N_

BLOCK = 1 << 20
LARGEST = 1 << 30  # bytes of a bundle; ours have a seventh of that
SPARE = 64 << 20  # bytes that stay free beside it
TRUST, EXAMINED, NEWS = "trust.json", "examined.json", "news-{channel}.json"


class NotAnImage(ApplianceError):
    """Started from a folder, or installed by hand: there is no second slot."""

    code, status = "upgrade_not_here", 409
    template = N_("This station was not started from an Everpx card, so it has no second place for a new version.")
    hint = N_("It is brought to a new version in the way in which it was installed.")


class Busy(ApplianceError):
    """One at a time."""

    code, status, template = "upgrade_busy", 409, N_("A new version is being prepared already.")
    hint = N_("Wait until that has finished.")


class NoSuchBundle(ApplianceError):
    """What shall be looked at is not there, or not a file of the station's own."""

    code, status, template = "upgrade_no_bundle", 404, N_("The file with the new version is not there any more.")
    hint = N_("Send it once more.")


class NoRoom(ApplianceError):
    """The card is too full."""

    code, status = "upgrade_no_room", 507
    template = N_("There is no room for the new version on the station’s own card: {needed_bytes} more are needed.")
    hint = N_("Nothing was changed. Look under Health what fills the card.")


class TooLarge(ApplianceError):
    """More than a bundle ever is."""

    code, status, template = "upgrade_bundle_too_large", 413, N_("This file is far too large to be a new version.")
    hint = N_("Nothing was changed. The station stays on the version that it has.")


@dataclass(frozen=True)
class Release:
    """The running system, as its image says."""

    model: str
    version: str
    built: int
    commit: str = ""


def home() -> Path:
    """Root's folder, which survives upgrades; others may only read."""
    return Path(os.environ.get("EVERPX_UPGRADE", "/data/upgrade"))


def image() -> Path:
    """What the running image says of itself."""
    return Path(os.environ.get("EVERPX_IMAGE", "/usr/lib/everpx"))


def bundle() -> Path:
    """Root's own copy of what was brought last."""
    return home() / "bundle.raucb"


def release() -> Release:
    """Which system runs.  Raises NotAnImage."""
    try:
        said = json.loads((image() / "release").read_text())
        return Release(str(said["model"]), str(said["version"]), int(said["built"]), str(said.get("commit", "")))
    except (OSError, ValueError, KeyError, TypeError):
        raise NotAnImage from None


def keys() -> bytes:
    """The list of keys that came with the running image.  Raises NotAnImage."""
    try:
        return (image() / "upgrade-keys.json").read_bytes()
    except OSError:
        raise NotAnImage from None


@contextmanager
def alone() -> Iterator[int]:
    """While nobody else prepares a version; who is given the file descriptor keeps it so.  Raises Busy."""
    home().mkdir(mode=0o755, exist_ok=True)
    fd = os.open(home() / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy from None
        yield fd
    finally:
        os.close(fd)


def is_busy() -> bool:
    """Whether somebody prepares a version right now."""
    try:
        with alone():
            return False
    except Busy:
        return True


def own(folder: Path, name: str, uid: int) -> int:
    """Copy a file of that user's, or of root's, to where only root writes; its size.

    Raises NoSuchBundle for a link, a device and a file of anybody else's, TooLarge, NoRoom.
    """
    source = _opened(folder, name, uid)
    with os.fdopen(source, "rb") as brought:
        size = os.fstat(source).st_size
        if size > LARGEST:
            raise TooLarge
        make_room(size)
        target = bundle().with_suffix(".part")
        with suppress(FileNotFoundError):
            target.unlink()
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as copy:
            left = size
            while left and (block := brought.read(min(BLOCK, left))):  # one that grows meanwhile is cut off
                copy.write(block)
                left -= len(block)
            copy.flush()
            os.fsync(copy.fileno())
        target.replace(bundle())
        flush_folder(home())
    return size - left


def make_room(needed: int) -> None:
    """Raise NoRoom unless that much fits, apart from the copy of last time."""
    forget()
    facts = os.statvfs(home())
    free = facts.f_bavail * facts.f_frsize
    if free < needed + SPARE:
        raise NoRoom(needed_bytes=needed + SPARE - free)


def forget() -> None:
    """Remove the copy: what was not installed by now is brought again."""
    for path in (bundle(), bundle().with_suffix(".part"), home() / EXAMINED):
        path.unlink(missing_ok=True)


def _opened(folder: Path, name: str, uid: int) -> int:
    """A regular file of that user's, reached without a link.  Raises NoSuchBundle."""
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if os.fstat(place).st_uid not in (uid, 0):
                raise NoSuchBundle
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
        finally:
            os.close(place)
    except OSError:
        raise NoSuchBundle from None
    facts = os.fstat(fd)
    if not stat.S_ISREG(facts.st_mode) or facts.st_uid not in (uid, 0) or facts.st_nlink != 1:
        os.close(fd)
        raise NoSuchBundle
    return fd
