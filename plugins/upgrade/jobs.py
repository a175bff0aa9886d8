"""Asking for news, bringing and installing a version, and restarting into it."""

import contextlib
import time
from datetime import UTC, datetime
from typing import Any

from appliance import events, plugin
from appliance.errors import ApplianceError
from appliance.jobs import schedule
from appliance.jobs.kinds import job_kind
from appliance.jobs.progress import Progress
from appliance.people.audit import By
from appliance.upgrade import attempt
from appliance.upgrade.attempt import Attempt, Phase
from appliance.words import N_, Message
from plugins.upgrade import checks, fetching, incoming, news, place, service, standing
from plugins.upgrade.fetching import Answer
from plugins.upgrade.requests import DriveHeld

LOOK_EVERY_S = 0.5
FETCH_AGAIN = 5  # times, going on where it stopped
PATIENCE_S = 300  # for a drive, before a restart that somebody asked for
FETCHED, EXAMINED = 40, 45  # percent of the bar, where something is fetched


class NotInstalled(ApplianceError):
    """It never came to a start; ``why`` is the record's."""

    code, status, template = "upgrade_not_installed", 409, N_("Version {version} was not installed: {why}")
    hint = N_("The station stays on the version that it has.")


@job_kind(service.CHECK, N_("Ask for new versions"))
def check(progress: Progress) -> dict[str, Any]:
    """Fetch news and have root judge them; with “by itself”, what is new is installed for the night."""
    progress.step(N_("Asking for new versions"))
    with progress.db.reading() as session:
        source, options = service.source(session), plugin.options(session, service.NAME)
    found = news.ask(progress.broker, progress.places, source, options["channel"])
    if found.is_offer and options["automatic"]:
        with progress.db.writing() as session, contextlib.suppress(ApplianceError):
            if not service.state(session, progress.places).staged:
                service.start_install(session, progress.places, By(), when=service.QUIET)
    return {"version": found.version, "new": found.is_offer}


@job_kind(service.INSTALL, N_("Install a new version"))
def install(progress: Progress, *, upload: str, address: str, channel: str, when: str) -> dict[str, Any]:
    """Bring it, have root look into it, have root write it, and plan the restart.  Raises what is in the way."""
    version = progress.checkpoint.get("version", "")
    if not version:
        name = upload or _fetch(progress, address)
        progress.step(N_("Looking into the new version"), share=(FETCHED if address else 0, EXAMINED))
        found = progress.broker("upgrade.examine", {"name": name, "channel": channel})
        version = found["version"]
        progress.retitle(Message(N_("Install version {version}"), {"version": version}))
        progress.broker("upgrade.install", {"manifest": found["manifest"]})
        progress.keep(version=version)
        incoming.clear(progress.places)
    noted = _follow(progress, version, EXAMINED if address else 0)
    if noted is None or noted.version != version or noted.state not in (Phase.STAGED, Phase.TRYING, Phase.KEPT):
        raise NotInstalled(version=version, why=(noted.why if noted else None) or Message(N_("it was cut off")))
    with progress.db.writing() as session:
        events.record(session, "upgrade.staged", N_("Version {version} is installed and waits for a restart."),
                      actor_id=progress.asked_by, version=version)  # fmt: skip
        if when == service.QUIET:
            service.plan_restart(session)
        elif when == service.NOW:
            service.start_restart_when_free(session, progress.asked_by)
    return {"version": version}


def _follow(progress: Progress, version: str, low: int) -> Attempt | None:
    """Tell how far root is, until it has ended one way or the other."""
    stage = Message(N_("Writing version {version} beside the one that runs"), {"version": version})
    while True:
        noted = attempt.read(progress.places.upgrade)
        if noted is None or noted.version != version or noted.state is not Phase.INSTALLING:
            return noted
        if not progress.broker("upgrade.status", {})["busy"]:
            again = attempt.read(progress.places.upgrade)
            return again if again != noted else None
        written = service.percent_written(progress.places)
        progress.step(stage, written, 100, unit="percent", share=(low, 100))
        time.sleep(LOOK_EVERY_S)


def _fetch(progress: Progress, address: str) -> str:
    """Bring a bundle from an address; the name of what arrived.  What was cut off goes on where it stopped."""
    for tried in range(FETCH_AGAIN):
        try:
            return _fetch_once(progress, address)
        except (fetching.Endless, fetching.Elsewhere, fetching.NotThere):
            raise
        except fetching.NotFetched:
            if tried == FETCH_AGAIN - 1:
                raise
            progress.wait(2**tried)
    raise AssertionError("unreachable")


def _fetch_once(progress: Progress, address: str) -> str:
    path = incoming.folder(progress.places) / "fetching"
    since = path.stat().st_size if progress.checkpoint.get("fetching") == address and path.exists() else 0
    if not since:
        incoming.clear(progress.places)
        path.unlink(missing_ok=True)
        progress.keep(fetching=address)
    stage = Message(N_("Fetching the new version from {host}"), {"host": fetching.check(address).hostname})
    arrived, total = since, 0
    with path.open("ab") as file:

        def begin(answer: Answer) -> None:
            nonlocal arrived, total
            if answer.size is not None:
                incoming.check_size(progress.places, answer.size)
            arrived, total = answer.begins, answer.size or 0
            file.truncate(arrived)

        def take(block: bytes) -> None:
            nonlocal arrived
            file.write(block)
            arrived += len(block)
            progress.step(stage, arrived, max(total, arrived), share=(0, FETCHED))

        fetching.fetch(address, take, most=place.LARGEST, begin=begin, since=since)
    return incoming.adopt(progress.places, path)


@job_kind(service.RESTART, N_("Restart into the new version"))
def restart(progress: Progress, *, now: bool = False) -> dict[str, Any]:
    """Have root restart the station when nothing is in the way; what was planned for a night waits for the next."""
    progress.step(N_("Getting ready to restart"))
    noted = attempt.read(progress.places.upgrade)
    if noted is None or noted.state is not Phase.STAGED:
        with progress.db.writing() as session:
            schedule.remove(session, service.RESTART)
        return {"restarts": False}
    if not now:
        with progress.db.reading() as session:
            checks.quiet(datetime.now(UTC), schedule.time_zone_name(session), _hour(session))
    _wait_for_drives(progress, checks.WINDOW.total_seconds() if not now else PATIENCE_S)
    checks.settled()
    with progress.db.writing() as session:
        template = N_("The station restarts into version {version}.")
        events.record(session, "upgrade.restart", template, actor_id=progress.asked_by, version=noted.version)
        standing.note(session, progress.places)
    progress.broker("upgrade.restart", {})
    return {"restarts": True}


def _wait_for_drives(progress: Progress, seconds: float) -> None:
    """Until no job holds one.  Raises DriveHeld when that takes too long."""
    end = time.monotonic() + seconds
    while True:
        try:
            return checks.no_drive_held(progress.places)
        except DriveHeld:
            if time.monotonic() > end:
                raise
        progress.step(N_("Waiting until no drive is used"))
        progress.wait(2)


def _hour(session: Any) -> int:
    hour: int = plugin.options(session, service.NAME)["quiet_hour"]
    return hour
