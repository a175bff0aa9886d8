"""Which plugins are there, and their ``plugin.toml``: facts, readable without running any of their code."""

import importlib.util
import logging
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from appliance import packages
from appliance.errors import ApplianceError
from appliance.words import N_

log = logging.getLogger("everpx.plugin")
FOLDER = "plugins"
KINDS = {"text": str, "number": int, "switch": bool}
TYPES = {"title": str, "description": str, "version": int, "tier": str, "enabled": bool}


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

    @property
    def is_ours(self) -> bool:
        """Whether it comes with Everpx."""
        return self.module.startswith(f"{FOLDER}.")

    def owns(self, word: str) -> bool:
        """Whether this plugin may call something so: what a stranger declares begins with its own name."""
        return self.is_ours or word == self.name or word.startswith(f"{self.name}.")


BROKEN: dict[str, str] = {}  # plugins whose manifest cannot be used, and why


@cache
def found() -> dict[str, Manifest]:
    """Every plugin that is there, by name; one that cannot be used is logged, left out, and in BROKEN."""
    manifests = {}
    for point in packages.installed():
        try:
            if point.problem:
                raise BadManifest(name=point.package, why=point.problem)
            manifests[point.name] = _read(point.name, point.package)
        except Exception as error:  # a stranger's package may be broken in any way
            log.exception("plugin %s cannot be used", point.name)
            BROKEN[point.package if point.problem else point.name] = f"{type(error).__name__}: {error}"
    for place in folder_of(FOLDER).iterdir():
        if (place / "plugin.toml").is_file():
            manifests[place.name] = _read(place.name, f"{FOLDER}.{place.name}")
    return dict(sorted(manifests.items()))


def _read(name: str, module: str) -> Manifest:
    return read_manifest(name, module, folder_of(module) / "plugin.toml")


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
    for key, kind in TYPES.items():
        if type(facts.get(key, kind())) is not kind:
            raise BadManifest(name=name, why=f"{key} is not of the right kind")
    try:
        return Manifest(name=name, module=module, options=tuple(options), **facts)
    except TypeError as error:
        raise BadManifest(name=name, why=str(error)) from None
