"""Room on a HOT drive, asked before anything is written; and what its errors mean when it fails all the same."""

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from appliance.drives.layout import INCOMING
from appliance.drives.mounts import DriveGone, DriveMissing, Mount, can_hold
from appliance.errors import ApplianceError, OutOfSpace
from appliance.library.beneath import make_folder, open_root
from appliance.words import N_

RESERVE = 1_000_000_000  # bytes that uploads leave free, or a hundredth of a smaller drive
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_OTHERS = frozenset({errno.EACCES, errno.EPERM})
_LOST = frozenset({errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ENOTCONN, errno.ESHUTDOWN})


class NotWritable(ApplianceError):
    """The drive lets itself be read only."""

    code, status = "drive_read_only", 503
    template = N_("{drive} can be read, but not written to.")
    hint = N_("Nothing was stored. What is on it is safe; look under Health for what to do.")


class NotOurs(ApplianceError):
    """A drive that was taken over has files that belong to a user of another computer."""

    code, status = "not_ours", 403
    template = N_("The station may not change this on {drive}: it belongs to a user of another computer.")
    hint = N_("Nothing was changed. An admin can take the drive over again and make everything on it the family's.")


class TooLargeForDrive(ApplianceError):
    """FAT32 ends at 4 GiB."""

    code, status = "too_large_for_drive", 413
    template = N_("{drive} cannot hold a single file this large.")
    hint = N_("Nothing was stored.")


def free(mount: Mount) -> int:
    """Bytes that uploads may still use, never below 0.  Raises DriveGone."""
    mount.check()
    try:
        space = os.statvfs(mount.path)
    except OSError:
        raise DriveGone(drive=mount.name) from None
    total, available = space.f_blocks * space.f_frsize, space.f_bavail * space.f_frsize
    return max(0, available - min(RESERVE, total // 100))


def check(mount: Mount, needed: int) -> None:
    """Raises OutOfSpace, TooLargeForDrive, NotWritable or DriveGone when ``needed`` bytes cannot be stored."""
    if mount.read_only:
        raise NotWritable(drive=mount.name)
    if not can_hold(mount.filesystem, needed):
        raise TooLargeForDrive(drive=mount.name)
    left = free(mount)
    if needed > left:
        raise OutOfSpace(drive=mount.name, needed=said(needed), free=said(left))


def choose(mounts: Sequence[Mount], needed: int) -> Mount:
    """The HOT drive for a new file: the first, by number, with room for it.

    Raises DriveMissing when there is none at all, else what the first one says.
    """
    if not mounts:
        raise DriveMissing(drive="HOT")
    for mount in mounts:
        with contextlib.suppress(DriveGone):
            if not mount.read_only and can_hold(mount.filesystem, needed) and free(mount) >= needed:
                return mount
    check(mounts[0], needed)
    return mounts[0]


def said(count: int) -> str:
    """Bytes as people say them: ``14.2 GB``."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 999.5:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.2f} TB"


@contextmanager
def opened(mount: Mount) -> Iterator[int]:
    """The drive's top folder as a descriptor, proven to be this drive's, with system errors put in words."""
    with in_words(mount):
        root = open_root(mount.path)
        try:
            if os.fstat(root).st_dev != mount.device_number:
                raise DriveGone(drive=mount.name)
            yield root
        finally:
            os.close(root)


@contextmanager
def incoming(mount: Mount) -> Iterator[tuple[int, int]]:
    """Like :func:`opened`: the top folder and the one where uploads arrive."""
    with opened(mount) as root:
        folder = make_folder(root, INCOMING.encode())
        try:
            yield root, folder
        finally:
            os.close(folder)


@contextmanager
def in_words(mount: Mount, needed: int = 0) -> Iterator[None]:
    """What a system error on this drive means for people; errors that only a mistake can cause stay as they are."""
    try:
        yield
    except OSError as error:
        meant = meaning(error, mount, needed)
        if meant is None:
            raise
        raise meant from error


def meaning(error: OSError, mount: Mount, needed: int = 0) -> ApplianceError | None:
    """The expected failure behind a system error, None when there is none."""
    if error.errno in _FULL:
        return OutOfSpace(drive=mount.name, needed=said(needed), free=said(0))
    if error.errno == errno.EROFS:
        return NotWritable(drive=mount.name)
    if error.errno in _OTHERS:
        return NotOurs(drive=mount.name)
    if error.errno == errno.EFBIG:
        return TooLargeForDrive(drive=mount.name)
    if error.errno in _LOST or not _is_there(mount):
        return DriveGone(drive=mount.name)
    return None


def is_lost(error: OSError) -> bool:
    """Whether the drive itself no longer answers."""
    return error.errno in _LOST


def _is_there(mount: Mount) -> bool:
    try:
        mount.check()
    except DriveGone:
        return False
    return True
