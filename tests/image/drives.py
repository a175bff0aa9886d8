"""USB drives of a machine: files here, real USB devices there; plugged in, pulled, slowed down and spoiled."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.image.qmp import Qmp

SECTOR = 512
MIB = 2**20


@dataclass(frozen=True)
class Drive:
    """A drive.  ``name`` is ours, ``serial`` what the machine sees of it."""

    name: str
    file: Path
    serial: str
    uas: bool = False  # the newer of the two ways in which USB drives talk
    kind: str = "raw"  # what the file is

    @classmethod
    def made(cls, name: str, folder: Path, size: int, *, uas: bool = False, system: str = "") -> "Drive":
        """A new one, empty or with a file system on the whole of it (``exfat``, ``ext4``, …)."""
        file = folder / f"{name}.img"
        with file.open("wb") as out:
            out.truncate(size)
        if system:
            subprocess.run([f"mkfs.{system}", file], check=True, capture_output=True, timeout=120)
        return cls(name, file, f"EVPX{name.upper()}", uas)


class Usb:
    """What hangs on a machine's USB sockets."""

    def __init__(self, qmp: Qmp) -> None:
        self._qmp = qmp
        self._in: dict[str, Drive] = {}

    def plug(self, drive: Drive) -> None:
        """Plug a drive in; what the machine makes of it is waited for elsewhere."""
        for words in backend(drive):
            self._qmp.do("blockdev-add", **words)
        self._qmp.do("object-add", qom_type="throttle-group", id=f"{drive.name}-pace")
        self._qmp.do("blockdev-add", **entry(drive))
        if drive.uas:
            self._qmp.do("device_add", driver="usb-uas", id=drive.name, bus="usb.0", attached=False)
            how = {"driver": "scsi-hd", "id": f"{drive.name}-lun", "bus": f"{drive.name}.0", "lun": 0}
            self._qmp.do("device_add", drive=f"{drive.name}-door", serial=drive.serial, **how)
            self._qmp.do("qom-set", path=f"/machine/peripheral/{drive.name}", property="attached", value=True)
        else:
            how = {"driver": "usb-storage", "id": drive.name, "bus": "usb.0"}
            self._qmp.do("device_add", drive=f"{drive.name}-door", serial=drive.serial, **how)
        self._in[drive.name] = drive

    def pull(self, *drives: Drive) -> None:
        """Pull drives out, whatever is being written: at once, one right after the other."""
        for drive in drives:
            self._qmp.do("device_del", id=drive.name)
        for drive in drives:
            self._qmp.event("DEVICE_DELETED", device=drive.name)
            for node in ("door", "spoilt", "disk"):
                if f"{drive.name}-{node}" in self._nodes():
                    self._qmp.do("blockdev-del", node_name=f"{drive.name}-{node}")
            self._qmp.do("object-del", id=f"{drive.name}-pace")
            del self._in[drive.name]

    def pace(self, drive: Drive, bytes_per_second: int) -> None:
        """As slow as that; 0: as fast as it can."""
        limits = {"bps-total": bytes_per_second}
        self._qmp.do("qom-set", path=f"/objects/{drive.name}-pace", property="limits", value=limits)

    def spoil(self, drive: Drive, sectors: range | None, *, reads: bool = True, writes: bool = True) -> None:
        """From now on these sectors (None: all) answer with errors, as on a drive whose surface goes."""
        kinds = (["read"] if reads else []) + (["write", "write-zeroes", "discard", "flush"] if writes else [])
        where = [{}] if sectors is None else [{"sector": sector} for sector in sectors]
        # “none” is the moment at which the rule is made: it holds from then on
        rules = [{"event": "none", "iotype": kind, "errno": 5, **one} for kind in kinds for one in where]
        name = f"{drive.name}-spoilt"
        self._qmp.do("blockdev-add", driver="blkdebug", node_name=name, image=f"{drive.name}-disk", inject_error=rules)
        self._qmp.do("blockdev-reopen", options=[entry(drive) | {"file": name}])

    def heal(self, drive: Drive) -> None:
        """The other way round."""
        self._qmp.do("blockdev-reopen", options=[entry(drive)])
        self._qmp.do("blockdev-del", node_name=f"{drive.name}-spoilt")

    @property
    def plugged(self) -> list[Drive]:
        """In the order in which they came."""
        return list(self._in.values())

    def _nodes(self) -> set[str]:
        return {node["node-name"] for node in self._qmp.do("query-named-block-nodes", flat=True)}


def backend(drive: Drive) -> list[dict[str, Any]]:
    """The drive's file, as QEMU's block layer takes it."""
    file = {"driver": "file", "filename": str(drive.file)}
    return [{"driver": drive.kind, "node-name": f"{drive.name}-disk", "file": file}]


def entry(drive: Drive) -> dict[str, Any]:
    """What the machine's side of the drive stands on: the place where it is slowed down and spoiled."""
    group = f"{drive.name}-pace"
    return {
        "driver": "throttle",
        "node-name": f"{drive.name}-door",
        "throttle-group": group,
        "file": f"{drive.name}-disk",
    }
