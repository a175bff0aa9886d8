"""Root's side of plugins that are packages of their own (docs/plugins.md, “From elsewhere”).

The rule: root loads a package's ``privileged.py`` when nobody but root can have put it there.  So installing one as
root is the act of trust, and whoever takes over the station's own user wins nothing.  Each that is left out is told of
in words, in the log and by the verb ``plugins.elsewhere``; whatever one does while it is loaded, the daemon goes on.
"""

import importlib
import logging
import os
import pwd
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path

from appliance.broker import protocol, services
from appliance.broker.contract import forbidden
from appliance.broker.elsewhere import folders_of
from appliance.errors import ApplianceError
from appliance.packages import Point
from appliance.words import N_, Message

log = logging.getLogger("everpx.broker")


class LeftOut(ApplianceError):
    """Why root does not load a stranger's side."""

    code, template = "root_side_left_out", N_("{why}")


def load(point: Point) -> Message | None:
    """Take its verbs in; None, or why not."""
    try:
        check(point)
        listed = tomllib.loads((point.folder / "plugin.toml").read_text(encoding="utf-8")).get("verbs", [])
        _import(point, set(listed))
    except LeftOut as error:
        why = error.message
    except (Exception, SystemExit) as error:  # whatever a stranger's code does when it is imported
        log.exception("root's side of the plugin %s", point.name)
        why = Message(N_("It fails when it is loaded ({why})."), {"why": f"{type(error).__name__}: {error}"})
    else:
        return None
    log.error("root's side of the plugin %s is not loaded: %s", point.name, why)
    return why


def check(point: Point) -> None:
    """Whether nobody but root can have written any of it, and it imports only what root may have.  Raises LeftOut."""
    if folders_of(point) != [point.folder]:
        raise LeftOut(why=Message(N_("It is not installed as a copy of its own (pip install, without --editable).")))
    for path in _way_of(point):
        if problem := _stranger_at(path):
            raise LeftOut(why=problem)
    if name := forbidden(point.package, point.folder):
        raise LeftOut(why=Message(N_("It imports {module}, which root’s side may not."), {"module": name}))


def _way_of(point: Point) -> Iterator[Path]:
    """Every folder above the package and its facts, then all that is in them."""
    yield from reversed(point.folder.parents)
    for top in (point.folder, point.facts):
        yield top
        for folder, folders, files in os.walk(top):
            yield from (Path(folder, name) for name in (*folders, *files))


def _stranger_at(path: Path) -> Message | None:
    """Who else than root may decide what is there, in words."""
    facts = path.lstat()
    if stat.S_ISLNK(facts.st_mode):
        return Message(N_("{path} is a link; only real files and folders are trusted."), {"path": str(path)})
    if facts.st_uid not in (0, os.geteuid()):
        return Message(N_("{path} belongs to {owner}, not to root."), {"path": str(path), "owner": _name(facts.st_uid)})
    if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return Message(N_("{path} may be changed by others than root."), {"path": str(path)})
    return None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _import(point: Point, listed: set[str]) -> None:
    """Import it and look at what it declared; of one that is left out nothing stays declared."""
    verbs, programs = dict(protocol.VERBS), dict(services.SERVICES)
    begins, goes = len(protocol.AT_START), len(services.LETTING_GO)
    try:
        importlib.import_module(f"{point.package}.privileged")
        _look_at(point.name, set(protocol.VERBS) - set(verbs), listed)
        for name in set(services.SERVICES) - set(programs):
            if services.SERVICES[name].plugin != point.name:
                raise LeftOut(why=Message(N_("It declares the program {name} for another plugin."), {"name": name}))
        for begin in protocol.AT_START[begins:]:  # now: one that fails is left out whole
            begin()
    except BaseException:
        for declared, before in ((protocol.VERBS, verbs), (services.SERVICES, programs)):
            for name in set(declared) - set(before):
                del declared[name]
        del services.LETTING_GO[goes:]
        raise
    finally:
        del protocol.AT_START[begins:]


def _look_at(name: str, declared: set[str], listed: set[str]) -> None:
    """Verbs are those that its plugin.toml lists, and begin with its name.  Raises LeftOut."""
    for verb in sorted(declared):
        if not verb.startswith(f"{name}."):
            fields = {"verb": verb, "name": name}
            raise LeftOut(why=Message(N_("Its verb {verb} does not begin with “{name}.”."), fields))
    if odd := sorted(declared ^ listed):
        raise LeftOut(why=Message(N_("Its verb {verb} is only in one of plugin.toml and code."), {"verb": odd[0]}))
