"""Finding, enabling and calling plugins.

A plugin is a folder ``plugins/<name>/`` or a Python package with an ``everpx.plugins`` entry point; either holds
``plugin.toml`` (facts, readable without importing anything) and ``hooks.py`` (behaviour).  Every implementation is
called through a guard: one that raises is reported, left out of the result, and after three failures in a row
rested until the next start.  A failing plugin never takes the station down.
"""

import importlib
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy
from sqlalchemy import JSON
from sqlalchemy.orm import Mapped, Session, mapped_column

from appliance import hookspecs
from appliance.db import Base, Database, ShortText, is_the_disk
from appliance.errors import ApplianceError, Invalid, NotFound
from appliance.manifest import FOLDER, Manifest
from appliance.manifest import found as found
from appliance.places import Places
from appliance.words import N_, Message

if TYPE_CHECKING:
    from appliance.broker.client import Broker

log = logging.getLogger("everpx.plugin")
T = TypeVar("T")
REST_AFTER = 3  # failures in a row


class PluginRow(Base):
    """What an admin decided about a plugin; no row means its manifest's ``enabled`` holds."""

    __tablename__ = "plugin"
    name: Mapped[str] = mapped_column(ShortText, primary_key=True)
    enabled: Mapped[bool]
    options: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    last_error: Mapped[str] = mapped_column(default="")


@dataclass
class Loaded:
    """The plugins of this process."""

    manager: pluggy.PluginManager
    wanted: frozenset[str] = frozenset()  # enabled when this process started
    failures: dict[str, int] = field(default_factory=dict)
    report: Callable[[str, str], None] = lambda name, why: None


_loaded: Loaded | None = None


def load(db: Database) -> Loaded:
    """Import the hooks of every enabled plugin; one that cannot be imported is reported, not raised."""
    global _loaded
    manager = pluggy.PluginManager("everpx")
    manager.add_hookspecs(hookspecs)
    with db.reading() as session:
        wanted = [m for m in found().values() if is_enabled(session, m)]
        strangers = [m for m in wanted if not m.is_ours and session.get(PluginRow, m.name) is None]
    if strangers:
        with db.writing() as session:
            for manifest in strangers:
                _row(session, manifest)  # so that it is missed when it is removed
    _loaded = Loaded(manager, frozenset(m.name for m in wanted), report=partial(_report, db))
    for manifest in wanted:
        try:
            manager.register(importlib.import_module(f"{manifest.module}.hooks"), name=manifest.name)
            manager.check_pending()
        except (Exception, SystemExit) as error:
            log.exception("plugin %s cannot be loaded", manifest.name)
            if manager.has_plugin(manifest.name):
                manager.unregister(name=manifest.name)
            _report(db, manifest.name, f"{type(error).__name__}: {error}")
    return _loaded


def _report(db: Database, name: str, why: str) -> None:
    """Store a plugin's error from a thread of its own: the caller may hold the write lock."""

    def write() -> None:
        with db.writing() as session:
            row = session.get(PluginRow, name) or PluginRow(name=name, enabled=True, options={})
            row.last_error = why
            session.add(row)

    threading.Thread(target=write, name=f"report on {name}").start()


def is_answered(hook: str) -> bool:
    """Whether any enabled plugin implements a hook."""
    return _loaded is not None and bool(getattr(_loaded.manager.hook, hook).get_hookimpls())


def call(hook: str, **arguments: Any) -> list[Any]:
    """Every enabled plugin's answer to a hook, without those that raised; [] before :func:`load`."""
    return [answer for _, answer in call_named(hook, **arguments)]


def call_named(hook: str, **arguments: Any) -> list[tuple[str, Any]]:
    """Like :func:`call`, each answer with its plugin's name."""
    if _loaded is None:
        return []
    answers = []
    for implementation in reversed(getattr(_loaded.manager.hook, hook).get_hookimpls()):
        name = implementation.plugin_name
        if _loaded.failures.get(name, 0) >= REST_AFTER:
            continue
        given = {key: arguments[key] for key in implementation.argnames}
        try:
            with given["session"].begin_nested() if "session" in given else nullcontext():
                answer = implementation.function(**given)
                answer = list(answer) if isinstance(answer, Iterator) else answer
            answers.append((name, answer))
            _loaded.failures[name] = 0
        except (Exception, SystemExit) as error:
            log.exception("plugin %s failed in %s", name, hook)
            failed(name, f"{hook}: {type(error).__name__}: {error}", counts=not is_the_disk(error))
    return answers


def failed(name: str, why: str, counts: bool = True) -> None:
    """Note that a plugin failed: an admin sees it, and after three that count in a row the plugin rests."""
    if _loaded is not None:
        _loaded.failures[name] = _loaded.failures.get(name, 0) + counts
        _loaded.report(name, why)


def guarded(deed: Callable[[], T], otherwise: Callable[[], ApplianceError]) -> T:
    """What a plugin's object does outside a hook; what it did not foresee is logged and becomes an error in words."""
    try:
        return deed()
    except ApplianceError:
        raise
    except Exception as error:
        log.exception("a plugin failed")
        raise otherwise() from error


def import_modules(hook: str) -> None:
    """Import the modules that plugins name in answer to a hook; one that cannot be imported is reported."""
    for name, modules in call_named(hook):
        for module in modules or ():
            try:
                importlib.import_module(module)
            except (Exception, SystemExit) as error:
                log.exception("plugin %s has a broken module %s", name, module)
                failed(name, f"{module}: {type(error).__name__}: {error}")


def owner_of(module: str) -> Manifest | None:
    """The plugin from elsewhere that a module belongs to, by its dotted name."""
    package = module.partition(".")[0]
    return next((m for m in found().values() if m.module == package), None)


def may_call(name: str, word: str) -> bool:
    """Whether a plugin may give something this name; a stranger that may not is told so."""
    manifest = found().get(name)
    if manifest is None or manifest.owns(word):
        return True
    failed(name, f"{word} does not begin with {name}")
    return False


def is_missed(name: str) -> bool:
    """Whether this process was loaded without a plugin of this name: it is off, or no longer installed."""
    return _loaded is not None and name not in _loaded.wanted


def own_folder(places: Places, name: str) -> Path:
    """Where a plugin from elsewhere keeps files of its own; made if absent, gone with what else it left."""
    folder = places.data / FOLDER / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def missing_from_root(broker: "Broker") -> dict[str, Message]:
    """Why root does not serve a plugin from elsewhere, by name; {} where root is silent, of which health tells."""
    try:
        told = broker("plugins.elsewhere", {})
    except ApplianceError:
        return {}
    late = Message(N_("It was installed while the station ran. Restart the station."))
    unseen = {m.name: late for m in found().values() if m.verbs and not m.is_ours and m.name not in told["loaded"]}
    return unseen | {name: Message.from_json(why) for name, why in told["left_out"].items()}


def waits_for_restart(session: Session) -> bool:
    """Whether a plugin was switched on or off since this process started."""
    enabled = {m.name for m in found().values() if is_enabled(session, m)}
    return _loaded is not None and enabled != _loaded.wanted


def end_services_of_others(broker: "Broker", session: Session | None = None) -> None:
    """Have root end the programs of every plugin that is off; with ``session`` as the rows say, else as loaded."""
    if session is not None:
        on = {manifest.name for manifest in found().values() if is_enabled(session, manifest)}
    else:
        on = set(_loaded.wanted) if _loaded else set()
    broker("services.only", {"plugins": " ".join(sorted(on))})


def end_services(db: Database, broker: "Broker") -> bool:
    """After one was switched off: what root runs for it ends now.  False where root cannot be asked, the chores can."""
    try:
        with db.reading() as session:
            end_services_of_others(broker, session)
    except ApplianceError:
        return False
    return True


def is_enabled(session: Session, manifest: Manifest) -> bool:
    """Whether a plugin is on."""
    row = session.get(PluginRow, manifest.name)
    return manifest.enabled if row is None else row.enabled


def manifest_of(name: str) -> Manifest:
    """Raises NotFound."""
    try:
        return found()[name]
    except KeyError:
        raise NotFound(what="plugin") from None


def switch(session: Session, name: str, on: bool) -> None:
    """Enable or disable; takes effect in each process at its next start.  Raises NotFound or Invalid."""
    manifest = manifest_of(name)
    if on:
        for needed in map(manifest_of, manifest.requires):
            if not is_enabled(session, needed):
                raise Invalid({"enabled": Message(N_("Enable {plugin} first."), {"plugin": needed.title})})
    else:
        for other in found().values():
            if name in other.requires and is_enabled(session, other):
                raise Invalid(
                    {"enabled": Message(N_("{plugin} needs it. Disable that first."), {"plugin": other.title})}
                )
    row = _row(session, manifest)
    row.enabled, row.last_error = on, ""


def options(session: Session, name: str) -> dict[str, Any]:
    """A plugin's options as configured, defaults filled in."""
    manifest = manifest_of(name)
    row = session.get(PluginRow, name)
    stored = row.options if row else {}
    return {o.key: stored.get(o.key, o.default) for o in manifest.options}


def configure(session: Session, name: str, form: dict[str, str]) -> None:
    """Store a plugin's options from a form.  Raises Invalid with every problem."""
    manifest, values, problems = manifest_of(name), {}, {}
    for option in manifest.options:
        try:
            values[option.key] = option.parse(form.get(option.key))
        except ValueError as problem:
            problems[option.key] = Message(str(problem))
    if problems:
        raise Invalid(dict(problems))
    _row(session, manifest).options = values


def _row(session: Session, manifest: Manifest) -> PluginRow:
    row = session.get(PluginRow, manifest.name)
    if row is None:
        row = PluginRow(name=manifest.name, enabled=manifest.enabled, options={}, last_error="")
        session.add(row)
    return row
