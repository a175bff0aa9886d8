"""Root's side of making a filesystem, and of repairing one when a person asked for it.

A real disk gets one partition over its whole length, of the type that Windows and macOS show; a test drive gets its
filesystem directly.  What is true if the plug is pulled here: the drive is empty or has no filesystem; either way it
is not handed over, and formatting can be started again.  Standard library only.
"""

import time
from pathlib import Path

from appliance.drives import peek, records
from appliance.drives.attaching import DriveBusy
from appliance.drives.blocks import Block, find, of_disk
from appliance.drives.programs import run
from appliance.errors import ApplianceError
from appliance.words import N_

FORMAT_TIMEOUT_S = 840  # below the broker client's patience
PARTITION_WAIT_S = 10
MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-m", "0", "-L"],
    "exfat": ["mkfs.exfat", "-L"],
    "btrfs": ["mkfs.btrfs", "-q", "-f", "-L"],
}
PARTITION_TYPE = {"exfat": "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"}  # Microsoft basic data
LINUX_DATA = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
REPAIR = {
    "ext4": ["e2fsck", "-f", "-p"],
    "exfat": ["fsck.exfat", "-y"],
    "ntfs": ["ntfsfix", "-d"],
    "vfat": ["fsck.fat", "-a"],
}
REPAIRED = (0, 1)  # 1: errors were corrected


class NotTheConfirmedDrive(ApplianceError):
    """The disk differs from the one a person confirmed."""

    code, status = "drive_changed", 409
    template = N_("This is not the drive that was confirmed. Nothing was erased.")
    hint = N_("Look at the list of drives again, and confirm the right one.")


def format_disk(root: Path, disk: str, *, filesystem: str, label: str, serial: str, size: int) -> str:
    """Erase a disk and make one filesystem on it; returns the kernel name that holds it.

    ``serial`` and ``size`` are those a person saw when confirming; any difference refuses.
    """
    blocks = of_disk(root, disk)
    whole = disk_size(disk)
    if any(block.serial != serial for block in blocks) or whole != size:
        raise NotTheConfirmedDrive()
    for block in blocks:
        if record := records.live_mount_of(root, block.device):
            raise DriveBusy(program="The station", tag=record.tag)
    for block in blocks:
        records.forget_look(root, block.device)
    for block in sorted(blocks, key=lambda b: b.device != b.disk, reverse=True):  # partitions before their table
        run(["wipefs", "--all", "--force", f"/dev/{block.device}"], timeout=60)
    run(["wipefs", "--all", "--force", f"/dev/{disk}"], timeout=60)
    target = disk if blocks[0].bus == "loop" else _one_partition(root, disk, filesystem)
    run([*MAKE[filesystem], label, f"/dev/{target}"], timeout=FORMAT_TIMEOUT_S)
    records.forget_look(root, target)
    return target


def disk_size(disk: str) -> int:
    """A whole disk's bytes, as the kernel knows them."""
    return int((records.SYSFS / "class/block" / disk / "size").read_text()) * 512


def _one_partition(root: Path, disk: str, filesystem: str) -> str:
    table = f"label: gpt\n,,{PARTITION_TYPE.get(filesystem, LINUX_DATA)}\n"
    run(["sfdisk", "--quiet", "--wipe", "always", f"/dev/{disk}"], timeout=60, given=table)
    end = time.monotonic() + PARTITION_WAIT_S
    while time.monotonic() < end:
        for block in of_disk(root, disk):
            if block.device != disk and Path(block.path).exists():
                return block.device
        time.sleep(0.2)
    raise ApplianceError()


def repair(root: Path, device: str, filesystem_uuid: str) -> str:
    """Check and repair an unmounted filesystem, as a person asked; returns what the program said last."""
    block: Block = find(root, device)
    facts = peek.probe(device)
    filesystem = facts.get("TYPE", "")
    if facts.get("UUID") != filesystem_uuid or filesystem not in REPAIR:
        raise NotTheConfirmedDrive()
    if record := records.live_mount_of(root, block.device):
        raise DriveBusy(program="The station", tag=record.tag)
    records.forget_look(root, device)
    done = run([*REPAIR[filesystem], f"/dev/{device}"], timeout=FORMAT_TIMEOUT_S, fine=REPAIRED)
    return (done.stdout.strip().splitlines() or [""])[-1][:300]
