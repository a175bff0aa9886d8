"""Plugins: which there are, on or off, what they can be told, and what went wrong with them last.

A switch takes effect when a process starts.  Jobs and chores are new processes each time; the console itself has to be
started anew, which it does on request: whoever runs it (systemd, the launcher) starts it again within a second or two.
"""

from dataclasses import dataclass
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from appliance import events, leftovers, plugin
from appliance.errors import ApplianceError, Conflict
from appliance.manifest import BROKEN, Manifest
from appliance.plugin import PluginRow
from appliance.words import N_, Message
from console import anew
from console.access import admin_only, by
from console.shell import done, problems_of, show
from console.station import station
from console.system.room import blueprint
from console.translate import say


@dataclass(frozen=True)
class Found:
    """A plugin as the page shows it."""

    manifest: Manifest
    enabled: bool
    last_error: str


@blueprint.get("/plugins")
@admin_only
def plugins_page() -> ResponseReturnValue:
    """Every plugin that is there, and those that cannot be read."""
    return _list({}, 200)


def _list(problems: dict[str, str], status: int) -> ResponseReturnValue:
    with station().db.reading() as session:
        found = [_found(session, manifest) for manifest in plugin.found().values()]
        waiting = plugin.waits_for_restart(session)
        places = station().places
        absent = [leftovers.left_by(session, places, name) for name in leftovers.absent(session, places)]
    return show(
        "system/plugins.html",
        "plugins",
        status,
        found=found,
        broken=BROKEN,
        absent=absent,
        rootless=plugin.missing_from_root(station().broker),
        waiting=waiting,
        can_restart=anew.is_possible(),
        problems=problems,
    )


def _found(session: Session, manifest: Manifest) -> Found:
    row = session.get(PluginRow, manifest.name)
    return Found(manifest, plugin.is_enabled(session, manifest), row.last_error if row else "")


def with_errors(session: Session) -> int:
    """How many plugins do not work."""
    noted = select(func.count()).select_from(PluginRow).where(PluginRow.last_error != "", PluginRow.enabled)
    return (session.scalar(noted) or 0) + len(BROKEN)


@blueprint.post("/plugins/<name>/switch")
@admin_only
def switch_plugin(name: str) -> ResponseReturnValue:
    """On or off."""
    on = request.form.get("on") == "1"
    manifest = plugin.manifest_of(name)
    try:
        with station().db.writing() as session:
            plugin.switch(session, name, on)
            template = (
                N_("The plugin “{plugin}” was switched on.") if on else N_("The plugin “{plugin}” was switched off.")
            )
            _record(session, template, manifest)
    except ApplianceError as error:
        return _list({"": " ".join(problems_of(error).values())}, error.status)
    title = say(manifest.title)
    if on:
        words = gettext("%(plugin)s is switched on.", plugin=title)
    elif not manifest.services:
        words = gettext("%(plugin)s is switched off.", plugin=title)
    elif plugin.end_services(station().db, station().broker):
        words = gettext("%(plugin)s is switched off. Nobody is served by it any more, from this moment.", plugin=title)
    else:
        words = gettext("%(plugin)s is switched off. What still runs for it ends within half an hour.", plugin=title)
    return done(words, "system.plugins_page")


@blueprint.post("/plugins/<name>/forget")
@admin_only
def forget_plugin(name: str) -> ResponseReturnValue:
    """Remove what one left that is no longer installed."""
    who = by()
    try:
        with station().db.writing() as session:
            leftovers.forget(session, station().places, name, actor_id=who.user_id, address=who.address)
        leftovers.sweep(station().places, name)
    except Conflict as error:
        return _list({"": f"{say(error.message)} {say(error.hint)}"}, error.status)
    return done(gettext("What %(plugin)s left was removed.", plugin=name), "system.plugins_page")


@blueprint.get("/plugins/<name>")
@admin_only
def plugin_page(name: str) -> ResponseReturnValue:
    """One plugin: what it is, and what it can be told."""
    with station().db.reading() as session:
        return _one(session, plugin.manifest_of(name), plugin.options(session, name), {}, 200)


def _one(
    session: Session, manifest: Manifest, typed: dict[str, Any], problems: dict[str, str], status: int
) -> ResponseReturnValue:
    one = _found(session, manifest)
    return show("system/plugin.html", "form", status, one=one, manifest=manifest, typed=typed, problems=problems)


@blueprint.post("/plugins/<name>")
@admin_only
def configure_plugin(name: str) -> ResponseReturnValue:
    """Tell a plugin what it should do."""
    manifest = plugin.manifest_of(name)
    try:
        with station().db.writing() as session:
            plugin.configure(session, name, request.form.to_dict())
            _record(session, N_("The plugin “{plugin}” was set up anew."), manifest)
    except ApplianceError as error:
        with station().db.reading() as session:
            return _one(session, manifest, request.form.to_dict(), problems_of(error), error.status)
    return done(gettext("Saved."), "system.plugins_page")


def _record(session: Session, template: str, manifest: Manifest) -> None:
    who = by()
    title = Message(manifest.title)
    events.record(session, "plugin.changed", template, actor_id=who.user_id, address=who.address, plugin=title)


@blueprint.post("/plugins/restart")
@admin_only
def restart_console() -> ResponseReturnValue:
    """Start the console anew; what nobody would start again is left running."""
    try:
        anew.start()
    except anew.NobodyStartsIt as error:
        return done(say(error.message), "system.plugins_page")
    return done(gettext("The console starts anew. Reload this page in a few seconds."), "system.plugins_page")
