"""A machine frozen as it is, memory and drives, so that many tests go on from the same moment within seconds.

What was frozen is never written again: each machine that is thawed writes into layers of its own over it.
"""

import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

from tests.image.drives import Drive
from tests.image.machine import Box, Machine, Stopped

LIMIT_S = 300


@dataclass(frozen=True)
class Frozen:
    """A moment of a machine."""

    box: Box
    memory: Path
    disk: Path
    disk_kind: str
    drives: tuple[Drive, ...]  # plugged in at that moment


def frozen(machine: Machine, into: Path, disk_kind: str = "raw") -> Frozen:
    """Stop a machine for good and keep its moment; its disk and drives stay where they are."""
    memory = into / "memory"
    machine.qmp.do("stop")
    machine.qmp.do("migrate-set-parameters", max_bandwidth=2**40)
    machine.qmp.do("migrate", uri=f"exec:cat >{memory}")
    _moved(machine)
    drives = tuple(machine.usb.plugged)
    machine.qmp.do("quit")
    machine.process.wait(60)
    machine.pull_the_plug()
    return Frozen(machine.box, memory, machine.disk, disk_kind, drives)


def thawed(moment: Frozen, layers: Path, log: Path) -> tuple[Machine, dict[str, Drive]]:
    """Go on from there: the machine, and the drives that are plugged in, by name."""
    layers.mkdir(parents=True, exist_ok=True)
    disk = layers / "disk.qcow2"
    layer(moment.disk, moment.disk_kind, disk)
    box = replace(moment.box, more=(*moment.box.more, "-incoming", "defer"))
    machine = Machine.start(box, disk, log, disk_kind="qcow2")
    machine.box = moment.box
    drives = {one.name: layered(one, layers) for one in moment.drives}
    for drive in drives.values():
        machine.usb.plug(drive)
    machine.qmp.do("migrate-incoming", uri=f"exec:cat {moment.memory}")
    _moved(machine)
    if machine.qmp.do("query-status")["status"] != "running":
        machine.qmp.do("cont")
    machine.guest.wait(60)
    return machine, drives


def layered(drive: Drive, layers: Path) -> Drive:
    """The same drive, written into a layer of its own."""
    layers.mkdir(exist_ok=True)
    file = layers / f"{drive.name}.qcow2"
    layer(drive.file, drive.kind, file)
    return replace(drive, file=file, kind="qcow2")


def layer(below: Path, kind: str, file: Path) -> None:
    """An empty file over another one, which stays as it is."""
    file.unlink(missing_ok=True)
    words: list[str | Path] = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", kind, "-b", below, file]
    subprocess.run(words, check=True, capture_output=True, timeout=60)


def _moved(machine: Machine) -> None:
    end = time.monotonic() + LIMIT_S
    while (how := machine.qmp.do("query-migrate").get("status")) != "completed":
        if how == "failed" or time.monotonic() > end:
            raise Stopped(f"freezing or thawing: {how}. {machine.log.with_suffix('.qemu').read_text()}")
        time.sleep(0.05)
