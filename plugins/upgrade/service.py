"""New versions as console, API and command line see them: what runs, what waits, what became of the last."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance import VERSION, events, plugin
from appliance.broker.client import Broker
from appliance.errors import ApplianceError, Conflict
from appliance.jobs import schedule
from appliance.jobs import service as jobs
from appliance.jobs.models import ACTIVE, Job, Schedule
from appliance.jobs.plan import Plan, Rhythm
from appliance.people.audit import By
from appliance.places import Places
from appliance.places import places as here
from appliance.upgrade import attempt
from appliance.upgrade.attempt import Attempt, Phase, RecordDamaged
from appliance.words import N_, Message
from plugins.upgrade import checks, fetching, incoming, news, place
from plugins.upgrade.news import News
from plugins.upgrade.source import Source, Web

NAME = "upgrade"
CHECK, INSTALL, RESTART = "upgrade.check", "upgrade.install", "upgrade.restart"
NOW, QUIET, LATER = "now", "quiet", "later"


class NoSource(ApplianceError):
    """Nobody said where news is."""

    code, status = "upgrade_no_source", 409
    template = N_("Nobody has said yet where this station finds news of versions.")
    hint = N_("Enter the address under “How it is done”, or bring a file.")


class NothingNew(ApplianceError):
    """There is no version that could be installed from the channel."""

    code, status, template = "upgrade_nothing_new", 409, N_("There is no new version to be fetched right now.")


class NotUnderWay(Conflict):
    """Nothing waits for a restart."""

    code, template = "upgrade_not_staged", N_("No new version waits for a restart.")


@dataclass(frozen=True)
class State:
    """Everything about versions at this moment."""

    version: str
    model: str  # "" where this is not an image
    last: Attempt | None
    damaged: bool  # the record of the last attempt cannot be read
    news: News | None
    install: Job | None
    check: Job | None
    restart: Job | None
    restarts_at: datetime | None
    options: dict[str, Any]
    next_check: datetime | None

    @property
    def can(self) -> bool:
        """Whether this station can be upgraded at all."""
        return bool(self.model)

    @property
    def staged(self) -> bool:
        """Whether a version waits for its restart."""
        return self.last is not None and self.last.state is Phase.STAGED

    @property
    def trying(self) -> bool:
        """Whether the restart into it is under way, or it runs and is being looked at."""
        return self.last is not None and self.last.state is Phase.TRYING

    @property
    def tried_now(self) -> bool:
        """Whether what is being tried is what runs."""
        return self.trying and self.last is not None and self.last.version == self.version

    @property
    def installing(self) -> bool:
        """Whether one is being fetched, looked at or written."""
        return self.install is not None and self.install.state in ACTIVE


def state(session: Session, places: Places) -> State:
    """Read it all; nobody is asked for it."""
    try:
        running = place.release()
        version, model = running.version, running.model
    except place.NotAnImage:
        version, model = VERSION, ""
    found, damaged = None, False
    try:
        found = attempt.read(places.upgrade)
    except (RecordDamaged, OSError):
        damaged = True
    return State(
        version, model, found, damaged, news.last(places), last_job(session, INSTALL), last_job(session, CHECK),
        last_job(session, RESTART), _due(session, RESTART), plugin.options(session, NAME), _due(session, CHECK),
    )  # fmt: skip


def last_job(session: Session, kind: str) -> Job | None:
    """The newest of a kind."""
    return session.scalars(select(Job).where(Job.kind == kind).order_by(Job.id.desc()).limit(1)).first()


def _due(session: Session, lock: str) -> datetime | None:
    found = session.scalar(select(Schedule).where(Schedule.lock == lock, Schedule.enabled))
    return found.next_due if found else None


def is_under_way(session: Session, places: Places) -> bool:
    """Whether a version is being brought, waits for its restart, or is being tried."""
    told = state(session, places)
    return told.staged or told.installing or told.trying


def percent_written(places: Places) -> int:
    """How far root is with writing."""
    try:
        return int(json.loads((places.run / "upgrade-progress.json").read_text())["percent"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def source(session: Session) -> Source:
    """Where news is.  Raises NoSource."""
    address = plugin.options(session, NAME)["source"]
    if not address:
        raise NoSource
    try:
        return Web(address)
    except fetching.BadAddress:
        raise NoSource from None


def configure(session: Session, places: Places, form: dict[str, str]) -> None:
    """Store how it is done.  Raises Invalid; and BadAddress for a source that cannot be asked."""
    address = form.get("source", "").strip()
    if address:
        fetching.check(address, only_https=True)
    before = plugin.options(session, NAME)
    plugin.configure(session, NAME, form)
    after = plugin.options(session, NAME)
    if (before["source"], before["channel"]) != (after["source"], after["channel"]):
        news.forget(places)
    if _due(session, RESTART) is not None:
        plan_restart(session)
    plan_checks(session)


def plan_checks(session: Session) -> None:
    """Ask once a day as long as there is somebody to ask; not everybody in the same minute."""
    if not plugin.options(session, NAME)["source"]:
        schedule.remove(session, CHECK)
    elif session.scalar(select(Schedule).where(Schedule.lock == CHECK)) is None:
        minute = hash_of_station() % (4 * 60)
        daily = Plan(Rhythm.DAILY, hour=minute // 60 + 8, minute=minute % 60)
        schedule.upsert(session, CHECK, CHECK, daily, title=Message(N_("Ask for new versions")))


def hash_of_station() -> int:
    """A number that differs from station to station and stays."""
    try:
        return int(hashlib.sha256(here().identity.read_bytes()).hexdigest()[:8], 16)
    except OSError:
        return 0


def start_check(session: Session, asked_by: int | None = None) -> Job:
    """Ask now.  Raises NoSource, AlreadyRunning."""
    source(session)
    return jobs.start(session, CHECK, title=Message(N_("Ask for new versions")), lock=CHECK, asked_by=asked_by)


def start_install(
    session: Session, places: Places, by: By, *, upload: str = "", address: str = "", when: str = NOW
) -> Job:
    """Install a file that has arrived, one from an address, or (neither) what the channel announces.

    ``when``: restart ``now``, in the ``quiet`` hour, or ``later`` by hand.  Raises what the checks say.
    """
    told = state(session, places)
    if not told.can:
        raise place.NotAnImage
    checks.settled()
    channel = ""
    if upload:
        if not incoming.find(places, upload).is_whole:
            raise place.NoSuchBundle
    elif address:
        fetching.check(address)
    else:
        if told.news is None or not told.news.is_offer:
            raise NothingNew
        address, channel = told.news.address, told.options["channel"]
    job = jobs.start(
        session, INSTALL, title=Message(N_("Install a new version")), lock=NAME, asked_by=by.user_id,
        arguments={"upload": upload, "address": address, "channel": channel, "when": when},
    )  # fmt: skip
    events.record(
        session, "upgrade.begun", N_("A new version is being installed."), actor_id=by.user_id, address=by.address
    )
    return job


def plan_restart(session: Session) -> datetime | None:
    """Restart into what waits at the next quiet hour; when that is."""
    hour = plugin.options(session, NAME)["quiet_hour"]
    plan = Plan(Rhythm.DAILY, hour=hour, minute=checks.MINUTE)
    return schedule.upsert(session, RESTART, RESTART, plan, title=Message(N_("Restart into the new version"))).next_due


def start_restart(session: Session, places: Places, by: By) -> Job:
    """Restart now.  Raises NotUnderWay, JustStarted, DriveHeld, AlreadyRunning."""
    if not state(session, places).staged:
        raise NotUnderWay
    checks.settled()
    checks.no_drive_held(places)
    return start_restart_when_free(session, by.user_id)


def start_restart_when_free(session: Session, asked_by: int | None) -> Job:
    """Restart as soon as no drive is used.  Raises AlreadyRunning."""
    title = Message(N_("Restart into the new version"))
    return jobs.start(session, RESTART, title=title, lock=RESTART, arguments={"now": True}, asked_by=asked_by)


def call_off(session: Session, broker: Broker, by: By) -> str:
    """What waits is not tried; which version that was.  Raises what root says."""
    version = str(broker("upgrade.cancel", {})["version"])
    schedule.remove(session, RESTART)
    events.record(
        session, "upgrade.called_off", N_("Version {version} was called off before the restart."),
        actor_id=by.user_id, address=by.address, version=version,
    )  # fmt: skip
    return version


def history(session: Session, limit: int = 20) -> list[events.Event]:
    """What happened with versions, newest first."""
    return list(events.listing(session, room=NAME, limit=limit))
