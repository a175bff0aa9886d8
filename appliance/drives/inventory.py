"""The live list of drives: what is plugged in right now, in one small file that every process reads.

The worker rewrites ``RUN/inventory.json`` whenever ``watch.Watch`` says that something changed; nothing here is ever
stored in the database.  No database import: the idle worker keeps this module loaded.
"""

import contextlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from appliance.broker.client import Broker
from appliance.drives import marker as markers
from appliance.drives import records
from appliance.durable import write_atomically
from appliance.errors import ApplianceError
from appliance.places import Places

SMART_EVERY_S = 30 * 60

#: What a look at a device says, under the names that :class:`Found` has for it.
AS_SEEN = (
    *("filesystem", "filesystem_uuid", "label", "capacity", "free", "used"),
    *("dirty", "unfinished", "problem", "busy"),
)


@dataclass(frozen=True)
class Found:
    """A drive that is plugged in: one per partition that can hold files.  None is unknown, never "no"."""

    device: str  # kernel name, or "folder:<name>"
    disk: str
    sequence: int  # the kernel's number of this plugging-in
    model: str = ""
    vendor: str = ""
    serial: str = ""
    kind: str = "unknown"  # ssd, hdd, stick, card, loop, folder
    bus: str = ""  # usb, loop, folder
    size: int = 0  # of the device
    disk_size: int = 0
    filesystem: str = ""  # "" when there is none that is known
    filesystem_uuid: str = ""
    label: str = ""
    capacity: int | None = None  # of the filesystem
    free: int | None = None
    used: int | None = None
    read_only: bool = False  # write-protected by the device itself
    dirty: bool | None = None
    unfinished: bool = False  # pulled while in use: writes wait in its journal, and a look shows what was before them
    health: str = "unknown"  # good, failing, unknown
    health_details: Mapping[str, Any] = field(default_factory=dict)
    temperature_c: int | None = None
    power: str = "unknown"  # on, standby, unknown
    mounted_at: str | None = None
    mounted_as: str | None = None  # tag
    marker: Mapping[str, Any] | None = None  # only a well-formed one
    names: tuple[str, ...] = ()  # at its top, 200 at most
    names_total: int = 0
    problem: str = ""  # why it could not be looked at
    busy: bool = False  # root is working on it (formatting, repairing) and could not look
    system: str = ""  # why it is the station's own

    @property
    def mark(self) -> markers.Marker | None:
        """Its marker file, typed."""
        return markers.parse(self.marker)

    @property
    def title(self) -> str:
        """What the maker calls it, for people."""
        return " ".join(word for word in (self.vendor, self.model) if word) or self.label or self.disk


@dataclass(frozen=True)
class Inventory:
    """Everything that is plugged in, as of ``at`` (seconds since 1970)."""

    found: tuple[Found, ...] = ()
    at: float = 0.0
    smart: Mapping[str, Any] = field(default_factory=dict)  # disk -> {"sequence", "asked", "answer"}

    def by_device(self, device: str) -> Found | None:
        """The drive of this kernel name."""
        return next((f for f in self.found if f.device == device), None)

    def by_marker(self, marker_id: str) -> list[Found]:
        """Every drive that carries this marker; more than one means a clone."""
        return [f for f in self.found if f.mark is not None and f.mark.marker_id == marker_id]


def scan(places: Places, broker: Broker, previous: Inventory | None = None) -> Inventory:
    """Look at what is plugged in.  Raises BrokerUnavailable or RefusedByRoot; the old list is then kept by the caller.

    Root's looks are remembered until a device is unplugged or formatted, and health is asked every half hour, so that
    listing drives wakes none of them.
    """
    surveyed = [drive for drive in broker("drives.survey", {})["drives"] if _worth_showing(drive)]
    smart = _ask_health(broker, surveyed, previous.smart if previous else {})
    mounts = {r.device: r for r in records.all_records(places.mounts) if r.is_live(places.mounts)}
    found = []
    for drive in surveyed:
        answer = smart.get(drive["disk"], {}).get("answer", {})
        found.append(_with_mount(_found(drive, answer), mounts.get(drive["device"])))
    return Inventory(tuple(found), time.time(), smart)


def refresh(places: Places, broker: Broker, *, ask_again: bool = False) -> Inventory:
    """Scan now and save, for a job that has just changed something; ``ask_again``: also for health, however fresh."""
    try:
        previous = load(places)
    except (OSError, ValueError, KeyError, TypeError):
        previous = None
    if ask_again and previous is not None:
        asked = {disk: {**one, "asked": 0.0} for disk, one in previous.smart.items()}
        previous = replace(previous, smart=asked)
    inventory = scan(places, broker, previous)
    save(places, inventory)
    return inventory


def save(places: Places, inventory: Inventory) -> None:
    """Replace the file that every process reads."""
    write_atomically(places.inventory, json.dumps(asdict(inventory)).encode())


def load(places: Places) -> Inventory:
    """The list as last saved.  Raises FileNotFoundError before the first scan: unknown is not empty."""
    stored = json.loads(places.inventory.read_bytes())
    known = {f.name for f in fields(Found)}
    found = []
    for one in stored["found"]:
        kept = {key: value for key, value in one.items() if key in known}
        found.append(Found(**(kept | {"names": tuple(kept.get("names", ()))})))
    return Inventory(tuple(found), float(stored["at"]), stored["smart"])


def _worth_showing(drive: Mapping[str, Any]) -> bool:
    seen = drive["seen"]
    return seen is None or bool(seen["for_files"])


def _found(drive: Mapping[str, Any], health: Mapping[str, Any]) -> Found:
    seen = drive["seen"] or {}
    wanted = (
        "filesystem",
        "filesystem_uuid",
        "label",
        "capacity",
        "free",
        "used",
        "dirty",
        "unfinished",
        "problem",
        "busy",
    )
    facts = {key: seen[key] for key in wanted if key in seen}
    return Found(
        device=drive["device"],
        disk=drive["disk"],
        sequence=drive["sequence"],
        model=drive["model"] or health.get("model", ""),
        vendor=drive["vendor"],
        serial=drive["serial"] or health.get("serial", ""),
        kind=kind_of(drive, health),
        bus=drive["bus"],
        size=drive["size"],
        disk_size=drive.get("disk_size") or drive["size"],
        read_only=drive["read_only"],
        marker=_good_marker(seen.get("marker")),
        names=tuple(seen.get("names", ())),
        names_total=seen.get("names_total", 0),
        system=drive["system"],
        health=verdict_of(health),
        health_details={k: v for k, v in health.items() if v not in (None, "") and k not in ("model", "serial")},
        temperature_c=health.get("temperature_c"),
        power=power_of(drive, health),
        **facts,
    )


def _good_marker(stored: Mapping[str, Any] | None) -> dict[str, Any] | None:
    mark = markers.parse(stored)
    return None if mark is None else asdict(mark)


def _with_mount(found: Found, mount: records.Record | None) -> Found:
    """Fresh numbers for a drive that is mounted; statvfs never wakes a disk."""
    if mount is None:
        return found
    with contextlib.suppress(OSError):
        space = os.statvfs(mount.path)
        size, free = space.f_blocks * space.f_frsize, space.f_bavail * space.f_frsize
        found = replace(found, capacity=size, free=free, used=(space.f_blocks - space.f_bfree) * space.f_frsize)
    with contextlib.suppress(OSError):
        found = replace(found, marker=_good_marker(markers.raw(Path(mount.path))))
    dirty = found.dirty if mount.read_only else False  # a dirty one is only ever mounted for reading
    return replace(found, mounted_at=mount.path, mounted_as=mount.tag, dirty=dirty)


def kind_of(drive: Mapping[str, Any], health: Mapping[str, Any]) -> str:
    """What sort of thing it is.  Bridges lie about rotation, so the disk's own word (SMART) counts first."""
    if drive["bus"] in ("loop", "folder"):
        return str(drive["bus"])
    if drive["disk"].startswith("mmcblk"):
        return "card"
    if health.get("solid_state") is not None:
        return "ssd" if health["solid_state"] else "hdd"
    if drive["removable"]:
        return "stick"
    return {True: "hdd", False: "ssd"}.get(drive["rotational"], "unknown")


def verdict_of(health: Mapping[str, Any]) -> str:
    """good, failing or unknown; sectors that wait to be replaced count as failing."""
    if not health.get("known"):
        return "unknown"
    if not health.get("passed") or (health.get("pending") or 0) > 0 or (health.get("uncorrectable") or 0) > 0:
        return "failing"
    return "good"


def power_of(drive: Mapping[str, Any], health: Mapping[str, Any]) -> str:
    """Whether its motor runs; a test drive has none and is on while it is there."""
    if health.get("asleep"):
        return "standby"
    return "on" if health.get("known") or drive["bus"] in ("loop", "folder") else "unknown"


def _ask_health(broker: Broker, drives: list[Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Every disk's health, asked again after half an hour; a sleeping disk keeps what it said when it was awake."""
    asked: dict[str, Any] = {}
    for drive in drives:
        disk, old = drive["disk"], before.get(drive["disk"])
        if disk in asked or drive["bus"] == "folder" or drive["system"]:
            continue
        if old is not None and old["sequence"] != drive["sequence"]:
            old = None
        if old is not None and 0 <= time.time() - old["asked"] < SMART_EVERY_S:
            asked[disk] = old
            continue
        try:
            answer = broker("drives.smart", {"disk": disk})
        except ApplianceError:
            continue  # unplugged in between: unknown
        if answer["asleep"] and old is not None:
            answer = {**old["answer"], "asleep": True}
        asked[disk] = {"sequence": drive["sequence"], "asked": time.time(), "answer": answer}
    return asked
