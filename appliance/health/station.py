"""Checks of the station itself: its database, its own disk, its clock, its settings, its plugins, its processes."""

import contextlib
import json
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance import clock, manifest, plugin, recovery, settings
from appliance.broker.client import Broker
from appliance.errors import ApplianceError, BrokerUnavailable, RefusedByRoot
from appliance.health import database
from appliance.health.models import Severity
from appliance.health.service import Check, Finding, HealthContext, fix
from appliance.jobs.models import Job, JobState
from appliance.places import Places
from appliance.plugin import PluginRow
from appliance.words import N_, Message

LOW_BYTES = 200 * 1000 * 1000  # of the station's own disk
VERY_LOW_BYTES = 50 * 1000 * 1000
WAITING_LONG = timedelta(minutes=10)


def database_damaged(context: HealthContext) -> Iterable[Finding]:
    """What the weekly reading of the whole database found."""
    last = database.last_check(context.places)
    if last is not None and last["problem"]:
        yield Finding(
            code="database_damaged",
            severity=Severity.DANGER,
            message=Message(N_("The station's own database is damaged.")),
            hint=Message(
                N_(
                    "Photos and files are not touched by this. Restart the station: it then goes back to the "
                    "newest good copy of its database. The card or disk it runs from may be wearing out."
                )
            ),
            guide="restart",
        )


def database_restored(context: HealthContext) -> Iterable[Finding]:
    """Tell of a recovery until somebody has read it."""
    try:
        told = json.loads(recovery.report_path(context.places).read_text())
    except (OSError, ValueError):
        return
    yield Finding(
        code="database_restored",
        severity=Severity.WARNING,
        message=Message(
            N_("The station's database could not be used, so a copy took its place. The copy knows all until {known}."),
            {"known": str(told.get("known") or "?")},
        ),
        hint=Message(
            N_(
                "Photos and files are all there; those that came later are found again by themselves. Check people "
                "and settings that were changed since. The old database is kept as {kept}."
            ),
            {"kept": str(told.get("kept") or "–")},
        ),
        fix="station.recovery_read",
    )


@fix("station.recovery_read", N_("I have read this"))
def recovery_read(session: Session, broker: Broker, places: Places) -> None:
    """The report is no longer shown; the old database stays."""
    recovery.report_path(places).unlink(missing_ok=True)


def own_disk_full(context: HealthContext) -> Iterable[Finding]:
    """The disk that the station itself runs from."""
    free = shutil.disk_usage(context.places.data).free
    if free < LOW_BYTES:
        yield Finding(
            code="own_disk_full",
            severity=Severity.DANGER if free < VERY_LOW_BYTES else Severity.WARNING,
            message=Message(N_("The station's own disk is nearly full: {free_bytes} free."), {"free_bytes": free}),
            hint=Message(
                N_(
                    "Photos do not lie there and are safe, but the station cannot note what it does. Restart it; "
                    "if that does not help, use a larger card."
                )
            ),
            guide="own_room",
        )


def clock_wrong(context: HealthContext) -> Iterable[Finding]:
    """A box without a clock battery, before it has asked the network for the time."""
    if clock.read(context.places).is_wrong:
        yield Finding(
            code="clock_wrong",
            severity=Severity.WARNING,
            message=Message(N_("The station's clock is wrong, so nothing starts by schedule.")),
            hint=Message(N_("It is set from the internet: check the network cable. You can start a backup by hand.")),
            guide="clock",
        )


def unreadable_settings(context: HealthContext) -> Iterable[Finding]:
    """Stored values that do not fit their declaration."""
    known = settings.everything()
    for row in context.session.scalars(select(settings.SettingRow)):
        setting = known.get(row.key)
        if setting is not None and setting.problem(row.value) is not None:
            yield Finding(
                code="setting_unreadable",
                severity=Severity.WARNING,
                subject=row.key,
                message=Message(N_("The stored value of “{title}” cannot be read."), {"title": Message(setting.title)}),
                hint=Message(N_("Open Settings and choose it again; until then nothing that depends on it runs.")),
                guide="setting",
            )


def broken_plugins(context: HealthContext) -> Iterable[Finding]:
    """Plugins that raised, and those that cannot even be read."""
    manifests = plugin.found()
    broken = {name: name for name in manifest.BROKEN}
    for row in context.session.scalars(select(PluginRow).where(PluginRow.last_error != "")):
        if row.name in manifests and plugin.is_enabled(context.session, manifests[row.name]):
            broken[row.name] = manifests[row.name].title
    for name, title in broken.items():
        yield Finding(
            code="plugin_failed",
            severity=Severity.WARNING,
            subject=name,
            message=Message(N_("The plugin “{plugin}” does not work."), {"plugin": Message(title)}),
            hint=Message(
                N_("Everything else goes on without it. Under System you can read why, or switch it off and on again.")
            ),
            fix="station.disable_plugin" if name in manifests else None,
            fix_arguments={"name": name} if name in manifests else {},
            guide="plugin",
        )


@fix("station.disable_plugin", N_("Switch it off"))
def disable_plugin(session: Session, broker: Broker, places: Places, *, name: str) -> None:
    """What root runs for it ends now; each process leaves it out from its next start on, until then it rests."""
    plugin.switch(session, name, on=False)
    with contextlib.suppress(ApplianceError):  # then the chores see to it
        plugin.end_services_of_others(broker, session)


def root_silent(context: HealthContext) -> Iterable[Finding]:
    """The part that runs as root does not answer.  Asking for an unknown verb is the smallest call there is."""
    try:
        context.broker("station.are_you_there", {})
    except RefusedByRoot:
        return
    except BrokerUnavailable as error:
        yield Finding(
            code="root_silent",
            severity=Severity.DANGER,
            message=error.message,
            hint=Message(error.hint),
            guide="restart",
        )


def services_down(context: HealthContext) -> Iterable[Finding]:
    """Programs of plugins that are on, which root should keep running and which do not run."""
    manifests = plugin.found()
    for one in context.broker("services.state", {})["services"]:
        facts = manifests.get(one["plugin"])
        if one["running"] or facts is None or not plugin.is_enabled(context.session, facts):
            continue
        yield Finding(
            code="service_down",
            severity=Severity.WARNING,
            subject=one["name"],
            message=Message(N_("“{plugin}” does not run."), {"plugin": Message(facts.title)}),
            hint=Message(N_("Everything else goes on. Start it again; if it stops once more, restart the station.")),
            fix="station.start_service",
            guide="restart",
            fix_arguments={"name": one["name"]},
        )


@fix("station.start_service", N_("Start it again"))
def start_service(session: Session, broker: Broker, places: Places, *, name: str) -> None:
    """Have root start a plugin's program anew.  Raises what root answers when it does not start."""
    broker("services.again", {"name": name})


def jobs_not_started(context: HealthContext) -> Iterable[Finding]:
    """Work that waits although nothing holds it up: the part that starts it is gone."""
    before = datetime.now(UTC) - WAITING_LONG
    waiting = context.session.scalar(select(Job.id).where(Job.state == JobState.WAITING, Job.created < before).limit(1))
    running = context.session.scalar(select(Job.id).where(Job.state == JobState.RUNNING).limit(1))
    if waiting is not None and running is None:
        yield Finding(
            code="jobs_not_started",
            severity=Severity.WARNING,
            message=Message(N_("Work is waiting and nobody starts it.")),
            hint=Message(N_("Stored files are safe and can be opened. Restart the station to go on with backups.")),
            guide="restart",
        )


CHECKS = [
    Check("station.database", database_damaged, N_("The station's database")),
    Check("station.recovery", database_restored, N_("Recovered from a copy")),
    Check("station.own_disk", own_disk_full, N_("The station's own disk")),
    Check("station.clock", clock_wrong, N_("The clock")),
    Check("station.settings", unreadable_settings, N_("Stored settings")),
    Check("station.plugins", broken_plugins, N_("Plugins")),
    Check("station.root", root_silent, N_("The part that handles drives")),
    Check("station.services", services_down, N_("Programs that plugins need")),
    Check("station.jobs", jobs_not_started, N_("The part that does the work")),
]
