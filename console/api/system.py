"""Settings, events, health and plugins by the API: an admin's."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from appliance import clock, events, leftovers, plugin, settings
from appliance.errors import Invalid, NotFound
from appliance.health import service as health
from appliance.health.models import Issue, Severity
from appliance.manifest import Manifest
from appliance.people.models import User
from appliance.web import certificate as https
from appliance.web import listening
from appliance.words import N_, Message
from console import anew
from console.access import admin_only, by, me, public
from console.api.routes import route
from console.station import station

MOST_EVENTS = 200


@dataclass(frozen=True)
class SettingView:
    """A setting; ``value`` is null when the stored one cannot be read."""

    key: str
    title: Message
    help: Message
    value: bool | int | str | None
    default: bool | int | str
    minimum: int | None
    maximum: int | None
    choices: list[str]
    unit: str


@dataclass(frozen=True)
class NewValue:
    """Of the kind that the setting's default has."""

    value: bool | int | str


@dataclass(frozen=True)
class EventView:
    """Something that happened; ``actor`` is the name of who did it, null for the station itself."""

    id: int
    at: datetime
    kind: str
    text: Message
    actor: str | None
    address: str


@dataclass(frozen=True)
class EventQuery:
    """``before``: only those older than this id; ``kind``: one kind, or a room with a dot (``people.``)."""

    before: int | None = None
    kind: str = ""
    limit: int = 50


@dataclass(frozen=True)
class GuideView:
    """A title and steps, in the order in which they are worth trying."""

    title: Message
    steps: list[Message]


@dataclass(frozen=True)
class IssueView:
    """Something wrong, what to do, the label of the button that may do it, and the guide for where none can."""

    id: int
    code: str
    subject: str
    severity: Severity
    text: Message
    hint: Message
    fix: Message | None
    guide: str | None
    first_seen: datetime
    quiet_until: datetime | None


@dataclass(frozen=True)
class Quiet:
    """For how long an issue is put aside; 0 brings it back."""

    days: int


@dataclass(frozen=True)
class FixAnswer:
    """What pressing the button said, if anything."""

    text: Message | None


@dataclass(frozen=True)
class CertificateView:
    """For whom it speaks and how long; ``good`` as far as the station's clock knows; ``authority`` as PEM."""

    names: list[str]
    addresses: list[str]
    since: datetime
    until: datetime
    good: bool
    fingerprint: str
    authority: str
    port: int | None


@dataclass(frozen=True)
class OptionView:
    """One thing to configure."""

    key: str
    title: str
    kind: str
    value: Any
    help: str


@dataclass(frozen=True)
class PluginView:
    """A plugin; switching it takes effect at the next start of the station."""

    name: str
    title: str
    description: str
    version: int
    enabled: bool
    last_error: str
    options: list[OptionView]


@dataclass(frozen=True)
class PluginLeft:
    """What there was of a plugin that is no longer installed."""

    name: str
    left: list[Message]


@dataclass(frozen=True)
class PluginChange:
    """Only what is sent is changed; an option that is left out keeps its value."""

    enabled: bool | None = None
    options: dict[str, bool | int | str] | None = None


@route("GET", "/settings", summary="Every setting", access=admin_only)
def list_settings() -> list[SettingView]:
    """By key."""
    with station().db.reading() as session:
        return [_setting_view(session, s) for _, s in sorted(settings.everything().items())]


@route("PUT", "/settings/<key>", summary="Change a setting", access=admin_only)
def change_setting(key: str, body: NewValue) -> SettingView:
    """The field at fault is named by the setting's key."""
    if key not in settings.everything():
        raise NotFound(what="setting")
    setting = settings.everything()[key]
    with station().db.writing() as session:
        setting.set(session, body.value)
        template = N_("The setting “{title}” was changed.")
        who = by()
        events.record(
            session,
            "settings.changed",
            template,
            actor_id=who.user_id,
            address=who.address,
            title=Message(setting.title),
        )
        session.flush()
        return _setting_view(session, setting)


def _setting_view(session: Any, setting: settings.Setting[Any]) -> SettingView:
    try:
        value = setting.get(session)
    except settings.UnreadableSetting:
        value = None
    choices = [choice for choice, _ in setting.choices]
    title, words = Message(setting.title), Message(setting.help)
    limits = setting.minimum, setting.maximum
    return SettingView(setting.key, title, words, value, setting.default, *limits, choices, setting.unit)


@route("GET", "/events", summary="What happened, newest first", access=admin_only)
def list_events(query: EventQuery) -> list[EventView]:
    """Page on with ``before`` = the last id of this page."""
    wanted = select(events.Event, User.name).outerjoin(User, User.id == events.Event.actor_id)
    if query.before is not None:
        wanted = wanted.where(events.Event.id < query.before)
    if query.kind.endswith("."):
        wanted = wanted.where(events.Event.kind.startswith(query.kind, autoescape=True))
    elif query.kind:
        wanted = wanted.where(events.Event.kind == query.kind)
    wanted = wanted.order_by(events.Event.id.desc()).limit(max(1, min(query.limit, MOST_EVENTS)))
    with station().db.reading() as session:
        return [EventView(e.id, e.at, e.kind, e.message, name, e.address) for e, name in session.execute(wanted)]


@route("GET", "/health", summary="What is wrong, the most dangerous first", access=admin_only)
def list_issues() -> list[IssueView]:
    """Also what was put aside."""
    with station().db.reading() as session:
        return [_issue_view(issue) for issue in health.issues(session, with_quiet=True)]


@route("GET", "/health/guides/<guide>", summary="Steps for what no button can fix", access=admin_only)
def guide(guide: str) -> GuideView:
    """As an issue names it."""
    found = health.guide_of(guide)
    if found is None:
        raise NotFound(what="guide")
    return GuideView(Message(found.title), [Message(step) for step in found.steps])


@route("POST", "/health/look", summary="Look at everything now", access=admin_only)
def look_now() -> None:
    """As a job; one look at a time is enough."""
    with station().db.writing() as session:
        health.look_soon(session, asked_by=me().id)


@route("POST", "/health/<int:issue_id>/fix", summary="Press an issue's button", access=admin_only)
def fix(issue_id: int) -> FixAnswer:
    """The issue goes at the next check, when the fix has worked."""
    here = station()
    with here.db.writing() as session:
        answer = FixAnswer(health.apply_fix(session, here.broker, here.places, issue_id))
        health.look_soon(session, asked_by=me().id)
        return answer


@route("PUT", "/health/<int:issue_id>/quiet", summary="Put an issue aside for some days", access=admin_only)
def quiet(issue_id: int, body: Quiet) -> IssueView:
    """A year at most."""
    with station().db.writing() as session:
        return _issue_view(health.quiet(session, issue_id, body.days))


def _issue_view(issue: Issue) -> IssueView:
    words, when = (issue.message, issue.hint, health.label_of(issue)), (issue.first_seen, issue.quiet_until)
    return IssueView(issue.id, issue.code, issue.subject, issue.severity, *words, issue.guide, *when)


@route("GET", "/certificate", summary="The certificate with which this station answers by https", access=public)
def certificate() -> CertificateView:
    """Not found while it has none.  ``authority`` is what a device has to trust; compare its fingerprint."""
    here = station()
    found = https.load(here.places)
    if found is None:
        raise NotFound(what="certificate")
    names, addresses, good = list(found.names), list(found.addresses), found.is_good(clock.read(here.places))
    port = listening.port(listening.encrypted())
    return CertificateView(names, addresses, found.since, found.until, good, found.fingerprint, found.authority, port)


@route("GET", "/plugins", summary="Every plugin", access=admin_only)
def list_plugins() -> list[PluginView]:
    """By name."""
    with station().db.reading() as session:
        return [_plugin_view(session, manifest) for manifest in plugin.found().values()]


@route("DELETE", "/plugins/<name>", summary="Remove what a plugin left that is no longer installed", access=admin_only)
def forget_plugin(name: str) -> PluginLeft:
    """Refused while it is installed; what happened (events) stays."""
    who, places = by(), station().places
    with station().db.writing() as session:
        left = leftovers.forget(session, places, name, actor_id=who.user_id, address=who.address)
    leftovers.sweep(places, name)
    return PluginLeft(left.name, list(left.lines()))


@route("PATCH", "/plugins/<name>", summary="Enable, disable or configure a plugin", access=admin_only)
def change_plugin(name: str, body: PluginChange) -> PluginView:
    """All of it or none; what a plugin has running ends when it is switched off."""
    manifest = plugin.manifest_of(name)
    with station().db.writing() as session:
        if body.options is not None:
            plugin.configure(session, name, _as_form(manifest, plugin.options(session, name), body.options))
        if body.enabled is not None:
            plugin.switch(session, name, body.enabled)
        session.flush()
        view = _plugin_view(session, manifest)
    if body.enabled is False:
        plugin.end_services(station().db, station().broker)
    return view


@route("POST", "/console/restart", summary="Start the console anew", access=admin_only, status=202)
def restart_console() -> None:
    """So that a plugin that was switched on or off comes or goes; the console is back within some seconds.

    Refused where nobody would start it again.
    """
    anew.start()


def _as_form(manifest: Manifest, stored: dict[str, Any], given: dict[str, Any]) -> dict[str, str]:
    """Options as the form would send them: one checker serves both."""
    if unknown := set(given) - {option.key for option in manifest.options}:
        raise Invalid({f"options.{key}": N_("There is no such option.") for key in unknown})
    merged = stored | given
    return {
        key: {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)
        for key, value in merged.items()
    }


def _plugin_view(session: Any, manifest: Manifest) -> PluginView:
    row = session.get(plugin.PluginRow, manifest.name)
    values = plugin.options(session, manifest.name)
    options = [OptionView(o.key, o.title, o.kind, values[o.key], o.help) for o in manifest.options]
    facts = manifest.name, manifest.title, manifest.description, manifest.version
    return PluginView(*facts, plugin.is_enabled(session, manifest), row.last_error if row else "", options)
