"""Root's side of mounting: attach a drive at its own place, flush it, detach it.  Never lazily, never by force.

A mount point is a root-owned folder of mode 000: whoever writes to a drive that is not there fails, instead of
filling the station's own card.  Standard library only.
"""

import contextlib
import errno
import fcntl
import os
import pwd
import stat
import time
from pathlib import Path

from appliance.drives import peek, records
from appliance.drives.blocks import Block
from appliance.drives.programs import run
from appliance.drives.records import Record
from appliance.durable import flush_filesystem
from appliance.errors import ApplianceError
from appliance.words import N_

BUSY_FOR_S = 8.0
FOR_HOT_AND_COLD = ("ext4", "btrfs", "exfat", "ntfs")  # FAT32 cannot hold a file of 4 GiB
BLKFLSBUF = 0x1261  # linux/fs.h: flush and forget
OWNERLESS = ("exfat", "vfat", "ntfs")


class WrongFilesystem(ApplianceError):
    """The device does not hold what the caller thinks it does."""

    code, status = "drive_changed", 409
    template = N_("The drive that is plugged in is not the one expected here.")
    hint = N_("Nothing was changed. Unplug it, plug in the right one, and try again.")


class DriveDirty(ApplianceError):
    """Another computer, or a power cut, left the filesystem unclean."""

    code, status = "drive_dirty", 409
    template = N_("This drive was not switched off properly the last time it was used.")
    hint = N_("Its files can be read. Choose “Check and repair”, or safely remove it from the computer that used it.")


class DriveBusy(ApplianceError):
    """A program still has files of the drive open."""

    code, status = "drive_busy", 409
    template = N_("{program} is still using {tag}.")
    hint = N_("Wait a moment and try again. Do not unplug the drive yet.")


class NotFlushed(ApplianceError):
    """The drive reported that something could not be written."""

    code, status = "flush_failed", 500
    template = N_("{tag} could not write everything that it was given: {why}.")
    hint = N_("Do not unplug it yet. What was already proven on it is safe; the station will try again.")


class NotMounted(ApplianceError):
    """The drive is not in use."""

    code, status, template = "not_mounted", 409, N_("{tag} is not in use right now.")


def mount_root(root: Path) -> Path:
    """The parent of all mount points, made if absent, and refused when somebody else could have prepared it."""
    with contextlib.suppress(FileExistsError):
        root.mkdir(mode=0o755)
    facts = root.lstat()
    open_to_others = facts.st_mode & (0o022 if os.geteuid() == 0 else 0o002)
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid() or open_to_others:
        raise PermissionError(1, "the folder for drives is not ours alone", str(root))
    return root


def mount(root: Path, block: Block, *, tag: str, filesystem_uuid: str, read_only: bool) -> Record:
    """Mount a device at ``root/tag`` after reading its UUID from the medium once more.

    Safe to repeat: a mount that is already so is returned; one whose note was lost gets its note back.
    """
    root = mount_root(root)
    facts = peek.probe(block.device)
    filesystem = facts.get("TYPE", "")
    if facts.get("UUID", "") != filesystem_uuid or not filesystem_uuid:
        raise WrongFilesystem()
    known = records.read(root, tag)
    if known is not None and known.device == block.device and known.is_live(root) and known.read_only == read_only:
        return known
    point = root / tag
    if os.path.ismount(point) or (known is not None and known.is_live(root)):
        unmount(root, tag)
    if other := records.live_mount_of(root, block.device):
        raise DriveBusy(program="The station", tag=other.tag)
    if not read_only and filesystem in OWNERLESS and peek.is_dirty(block.device, filesystem):
        raise DriveDirty()
    prepare_point(point)
    run(peek.mount_command(block.device, filesystem, point, options_for(filesystem, read_only)), timeout=300)
    return _noted(root, block, tag=tag, filesystem=filesystem, filesystem_uuid=filesystem_uuid, read_only=read_only)


def visit(root: Path, block: Block, *, filesystem_uuid: str) -> Record:
    """Mount a drive that is not ours, to read it: not a bit of it changes, its journal is not replayed either.

    Its tag belongs to this plugging-in, so a drive that was pulled meanwhile is never taken for the next one.  Safe
    to repeat.  Raises WrongFilesystem, or DriveBusy when the drive is in use as one of ours.
    """
    root = mount_root(root)
    facts = peek.probe(block.device)
    filesystem = facts.get("TYPE", "")
    if facts.get("UUID", "") != filesystem_uuid or not filesystem_uuid or filesystem not in peek.KNOWN:
        raise WrongFilesystem()
    tag = guest_tag(block)
    if other := records.live_mount_of(root, block.device):
        if other.tag == tag:
            return other
        raise DriveBusy(program="The station", tag=other.tag)
    point = root / tag
    if os.path.ismount(point):
        unmount(root, tag)
    prepare_point(point)
    options = [*options_for(filesystem, True), *peek.LOOK_OPTIONS.get(filesystem, [])]
    run(peek.mount_command(block.device, filesystem, point, options), timeout=300)
    return _noted(root, block, tag=tag, filesystem=filesystem, filesystem_uuid=filesystem_uuid, read_only=True)


def guest_tag(block: Block) -> str:
    """What a drive that is only read is called while it is plugged in: one name for each of its partitions."""
    part = records.SYSFS / "class/block" / block.device / "partition"
    number = int(part.read_text()) if part.exists() else 0
    return f"{records.GUEST}{block.sequence * 1000 + number}"


def _noted(root: Path, block: Block, *, tag: str, filesystem: str, filesystem_uuid: str, read_only: bool) -> Record:
    """Write down a mount that was just made."""
    point = root / tag
    record = Record(
        tag=tag,
        device=block.device,
        sequence=block.sequence,
        filesystem=filesystem,
        filesystem_uuid=filesystem_uuid,
        path=str(point),
        device_number=point.stat().st_dev,
        read_only=read_only,
        boot=records.boot_id(),
    )
    records.write(root, record)
    return record


def options_for(filesystem: str, read_only: bool) -> list[str]:
    """Mount options; filesystems without owners belong to the station's user."""
    options = ["ro" if read_only else "rw", *peek.GUARDS, "noatime"]
    if filesystem in OWNERLESS:
        user = station_user()
        options += [f"uid={user.pw_uid}", f"gid={user.pw_gid}", "umask=0007"]
    if filesystem == "ext4" and not read_only:
        options.append("errors=remount-ro")
    return options


def station_user() -> pwd.struct_passwd:
    """The user under which the station's services run; the daemon was told which."""
    return pwd.getpwnam(os.environ.get("EVERPX_USER", "everpx"))


def prepare_point(point: Path) -> None:
    """An empty folder that nobody can write to while nothing is mounted on it."""
    with contextlib.suppress(FileExistsError):
        point.mkdir(mode=0o000)
    if point.is_symlink() or any(point.iterdir()):
        raise PermissionError(1, "the place for a drive is not empty", str(point))
    point.chmod(0o000)


def flush(root: Path, tag: str) -> None:
    """Everything written to the drive so far is on its medium when this returns."""
    record = live(root, tag)
    try:
        flush_path(record)
    except OSError as error:
        raise NotFlushed(tag=tag, why=error.strerror or str(error)) from None


def flush_path(record: Record) -> None:
    """Flush the filesystem, then the device: a FUSE driver keeps its own dirty pages on the device's side."""
    flush_filesystem(Path(record.path))
    if record.filesystem in OWNERLESS:
        _fsync(record.path, os.O_RDONLY | os.O_DIRECTORY)
    _fsync(f"/dev/{record.device}", os.O_RDONLY)
    if record.filesystem in OWNERLESS:
        _forget(f"/dev/{record.device}")


def _forget(device: str) -> None:
    """Drop what the kernel remembers of a device, so that a FUSE driver, too, reads from the medium."""
    fd = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, BLKFLSBUF)
    finally:
        os.close(fd)


def _fsync(path: str, flags: int) -> None:
    fd = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def live(root: Path, tag: str) -> Record:
    """The note of a mount that is there.  Raises NotMounted."""
    record = records.read(root, tag)
    if record is None or not record.is_live(root):
        raise NotMounted(tag=tag)
    return record


def unmount(root: Path, tag: str) -> bool:
    """Flush and unmount; True when there was something to unmount.

    A device that was pulled has nothing left to flush to; its leftover mount is taken away all the same.  What was
    seen last is noted first, so that nobody has to wake the drive to list it.
    """
    record, point = records.read(root, tag), root / tag
    is_live = record is not None and record.is_live(root)
    if is_live and record is not None:
        with contextlib.suppress(OSError):
            _note_last_sight(root, record)
        _flush_what_can_be(root, record)
    was_mounted = os.path.ismount(point)
    if was_mounted:
        _detach(point, tag)
    if record is not None and records.sequence_of(record.device) == record.sequence:
        _until_nobody_holds(record)
    records.remove(root, tag)
    return was_mounted


def _flush_what_can_be(root: Path, record: Record) -> None:
    """Flush; a filesystem that turned read-only over an error takes nothing more, and only unmounted it is repaired."""
    try:
        flush_path(record)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise NotFlushed(tag=record.tag, why=error.strerror or str(error)) from None
        records.forget_look(root, record.device)  # what was seen of it before the error is no longer so


def _until_nobody_holds(record: Record) -> None:
    """Wait until the kernel itself has let go of the device, and what unmounting wrote is on it.

    Unmounting here is not the end where a sandbox took a copy of all mounts with it.  Raises DriveBusy.
    """
    end = time.monotonic() + BUSY_FOR_S
    while True:
        try:
            _fsync(f"/dev/{record.device}", os.O_RDONLY | os.O_EXCL)
            return
        except OSError as error:
            if records.sequence_of(record.device) != record.sequence:
                return  # it was pulled this very moment
            if error.errno != errno.EBUSY:
                raise NotFlushed(tag=record.tag, why=error.strerror or str(error)) from None
        if time.monotonic() > end:
            raise DriveBusy(program=_sandbox_with(record.device) or N_("Another program"), tag=record.tag)
        time.sleep(0.1)


def _sandbox_with(device: str) -> str:
    """The name of a program with mounts of its own that still has a device mounted, "" when none is found."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                if f" /dev/{device} " in (process / "mountinfo").read_text(errors="replace"):
                    return (process / "comm").read_text().strip()
    return ""


def _note_last_sight(root: Path, record: Record) -> None:
    facts = records.last_look(root, record.device, record.sequence)
    if facts is not None:
        seen = facts | peek.contents(Path(record.path)) | {"problem": ""}
        if not record.read_only:
            seen |= {"dirty": False, "unfinished": False}  # it is about to be unmounted cleanly
        records.remember_look(root, record.device, record.sequence, seen)


def _detach(point: Path, tag: str) -> None:
    """Unmount plainly, waiting a little for whoever is just closing a file.  Raises DriveBusy."""
    end = time.monotonic() + BUSY_FOR_S
    while True:
        done = run(["umount", str(point)], timeout=600, fine=range(256))
        if not os.path.ismount(point):
            return
        if time.monotonic() > end or "busy" not in done.stderr:
            raise DriveBusy(program=user_of(point) or done.stderr.strip()[-200:], tag=tag)
        time.sleep(0.3)


def user_of(point: Path) -> str:
    """The name of a program that holds something open below a mount, "" when none is found."""
    device_number = point.stat().st_dev
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and _holds(process, device_number):
            with contextlib.suppress(OSError):
                return (process / "comm").read_text().strip()
    return ""


def _holds(process: Path, device_number: int) -> bool:
    links = [process / "cwd", process / "root", process / "exe"]
    with contextlib.suppress(OSError):
        links += list((process / "fd").iterdir())
    for link in links:
        try:
            if link.stat().st_dev == device_number:
                return True
        except OSError:
            continue
    return False
