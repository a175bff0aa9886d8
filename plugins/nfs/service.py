"""NFS: which device may see or change which folder, and having exactly that served.

The rows are the wish; root serves what of it is here.  What is so lies in ``RUN/nfs.json``: what is served, and which
devices this station has heard of, so that somebody can choose instead of typing numbers.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from appliance import announced as announcing
from appliance import events, plugin
from appliance.broker.client import Broker
from appliance.drives import mounts
from appliance.drives.layout import NOT_FILES
from appliance.drives.models import Drive
from appliance.durable import write_atomically
from appliance.errors import ApplianceError, Invalid, NotFound
from appliance.health.guides import GUIDES, Guide
from appliance.health.models import Severity
from appliance.health.service import Finding, HealthContext
from appliance.hookspecs import Announced
from appliance.jobs import service as jobs
from appliance.jobs.models import Job
from appliance.people.audit import By
from appliance.places import Places, places
from appliance.words import N_, Message
from plugins.nfs.models import NfsDevice, NfsRight
from plugins.nfs.privileged import address_problem

NAME = "nfs"
SELF_TEST = "nfs.try"
PORT = 2049
GUIDES["nfs"] = Guide(
    N_("Get folders for media players to be served again"),
    (
        N_("Open the plugin's page: it says which folders and devices it serves, and what is in the way."),
        N_("If another program on this computer serves NFS, end it."),
        N_("Switch the plugin off and on again, under Plugins. If that does not help, restart the station."),
    ),
    page="/plugins/nfs/",
    opens=N_("Open its page"),
)
LONGEST_NAME = 60
MOST_NEIGHBOURS = 50


@dataclass(frozen=True)
class Room:
    """A folder that can be given to devices."""

    drive_id: int
    drive: str
    tag: str
    colour: str
    folder: str
    here: bool

    @property
    def key(self) -> str:
        """Its name in a form."""
        return key(self.drive_id, self.folder)


def key(drive_id: int, folder: str) -> str:
    """A room's name in a form."""
    return f"may:{drive_id}:{folder}"


def devices(session: Session) -> list[NfsDevice]:
    """Every device, by name."""
    return list(session.scalars(select(NfsDevice).order_by(NfsDevice.name)))


def device(session: Session, device_id: int) -> NfsDevice:
    """Raises NotFound."""
    found = session.get(NfsDevice, device_id)
    if found is None:
        raise NotFound(what="device")
    return found


def rooms(session: Session, here: Places) -> list[Room]:
    """Folders at the top of each HOT drive that is here, and every folder that somebody was given before."""
    found: dict[tuple[int, str], Room] = {}
    for mount in mounts.hot_mounts(session, here):
        with contextlib.suppress(OSError), os.scandir(mount.path) as entries:
            for entry in entries:
                is_room = entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
                if is_room and entry.name not in NOT_FILES and entry.name.isprintable():
                    room = Room(mount.drive_id, mount.name, mount.tag, mount.colour, entry.name, True)
                    found[(mount.drive_id, entry.name)] = room
    for right, drive in session.execute(select(NfsRight, Drive).join(Drive, Drive.id == NfsRight.drive_id)):
        room = Room(drive.id, drive.name, drive.tag, drive.colour, right.folder, False)
        found.setdefault((drive.id, right.folder), room)
    return sorted(found.values(), key=lambda room: (room.tag, room.folder.casefold()))


def rights(session: Session) -> dict[int, dict[str, str]]:
    """device id -> a room's key -> "see" or "change"."""
    given: dict[int, dict[str, str]] = {}
    for right in session.scalars(select(NfsRight)):
        word = "change" if right.change else "see"
        given.setdefault(right.device_id, {})[key(right.drive_id, right.folder)] = word
    return given


def rights_of(session: Session, device_id: int) -> list[NfsRight]:
    """What a device gets, by drive and folder."""
    wanted = select(NfsRight).where(NfsRight.device_id == device_id)
    return list(session.scalars(wanted.order_by(NfsRight.drive_id, NfsRight.folder)))


def add(session: Session, who: By, *, name: str, address: str) -> NfsDevice:
    """Note a device; it may nothing yet.  Raises Invalid."""
    name, address = " ".join(name.split()), address.strip()
    problems: dict[str, Message | str] = {}
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        problems["name"] = Message(N_("Give it a name of at most {most} characters."), {"most": LONGEST_NAME})
    elif session.scalar(select(NfsDevice.id).where(NfsDevice.name == name)):
        problems["name"] = N_("There is already a device with this name.")
    if problem := address_problem(address):
        problems["address"] = problem
    elif session.scalar(select(NfsDevice.id).where(NfsDevice.address == address)):
        problems["address"] = N_("There is already a device with this address.")
    if problems:
        raise Invalid(problems)
    made = NfsDevice(name=name, address=address)
    session.add(made)
    session.flush()
    _record(session, who, "nfs.device", N_("{device} ({network}) may be given folders by NFS."), made)
    return made


def allow(session: Session, broker: Broker, here: Places, who: By, device_id: int, form: Mapping[str, str]) -> None:
    """What a device may: a form of rooms' keys with "nothing", "see" or "change".

    Whole state, in force when this returns; on any failure nothing is kept.  What the form does not name stays as it
    was: a folder whose drive was away when the page was drawn.  Raises NotFound, Invalid, or root's errors.
    """
    found = device(session, device_id)
    known = {room.key: room for room in rooms(session, here)}
    for name, word in form.items():
        room = known.get(name)
        if room is None or word not in ("nothing", "see", "change"):
            raise Invalid({"": N_("Choose one of the listed values.")})
        of_room = (NfsRight.device_id == found.id, NfsRight.drive_id == room.drive_id, NfsRight.folder == room.folder)
        session.execute(delete(NfsRight).where(*of_room))
        if word != "nothing":
            session.add(
                NfsRight(device_id=found.id, drive_id=room.drive_id, folder=room.folder, change=word == "change")
            )
    session.flush()
    _record(session, who, "nfs.rights", N_("What {device} ({network}) may do by NFS was changed."), found)
    announcing.refresh(session)
    serve(session, broker, here)


def drop(session: Session, broker: Broker, here: Places, who: By, device_id: int) -> str:
    """Forget a device; it is shut out when this returns.  Returns its name.  Raises NotFound."""
    found = device(session, device_id)
    name = found.name
    session.execute(delete(NfsRight).where(NfsRight.device_id == found.id))
    _record(session, who, "nfs.dropped", N_("{device} ({network}) gets nothing by NFS any more."), found)
    session.delete(found)
    session.flush()
    announcing.refresh(session)
    serve(session, broker, here)
    return name


def _record(session: Session, who: By, kind: str, template: str, about: NfsDevice) -> None:
    events.record(session, kind, template, actor_id=who.user_id, address=who.address,
                  device=about.name, network=about.address)  # fmt: skip


def wanted(session: Session) -> dict[str, Any]:
    """The whole wish, as root takes it."""
    exports: dict[tuple[str, str], list[dict[str, object]]] = {}
    rows = session.execute(
        select(NfsRight, NfsDevice, Drive)
        .join(NfsDevice, NfsDevice.id == NfsRight.device_id)
        .join(Drive, Drive.id == NfsRight.drive_id)
        .order_by(Drive.number, NfsRight.folder, NfsDevice.id)
    )
    for right, who, drive in rows:
        exports.setdefault((drive.tag, right.folder), []).append({"address": who.address, "change": right.change})
    listed = [{"tag": tag, "folder": folder, "clients": clients} for (tag, folder), clients in exports.items()]
    return {"exports": listed, "older": plugin.options(session, NAME)["older"]}


def serve(session: Session, broker: Broker, here: Places) -> None:
    """Have exactly what is wished for and here served.  Raises root's errors."""
    answer = broker("nfs.apply", wanted(session))
    _note(here, served=answer["served"], server=answer["server"], problem=None)


def settle(session: Session, broker: Broker, here: Places) -> None:
    """Serve what is here now; what stands in the way is noted for the health check."""
    try:
        serve(session, broker, here)
    except ApplianceError as error:
        _note(here, served=[], problem={"message": error.message.as_json(), "hint": error.hint})
    _note(here, neighbours=neighbours())


def start_test(session: Session, asked_by: int | None = None) -> Job:
    """Serve anew, and ask as a device would.  Raises AlreadyRunning."""
    title = Message(N_("Trying the folders for Linux and media players"))
    return jobs.start(session, SELF_TEST, title=title, lock=SELF_TEST, asked_by=asked_by)


def last_test(session: Session) -> Job | None:
    """The newest try."""
    return session.scalar(select(Job).where(Job.kind == SELF_TEST).order_by(Job.id.desc()).limit(1))


def state(here: Places) -> dict[str, Any]:
    """What is so: ``served``, ``server``, ``problem``, ``neighbours``."""
    empty: dict[str, Any] = {"served": [], "server": "", "problem": None, "neighbours": []}
    with contextlib.suppress(OSError, ValueError):
        empty |= json.loads((here.run / "nfs.json").read_text())
    return empty


def _note(here: Places, **what: Any) -> None:
    before = state(here)
    if before | what != before:
        write_atomically(here.run / "nfs.json", json.dumps(before | what).encode(), mode=0o640)


def neighbours() -> list[str]:
    """Addresses of devices that this station lately spoke with (the kernel's table of neighbours)."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/thread-self/net/arp").read_text().splitlines()[1:]
        rows = [line.split() for line in lines]
        known = [row[0] for row in rows if len(row) == 6 and row[3] != "00:00:00:00:00:00"]
        return sorted(a for a in known if re.fullmatch(r"[0-9.]+", a) and address_problem(a) is None)[:MOST_NEIGHBOURS]
    return []


def announced() -> list[Announced]:
    """A service for each folder, as computers list them."""
    served = state(places())["served"]
    return [
        Announced(
            "_nfs._tcp", port(), name=f"{one['folder'] or one['tag']} ({one['tag']})"[:60], txt=(f"path={one['name']}",)
        )
        for one in served
        if len(one["name"].encode()) < 240
    ]


def port() -> int:
    """Where the server listens."""
    return int(os.environ.get("EVERPX_NFS_PORT", str(PORT)))


def not_served(context: HealthContext) -> Iterable[Finding]:
    """Something is wished for, and the server is not there or does not answer a real client."""
    from plugins.nfs import client

    told = state(context.places)
    served_anyway = Message(N_("Files are safe. The console and other ways to them work as always. {hint}"),
                            {"hint": Message(told["problem"]["hint"]) if told["problem"] else ""})  # fmt: skip
    if told["problem"] and wanted(context.session)["exports"]:
        yield Finding(
            "nfs_not_served",
            Severity.WARNING,
            Message.from_json(told["problem"]["message"]),
            served_anyway,
            guide="nfs",
        )
    elif told["served"] and not client.answers("127.0.0.1", port()):
        message = Message(N_("The server of folders for Linux and media players does not answer."))
        hint = Message(N_("Files are safe. Restart the station; if this stays, switch this plugin off and on."))
        yield Finding("nfs_silent", Severity.WARNING, message, hint, guide="nfs")
