"""Test drives: real filesystems on loop devices, to be plugged in, pulled and put back; and a real root daemon."""

import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance.broker.client import SocketBroker
from appliance.places import Places

SMARTCTL = Path(__file__).with_name("smartctl_stand_in")  # no device here has anything to say of its health
USER = "nobody"  # plays the station's own user
GET_STATUS, SET_STATUS = 0x4C05, 0x4C04  # LOOP_GET_STATUS64, LOOP_SET_STATUS64
OFFSET_AT = 24  # byte offset of lo_offset
MAKE = {
    "ext4": [
        "mkfs.ext4",
        "-q",
        "-F",
        "-E",
        "lazy_itable_init=0,lazy_journal_init=0",
    ],  # the kernel finishes nothing later
    "exfat": ["mkfs.exfat"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
    "vfat": ["mkfs.vfat"],
    "ntfs": ["mkfs.ntfs", "-Q", "-q", "-F"],
}


class LoopDrives:
    """Images in one folder, attached and detached like USB drives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.devices: dict[str, str] = {}
        folder.mkdir()

    def make(self, name: str, filesystem: str = "ext4", megabytes: int = 128) -> str:
        """A new drive with a filesystem ("" for a blank one), plugged in; returns its kernel name."""
        image = self.image(name)
        with image.open("wb") as file:
            file.truncate(megabytes * 2**20)
        if filesystem:
            subprocess.run([*MAKE[filesystem], str(image)], check=True, capture_output=True)
        return self.plug(name)

    def image(self, name: str) -> Path:
        """The drive's bytes."""
        return self.folder / f"{name}.img"

    def plug(self, name: str) -> str:
        """Plug in."""
        said = subprocess.run(
            ["losetup", "--find", "--show", str(self.image(name))], check=True, capture_output=True, text=True
        )
        self.devices[name] = said.stdout.strip().removeprefix("/dev/")
        return self.devices[name]

    def pull(self, name: str) -> None:
        """Pull it, mounted or not: from now on every read and write fails.

        A mounted loop device cannot be detached, so it first becomes one that starts at the end of its image; the
        image keeps its bytes.
        """
        device = self.devices.pop(name)
        with open(f"/dev/{device}", "rb") as file:
            status = bytearray(232)
            fcntl.ioctl(file, GET_STATUS, status)
            struct.pack_into("<Q", status, OFFSET_AT, self.image(name).stat().st_size)
            fcntl.ioctl(file, SET_STATUS, bytes(status))
        subprocess.run(["losetup", "--detach", f"/dev/{device}"], check=True)

    def feels(self, name: str, **what: Any) -> None:
        """What a drive says of its own health from now on, in smartctl's words for an ordinary disk."""
        at = {"reallocated": 5, "pending": 197, "uncorrectable": 198, "crc_errors": 199}
        table = [{"id": number, "raw": {"value": what.get(counter, 0)}} for counter, number in at.items()]
        table += [{"id": 231, "value": 100 - what["worn"], "raw": {"value": 1}}] if "worn" in what else []
        said = {
            "smartctl": {"exit_status": 0},
            "smart_status": {"passed": what.get("passed", True)},
            "temperature": {"current": what.get("degrees", 35)},
            "power_on_time": {"hours": what.get("hours", 1000)},
            "power_cycle_count": what.get("cycles", 10),
            "rotation_rate": 0 if "worn" in what else 5400,
            "ata_smart_attributes": {"table": table},
        }
        (self.folder / f"{name}.smart").write_text(json.dumps(said))

    def write_protect(self, name: str) -> None:
        """Move the lock switch while it is in use."""
        subprocess.run(["blockdev", "--setro", f"/dev/{self.devices[name]}"], check=True)

    def copy(self, name: str, twin: str) -> str:
        """Clone a drive, bit by bit, and plug the clone in."""
        shutil.copy(self.image(name), self.image(twin))
        return self.plug(twin)

    def close(self) -> None:
        """Detach everything."""
        for device in self.devices.values():
            subprocess.run(["losetup", "--detach", f"/dev/{device}"], check=False)


class Root:
    """The root daemon of a throw-away station, as a process of its own."""

    def __init__(self, places: Places, loops: LoopDrives) -> None:
        self.places, self.loops = places, loops
        self.log = places.run / "broker.log"
        self.kernel_log = places.run / "kmsg"
        self.process = self.start()
        self.ask = SocketBroker(places.broker_socket)

    def start(self) -> "subprocess.Popen[bytes]":
        """Start it and wait until it listens."""
        self.kernel_log.touch()
        environment = os.environ | {
            "EVERPX_LOOP_DRIVES": str(self.loops.folder),
            "EVERPX_KMSG": str(self.kernel_log),  # the machine's own tells of other tests' drives as well
            "EVERPX_SMARTCTL": str(SMARTCTL),
        }
        self.places.broker_socket.unlink(missing_ok=True)
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-W", "error", "-m", "appliance.broker.daemon"),
                    *("--socket", str(self.places.broker_socket), "--user", USER, "--plugins"),
                ],
                env=environment,
                stdout=out,
                stderr=out,
                cwd=Path(__file__).parents[2],
            )
        until(lambda: listens(self.places.broker_socket))
        return self.process

    def kernel_says(self, text: str, ago: float = 0) -> None:
        """A record of the kernel's, as /dev/kmsg gives it."""
        moment = round((time.monotonic() - ago) * 1e6)
        with self.kernel_log.open("a") as log:
            log.write(f"4,{log.tell()},{moment},-;{text}\n SUBSYSTEM=usb\n")

    def kill(self) -> None:
        """Like a crash."""
        self.process.kill()
        self.process.wait()

    def __call__(self, verb: str, request: Any = None) -> dict[str, Any]:
        """Ask for a verb."""
        return self.ask(verb, request or {})

    def close(self) -> None:
        """Unmount everything below this station's mount points, then stop."""
        self.process.terminate()
        self.process.wait(60)
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            place = line.split()[1]
            if place.startswith(f"{self.places.mounts}/"):
                subprocess.run(["umount", place], check=False)


def let_others_pass(place: Path) -> None:
    """pytest keeps its folders to itself; another user must get through to ``place``."""
    for folder in (place, *place.parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)


def listens(path: Path) -> bool:
    """Whether somebody answers at a socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def soon(seconds: float = 2) -> float:
    """So many seconds of an idle machine; longer while others want the processors, too, and never endless."""
    return seconds * min(10.0, max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))


def until(what: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait until something is so; fail when it never is.  Generous: only a failure takes that long."""
    end = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < end, f"{what} did not come true in {seconds} s"
        time.sleep(0.05)
    return answer
