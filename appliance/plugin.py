"""Finding, enabling and calling plugins.

A plugin is a folder ``plugins/<name>/`` or a Python package with an ``everpx.plugins`` entry point; either holds
``plugin.toml`` (facts, readable without importing anything) and ``hooks.py`` (behaviour).  Every implementation is
called through a guard: one that raises is reported, left out of the result, and after three failures in a row
rested until the next start.  A failing plugin never takes the station down.
"""

import importlib
import importlib.util
import logging
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy
from sqlalchemy import JSON
from sqlalchemy.orm import Mapped, Session, mapped_column

from appliance import hookspecs
from appliance.db import Base, Database, ShortText
from appliance.errors import ApplianceError, Invalid, NotFound
from appliance.words import N_, Message

if TYPE_CHECKING:
    from appliance.broker.client import Broker

log = logging.getLogger("everpx.plugin")
T = TypeVar("T")
GROUP = "everpx.plugins"
FOLDER = "plugins"
REST_AFTER = 3  # failures in a row
KINDS = {"text": str, "number": int, "switch": bool}


class PluginRow(Base):
    """What an admin decided about a plugin; no row means its manifest's ``enabled`` holds."""

    __tablename__ = "plugin"
    name: Mapped[str] = mapped_column(ShortText, primary_key=True)
    enabled: Mapped[bool]
    options: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    last_error: Mapped[str] = mapped_column(default="")


class BadManifest(ApplianceError):
    """A ``plugin.toml`` that cannot be used."""

    code, template = "bad_plugin_manifest", N_("The plugin “{name}” cannot be used: {why}.")


@dataclass(frozen=True)
class Option:
    """One thing to configure, declared as ``[options.<key>]``."""

    key: str
    title: str
    kind: str  # text, number, switch
    default: Any
    help: str = ""
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()

    def parse(self, given: str | None) -> Any:
        """A form's text as this option's value.  Raises ValueError with a sentence."""
        if self.kind == "switch":
            return (given or "off").strip().lower() not in {"off", "0", "no", "false"}
        text = (given or "").strip()
        if self.kind == "number":
            try:
                number = int(text)
            except ValueError:
                raise ValueError(N_("Enter a whole number.")) from None
            if (self.minimum is not None and number < self.minimum) or (
                self.maximum is not None and number > self.maximum
            ):
                raise ValueError(N_("This number is out of range."))
            return number
        if self.choices and text not in self.choices:
            raise ValueError(N_("Choose one of the listed values."))
        return text


@dataclass(frozen=True)
class Manifest:
    """``plugin.toml``: what the image build, the licence check and the broker need to know."""

    name: str
    module: str
    title: str
    description: str
    version: int
    tier: str = "free"
    enabled: bool = False  # at first
    requires: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()


@dataclass
class Loaded:
    """The plugins of this process."""

    manager: pluggy.PluginManager
    wanted: frozenset[str] = frozenset()  # enabled when this process started
    failures: dict[str, int] = field(default_factory=dict)
    report: Callable[[str, str], None] = lambda name, why: None


_loaded: Loaded | None = None
BROKEN: dict[str, str] = {}  # plugins whose manifest cannot be used, and why


@cache
def found() -> dict[str, Manifest]:
    """Every plugin that is there, by name; one with a broken manifest is logged and left out."""
    manifests = {}
    for name, module in _candidates():
        try:
            manifests[name] = read_manifest(name, module, folder_of(module) / "plugin.toml")
        except Exception as error:  # a stranger's package may be broken in any way
            log.exception("plugin %s cannot be used", name)
            BROKEN[name] = f"{type(error).__name__}: {error}"
    return dict(sorted(manifests.items()))


def _candidates() -> Iterator[tuple[str, str]]:
    """(name, package) of what is installed; of two with one name the later counts, so ours come last."""
    for point in entry_points(group=GROUP):
        yield point.name, point.module
    for place in folder_of(FOLDER).iterdir():
        if (place / "plugin.toml").is_file():
            yield place.name, f"{FOLDER}.{place.name}"


def folder_of(package: str) -> Path:
    """Where a package lies, without running any of its code.  Raises ImportError when it is not there."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"no package {package}")
    return Path(next(iter(spec.submodule_search_locations)))


def read_manifest(name: str, module: str, source: Path) -> Manifest:
    """Parse and check one ``plugin.toml``.  Raises BadManifest naming the key."""
    try:
        facts = tomllib.loads(source.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadManifest(name=name, why=str(error)) from None
    options = []
    for key, given in facts.pop("options", {}).items():
        if not isinstance(given, dict):
            raise BadManifest(name=name, why=f"options.{key} is not a table")
        kind = given.setdefault("kind", "text")
        if kind not in KINDS or type(given.get("default")) is not KINDS[kind] or "title" not in given:
            raise BadManifest(name=name, why=f"options.{key} needs title, kind and a default of that kind")
        given["choices"] = tuple(given.get("choices", ()))
        try:
            options.append(Option(key=key, **given))
        except TypeError as error:
            raise BadManifest(name=name, why=f"options.{key}: {error}") from None
    for key in ("requires", "packages", "services", "verbs"):
        facts[key] = tuple(facts.get(key, ()))
    try:
        return Manifest(name=name, module=module, options=tuple(options), **facts)
    except TypeError as error:
        raise BadManifest(name=name, why=str(error)) from None


def load(db: Database) -> Loaded:
    """Import the hooks of every enabled plugin; one that cannot be imported is reported, not raised."""
    global _loaded
    manager = pluggy.PluginManager("everpx")
    manager.add_hookspecs(hookspecs)
    with db.reading() as session:
        wanted = [m for m in found().values() if is_enabled(session, m)]
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
            failed(name, f"{hook}: {type(error).__name__}: {error}")
    return answers


def failed(name: str, why: str) -> None:
    """Note that a plugin failed: an admin sees it, and after three in a row the plugin rests."""
    if _loaded is not None:
        _loaded.failures[name] = _loaded.failures.get(name, 0) + 1
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
