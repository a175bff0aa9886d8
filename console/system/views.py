"""System: one page that leads to everything about the station itself.  Only admins come here."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import current_app, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from sqlalchemy.orm import Session

from appliance import BUILT, VERSION, plugin
from appliance.db import now
from appliance.health import service as health_service
from appliance.health.models import Severity
from appliance.jobs import schedule
from console.access import admin_only
from console.shell import show
from console.station import station
from console.system import health, history, keys, plugins, schedules, settings
from console.system.room import blueprint
from console.translate import moment, say

__all__ = ["blueprint", "health", "history", "keys", "plugins", "schedules", "settings"]


@dataclass(frozen=True)
class Section:
    """One place to go to: its picture, its name, and one sentence about how it stands."""

    address: str
    icon: str
    title: str
    words: str
    mood: str = ""  # warn, danger


@blueprint.get("/")
@admin_only
def page() -> ResponseReturnValue:
    """Where everything is."""
    with station().db.reading() as session:
        sections = [_health(session), _schedules(session), *_others(session), *_of_plugins()]
    return show("system/page.html", "sections", sections=sections)


def _health(session: Session) -> Section:
    issues = health_service.issues(session)
    words, mood = gettext("Nothing needs you."), ""
    if issues:
        words = ngettext("%(num)s thing to look at", "%(num)s things to look at", len(issues))
        mood = "danger" if issues[0].severity is Severity.DANGER else "warn"
    return Section(url_for("system.health_page"), "heart-pulse", gettext("Health"), words, mood)


def _schedules(session: Session) -> Section:
    coming = next((s for s in schedule.listing(session) if s.next_due), None)
    words = gettext("Nothing starts by itself.")
    if coming is not None:
        words = gettext("Next: %(what)s, %(when)s", what=say(coming.title), when=moment(coming.next_due))
    return Section(url_for("system.schedules_page"), "calendar", gettext("Schedules"), words)


def _others(session: Session) -> list[Section]:
    manifests = plugin.found().values()
    on = sum(plugin.is_enabled(session, manifest) for manifest in manifests)
    broken = plugins.with_errors(session)
    return [
        Section(url_for("system.settings_page"), "settings", gettext("Settings"), gettext("How the station behaves")),
        Section(
            url_for("system.plugins_page"),
            "puzzle",
            gettext("Plugins"),
            gettext("%(on)s of %(all)s switched on", on=on, all=len(manifests)),
            "warn" if broken else "",
        ),
        Section(
            url_for("safe_line.page"),
            "lock",
            gettext("A safe line"),
            gettext("Nobody in the network can read along (https)"),
        ),
        Section(url_for("system.history_page"), "scroll-text", gettext("History"), gettext("Who did what, and when")),
        Section(
            url_for("system.keys_page"),
            "key-round",
            gettext("Programs and keys"),
            gettext("Let your own programs talk to the station"),
        ),
        Section(
            url_for("system.about_page"),
            "info",
            gettext("About"),
            gettext("Version %(version)s, licence, number of this station", version=VERSION),
        ),
    ]


def _of_plugins() -> list[Section]:
    """The pages that plugins bring along."""
    addresses = {rule.rule for rule in current_app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    return [
        Section(f"/plugins/{name}/", "puzzle", say(manifest.title), say(manifest.description))
        for name, manifest in plugin.found().items()
        if f"/plugins/{name}/" in addresses
    ]


@blueprint.get("/about")
@admin_only
def about_page() -> ResponseReturnValue:
    """What this station is."""
    import platform

    with station().db.reading() as session:
        zone = schedule.time_zone_name(session)
    return show(
        "system/about.html",
        "",
        version=VERSION,
        built=datetime.fromisoformat(BUILT).replace(tzinfo=UTC),
        station_id=station().identity.station_id,
        up=time.clock_gettime(time.CLOCK_BOOTTIME),
        clock=now(),
        zone=zone,
        machine=f"{platform.system()} {platform.release()} ({platform.machine()})",
        python=platform.python_version(),
    )
