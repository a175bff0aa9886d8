"""What people ask of the plugs: find them, name them, say what hangs on them, try and switch them."""

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from appliance import events
from appliance.db import now
from appliance.drives.models import Drive, DriveRole, DriveState, PowerState
from appliance.drives.switches import PeopleDriver
from appliance.errors import Conflict, Invalid, NotFound
from appliance.health import service as health
from appliance.jobs import service as jobs
from appliance.jobs.models import ACTIVE, Job, JobState
from appliance.places import Places
from appliance.words import N_, Message
from plugins.smart_plugs import secrets
from plugins.smart_plugs.driver import DRIVER
from plugins.smart_plugs.models import Account, PlugDrive, PlugKind, SmartPlug, Switching

DISCOVER, LOOK_AT, LOOK, TEST, SWITCH = (
    f"smart_plugs.{word}" for word in ("discover", "look_at", "look", "test", "switch")
)
LOOK_EVERY = timedelta(hours=6)
LONGEST = 60
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._:-]{0,251}[A-Za-z0-9])?")
TOPIC = re.compile(r"[^#+\x00-\x1f]{1,200}")
URL = re.compile(r"https?://[^\s/?#@]+(/[^\s]*)?(\?[^\s]*)?")
METHODS = ("POST", "GET", "PUT")
SHOWN = 12


def every(session: Session) -> Sequence[SmartPlug]:
    """In the order in which they came."""
    return session.scalars(select(SmartPlug).order_by(SmartPlug.id)).all()


def get(session: Session, plug_id: int) -> SmartPlug:
    """Raises NotFound."""
    plug = session.get(SmartPlug, plug_id)
    if plug is None:
        raise NotFound(what="plug")
    return plug


def drives_on(session: Session, plug_id: int) -> Sequence[Drive]:
    """What hangs on it."""
    wanted = select(Drive).join(PlugDrive, PlugDrive.drive_id == Drive.id).where(PlugDrive.plug_id == plug_id)
    return session.scalars(wanted.order_by(Drive.role.desc(), Drive.number)).all()


def drives(session: Session) -> Sequence[Drive]:
    """What may hang on a plug: also HOT drives, so that it can be said that they must not."""
    wanted = select(Drive).where(Drive.state != DriveState.RETIRED)
    return session.scalars(wanted.order_by(Drive.role, Drive.number)).all()


def switchings(session: Session, plug_id: int) -> Sequence[Switching]:
    """The newest first."""
    wanted = select(Switching).where(Switching.plug_id == plug_id).order_by(Switching.id.desc()).limit(SHOWN)
    return session.scalars(wanted).all()


def start_discovery(session: Session, asked_by: int | None = None) -> Job:
    """Raises AlreadyRunning."""
    title = Message(N_("Looking for smart plugs"))
    return jobs.start(session, DISCOVER, title=title, lock="smart_plugs", asked_by=asked_by)


def start_look_at(session: Session, form: Mapping[str, str], asked_by: int | None = None) -> Job:
    """Look at one address.  Raises Invalid, AlreadyRunning."""
    problems: dict[str, Message | str] = {}
    kind, host = form.get("kind", ""), form.get("host", "").strip()
    if kind not in (PlugKind.KASA, PlugKind.SHELLY, PlugKind.TASMOTA):
        problems["kind"] = N_("Choose one of the listed values.")
    port = _host_and_port(form, "80", problems)
    if problems:
        raise Invalid(problems)
    arguments = {"kind": kind, "host": host, "port": port}
    title = Message(N_("Looking for a smart plug at {host}"), {"host": host})
    return jobs.start(session, LOOK_AT, title=title, lock="smart_plugs", arguments=arguments, asked_by=asked_by)


def _host_and_port(form: Mapping[str, str], usual: str, problems: dict[str, Message | str]) -> int:
    if not HOST.fullmatch(form.get("host", "").strip()):
        problems["host"] = N_("Enter its address, such as 192.168.1.20.")
    text = form.get("port", "").strip() or usual
    port = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    if not 0 < port < 65536:
        problems["port"] = N_("Enter a number between 1 and 65535.")
    return port


@dataclass(frozen=True)
class Found:
    """Something that answered, and whether it is one of ours already."""

    seen: dict[str, Any]
    plug: SmartPlug | None
    place: int  # in the job's result


def last_search(session: Session) -> tuple[Job | None, list[Found]]:
    """The newest look for plugs and what answered: TP-Link first, then by name and address."""
    wanted = select(Job).where(Job.kind.in_((DISCOVER, LOOK_AT))).order_by(Job.id.desc()).limit(1)
    job = session.scalar(wanted)
    if job is None or job.state is not JobState.DONE:
        return job, []
    ours = {(plug.kind.value, plug.key): plug for plug in every(session)}
    found = [
        Found(seen, ours.get((seen["kind"], seen["key"])), place)
        for place, seen in enumerate(job.result.get("seen", []))
    ]
    return job, sorted(found, key=lambda one: (one.plug is not None, one.seen["name"], one.seen["host"]))


def add_found(session: Session, job_id: int, place: int, name: str = "", asked_by: int | None = None) -> SmartPlug:
    """Take in what a search found.  Raises NotFound, Invalid."""
    job = session.get(Job, job_id)
    seen_list = job.result.get("seen", []) if job is not None and job.kind in (DISCOVER, LOOK_AT) else []
    if not 0 <= place < len(seen_list):
        raise NotFound(what="plug")
    seen = seen_list[place]
    kind = PlugKind(seen["kind"])
    plug = session.scalar(select(SmartPlug).where(SmartPlug.kind == kind, SmartPlug.key == seen["key"]))
    if plug is None:
        plug = SmartPlug(kind=kind, key=seen["key"][:255], name=_free_name(session, name or seen["name"]))
        session.add(plug)
        events.record(session, "plug.added", N_("The plug {plug} was added."), actor_id=asked_by, plug=plug.name)
    plug.host, plug.place, plug.model = seen["host"], seen["place"], seen["model"][:255]
    plug.has_meter = plug.has_meter or seen["meter"]
    session.flush()
    if not seen["locked"] or kind is PlugKind.KASA:
        _start_asking(session, plug)
    return plug


def _free_name(session: Session, wanted: str) -> str:
    """Several plugs may call themselves the same; here each has a name of its own."""
    wanted = _name(wanted) or "Plug"
    taken = {name.casefold() for name in session.scalars(select(SmartPlug.name))}
    names = [wanted, *(f"{wanted} {number}" for number in range(2, 1000))]
    return next(name for name in names if name.casefold() not in taken)


def _name(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f]", "", " ".join(text.split()))[: LONGEST - 4].strip()


def add_by_hand(session: Session, places: Places, form: Mapping[str, str], asked_by: int | None = None) -> SmartPlug:
    """A plug behind MQTT or a webhook.  Raises Invalid with every problem."""
    problems: dict[str, Message | str] = {}
    name = _name(form.get("name", ""))
    if not name:
        problems["name"] = N_("Give it a name.")
    if form.get("kind") == PlugKind.MQTT:
        plug, private = _mqtt(form, problems)
    elif form.get("kind") == PlugKind.WEBHOOK:
        plug, private = _webhook(form, problems)
    else:
        raise Invalid({"kind": N_("Choose one of the listed values.")})
    same = select(SmartPlug.id).where(SmartPlug.kind == plug.kind, SmartPlug.key == plug.key)
    if not problems and session.scalar(same):
        problems[""] = N_("This plug is here already.")
    if problems:
        raise Invalid(problems)
    plug.name, plug.secret = _free_name(session, name), secrets.sealed(places, private)
    session.add(plug)
    session.flush()
    events.record(session, "plug.added", N_("The plug {plug} was added."), actor_id=asked_by, plug=plug.name)
    return plug


def _mqtt(form: Mapping[str, str], problems: dict[str, Message | str]) -> tuple[SmartPlug, dict[str, Any]]:
    port = _host_and_port(form, "1883", problems)
    place: dict[str, Any] = {"port": port}
    for field, needed in (("topic", True), ("state_topic", False), ("ask_topic", False)):
        text = form.get(field, "").strip()
        if (needed or text) and not TOPIC.fullmatch(text):
            problems[field] = N_("Enter a topic, such as zigbee2mqtt/plug/set.")
        place[field] = text
    for field, usual in (("on_text", "ON"), ("off_text", "OFF")):
        place[field] = (form.get(field, "").strip() or usual)[:200]
    host = form.get("host", "").strip()
    key = f"{host}:{port}/{place['topic']}"[:255]
    plug = SmartPlug(kind=PlugKind.MQTT, key=key, host=host, place=place, user=form.get("user", "").strip()[:200])
    return plug, {"password": form.get("password", "")}


def _webhook(form: Mapping[str, str], problems: dict[str, Message | str]) -> tuple[SmartPlug, dict[str, Any]]:
    private = {field: form.get(field, "").strip() for field in ("on_url", "off_url", "state_url")}
    for field, url in private.items():
        if (url or field != "state_url") and not (URL.fullmatch(url) and len(url) <= 2000):
            problems[field] = N_("Enter an address that begins with http:// or https://.")
    method = form.get("method", "POST")
    if method not in METHODS:
        problems["method"] = N_("Choose one of the listed values.")
    host = re.sub(r"^https?://|[/?#].*$", "", private["off_url"])[:255]
    import hashlib

    key = hashlib.sha256("\n".join(private.values()).encode()).hexdigest()[:32]  # nothing of a secret in the clear
    return SmartPlug(kind=PlugKind.WEBHOOK, key=key, host=host, place={"method": method}), private


def change(session: Session, places: Places, plug_id: int, form: Mapping[str, str]) -> SmartPlug:
    """Another name, another password; an empty password leaves the old one.  Raises NotFound, Invalid."""
    plug, name = get(session, plug_id), _name(form.get("name", ""))
    others = session.scalars(select(SmartPlug.name).where(SmartPlug.id != plug_id))
    if not name:
        raise Invalid({"name": N_("Give it a name.")})
    if name.casefold() in {other.casefold() for other in others}:
        raise Invalid({"name": N_("Another plug is called so.")})
    plug.name = name
    if "user" in form:
        plug.user = form["user"].strip()[:200]
    if form.get("password"):
        private = secrets.opened(places, plug.secret) | {"password": form["password"][:200]}
        plug.secret = secrets.sealed(places, private)
        _start_asking(session, plug)
    return plug


def start_asking(session: Session, plug: SmartPlug, asked_by: int | None = None) -> Job:
    """Whether it answers, and what goes through it.  Raises AlreadyRunning."""
    title, arguments = Message(N_("Asking {plug}"), {"plug": plug.name}), {"plug_id": plug.id}
    return jobs.start(session, LOOK, title=title, lock=f"plug-look:{plug.id}", arguments=arguments, asked_by=asked_by)


def _start_asking(session: Session, plug: SmartPlug) -> None:
    """Now that something about it changed; a job that it waits for tells as well."""
    with contextlib.suppress(jobs.AlreadyRunning):
        start_asking(session, plug)


def keep_account(session: Session, places: Places, user: str, password: str) -> None:
    """The TP-Link user and password, for all its plugs; an empty user forgets them.  Raises Invalid."""
    user = user.strip()
    session.execute(delete(Account).where(Account.kind == PlugKind.KASA))
    if not user:
        return
    if not password:
        raise Invalid({"account_password": N_("Enter the password as well.")})
    secret = secrets.sealed(places, {"password": password[:200]})
    session.add(Account(kind=PlugKind.KASA, user=user[:200], secret=secret))


def account_user(session: Session) -> str:
    """ "" when there is none."""
    return session.scalar(select(Account.user).where(Account.kind == PlugKind.KASA)) or ""


def assign(session: Session, plug_id: int, drive_ids: set[int], asked_by: int | None = None) -> None:
    """Say what hangs on a plug: all of it.  Raises NotFound, Invalid for a HOT drive, Conflict for one in use."""
    plug = get(session, plug_id)
    chosen = [session.get(Drive, drive_id) for drive_id in sorted(drive_ids)]
    for drive in chosen:
        if drive is None or drive.state is DriveState.RETIRED:
            raise NotFound(what="drive")
        if drive.role is DriveRole.HOT:
            told = N_(
                "{drive} is always on, so nothing may cut its power. "
                "As long as it hangs on this plug, the plug cannot switch any drive: give {drive} another socket."
            )
            raise Invalid({"drives": Message(told, {"drive": drive.name})})
    before = {drive.id: drive for drive in drives_on(session, plug_id)}
    wanted = {drive.id: drive for drive in chosen if drive is not None}
    for drive in [*before.values(), *wanted.values()]:
        if (drive.id in before) != (drive.id in wanted) and drive.power_state not in (
            PowerState.OFF,
            PowerState.UNMOUNTED,
        ):
            raise Conflict()
    for drive_id in set(before) - set(wanted):
        _unassign(session, before[drive_id])
    for drive_id in set(wanted) - set(before):
        session.merge(PlugDrive(drive_id=drive_id, plug_id=plug.id))
        drive = wanted[drive_id]
        drive.power_driver = DRIVER
        fields = {"plug": plug.name, "drive": drive.name}
        events.record(session, "plug.assigned", N_("The plug {plug} switches {drive}."), actor_id=asked_by, **fields)
    session.flush()


def _unassign(session: Session, drive: Drive) -> None:
    session.execute(delete(PlugDrive).where(PlugDrive.drive_id == drive.id))
    if drive.power_driver == DRIVER:
        drive.power_driver = PeopleDriver.name


def hot_is_elsewhere(session: Session, plug_id: int) -> None:
    """A person gave the HOT drive another socket.  Raises NotFound."""
    get(session, plug_id).carries_hot = None


def remove(session: Session, plug_id: int, asked_by: int | None = None) -> SmartPlug:
    """Forget a plug; people switch its drives.  Raises NotFound, Conflict while one of them is in use."""
    plug = get(session, plug_id)
    assign(session, plug_id, set())
    session.delete(plug)
    health.settle_about(session, f"plug:{plug_id}")
    events.record(session, "plug.removed", N_("The plug {plug} was removed."), actor_id=asked_by, plug=plug.name)
    return plug


def start_test(session: Session, plug_id: int, asked_by: int | None = None) -> Job:
    """On, wait for its drives, off, proof.  Raises NotFound, AlreadyRunning."""
    title = Message(N_("Trying the plug {plug}"), {"plug": get(session, plug_id).name})
    return _start(session, TEST, title, plug_id, {}, asked_by)


def start_switch(session: Session, plug_id: int, *, on: bool, asked_by: int | None = None) -> Job:
    """Raises NotFound, AlreadyRunning."""
    template = N_("Switching on the plug {plug}") if on else N_("Switching off the plug {plug}")
    title = Message(template, {"plug": get(session, plug_id).name})
    return _start(session, SWITCH, title, plug_id, {"on": on}, asked_by)


def _start(
    session: Session, kind: str, title: Message, plug_id: int, more: dict[str, Any], asked_by: int | None
) -> Job:
    lock, arguments = f"plug:{plug_id}", {"plug_id": plug_id} | more
    return jobs.start(session, kind, title=title, lock=lock, arguments=arguments, asked_by=asked_by)


def job_of(session: Session, plug_id: int) -> Job | None:
    """The newest try, switching or question."""
    wanted = (
        select(Job).where(Job.lock.in_((f"plug:{plug_id}", f"plug-look:{plug_id}"))).order_by(Job.id.desc()).limit(1)
    )
    return session.scalar(wanted)


def look_now_and_then(session: Session) -> None:
    """Queue a look at the plugs that drives hang on, some times a day."""
    if session.scalar(select(PlugDrive.drive_id).limit(1)) is None:
        return
    last = session.scalar(select(func.max(Job.finished)).where(Job.lock == LOOK, Job.finished <= now()))
    if last is None or now() - last > LOOK_EVERY:
        with contextlib.suppress(jobs.AlreadyRunning):
            jobs.start(session, LOOK, title=Message(N_("Asking the smart plugs how they are")), lock=LOOK)


def is_active(job: Job | None) -> bool:
    """Whether it has not ended."""
    return job is not None and job.state in ACTIVE
