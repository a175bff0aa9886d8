"""Two image files that stand in for USB drives, so that mounting, formatting and pulling the plug are real.

Pulling (:func:`unplug`) is as sudden as the real thing where the kernel lets us: ext4 and exFAT are shut down without
writing anything back, a FUSE driver is killed; then the device goes.  Programs that write get an error.
"""

import contextlib
import fcntl
import os
import signal
from pathlib import Path

from appliance.drives.programs import installed, run
from appliance.errors import ProgramFailed
from appliance.station import mount_table
from appliance.station.home import CannotStart

NAMES = ("Blue-drive", "Green-drive")
SHUT_DOWN = 0x8004587D  # _IOR('X', 125, __u32): EXT4_IOC_SHUTDOWN, EXFAT_IOC_SHUTDOWN
WITHOUT_FLUSH = 2  # EXT4_GOING_FLAGS_NOLOGFLUSH: what a pulled plug does


def create(folder: Path, size: int) -> None:
    """Make the images that are missing: sparse, the first ext4, the second exFAT where this machine can mount it."""
    for name, filesystem in zip(NAMES, ("ext4", "exfat" if _knows_exfat() else "ext4"), strict=True):
        image = folder / f"{name}.img"
        if image.exists():
            continue
        unfinished = image.with_suffix(".new")
        with unfinished.open("wb") as out:
            out.truncate(size)
        label = name.replace("-", " ")
        if filesystem == "exfat":
            run(["mkfs.exfat", "-L", label, str(unfinished)])
        else:
            run(["mkfs.ext4", "-q", "-F", "-m", "0", "-L", label, str(unfinished)], timeout=120)
        unfinished.rename(image)


def _knows_exfat() -> bool:
    if not installed("mkfs.exfat"):
        return False
    if "\texfat\n" in Path("/proc/filesystems").read_text():
        return True
    return installed("mount.exfat-fuse") and Path("/dev/fuse").exists()


def images(folder: Path) -> list[Path]:
    """Every image there is."""
    return sorted(folder.glob("*.img"))


def device_of(image: Path) -> str | None:
    """The loop device that an image is attached to."""
    found = run(["losetup", "--noheadings", "--output", "NAME", "--associated", str(image)]).stdout.split()
    return found[0] if found else None


def attach(image: Path) -> str:
    """Plug an image in; one that is plugged in stays so.  Raises ProgramFailed."""
    if device := device_of(image):
        return device
    found = run(["losetup", "--find", "--show", str(image)]).stdout.strip()
    # past the page cache, so that what is read back comes from the image; not every filesystem below can do it
    with contextlib.suppress(ProgramFailed):
        run(["losetup", "--direct-io=on", found])
    return found


def try_mounting(image: Path, place: Path) -> None:
    """Find out whether this machine lets us mount at all.  Raises ProgramFailed."""
    place.mkdir(exist_ok=True)
    try:
        run(["mount", "-t", "ext4", "-o", "ro,noload", attach(image), str(place)])
        run(["umount", str(place)])
    finally:
        place.rmdir()


def detach(image: Path) -> None:
    """Unplug an image that nobody uses."""
    if device := device_of(image):
        run(["losetup", "--detach", device])


def image_named(folder: Path, name: str) -> Path:
    """The image a person means.  Raises CannotStart."""
    wanted = name.lower().replace(" ", "-").removesuffix(".img")
    for image in images(folder):
        if image.stem.lower() == wanted:
            return image
    known = ", ".join(i.stem for i in images(folder)) or "none"
    raise CannotStart(why=f"There is no test drive “{name}” here. There are: {known}.")


def unplug(image: Path) -> bool:
    """Pull the plug, whatever is going on; False when the drive was not plugged in."""
    device = device_of(image)
    if device is None:
        return False
    for place in [place for source, place in mount_table.mounts() if source == device]:
        _shut_down(place)
        _kill_drivers(device)
        run(["umount", "--lazy", str(place)])
    run(["losetup", "--detach", device])
    return True


def _shut_down(place: Path) -> None:
    """From here on nothing more reaches the image; filesystems that cannot are flushed by the detaching instead."""
    with contextlib.suppress(OSError):
        fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, SHUT_DOWN, WITHOUT_FLUSH.to_bytes(4, "little"))
        finally:
            os.close(fd)


def _kill_drivers(device: str) -> None:
    """End FUSE drivers that hold the device open."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(Path(fd).readlink() == Path(device) for fd in (process / "fd").iterdir()):
                os.kill(int(process.name), signal.SIGKILL)
