"""The kinds of jobs there are: a stable name, a title, and the function that does the work.

A kind is declared beside its room's code: ``@job_kind("backup.run", N_("Copy to {drive}"))``.  The function gets a
:class:`~appliance.jobs.progress.Progress` and the job's arguments, and must be safe to run again from the start:
after a power cut it is called with the same arguments and the checkpoint it last kept.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from appliance import plugin
from appliance.errors import Conflict, NotFound
from appliance.words import N_

Body = Callable[..., dict[str, Any] | None]

#: Rooms of the core whose ``jobs`` module declares kinds: ``backup.run`` is in ``appliance.backup.jobs``.
ROOMS = ("adoption", "album_page", "backup", "drives", "health", "library", "people", "phones")


class PluginMissing(Conflict):
    """The work of a plugin that is off, or that was removed."""

    code = "plugin_missing"
    template = N_("This is work of the plugin “{plugin}”, which is switched off or no longer installed.")
    hint = N_("Switch the plugin on, or install it again; then start the work anew.")


@dataclass(frozen=True)
class Kind:
    """What a job's ``kind`` stands for."""

    name: str
    title: str  # template; its fields are the job's title fields
    body: Body
    nice: int = 5


KINDS: dict[str, Kind] = {}


def job_kind(name: str, title: str, *, nice: int = 5) -> Callable[[Body], Body]:
    """Declare a kind of job; the function's result, if any, is kept in the row."""

    def register(body: Body) -> Body:
        owner = plugin.owner_of(body.__module__)
        if owner is not None and not owner.owns(name):
            raise ValueError(f"jobs of this plugin are called {owner.name}.…, not {name}")
        if name in KINDS and KINDS[name].body.__qualname__ != body.__qualname__:
            raise ValueError(f"two job kinds named {name}")
        KINDS[name] = Kind(name, title, body, nice)
        return body

    return register


def find(name: str) -> Kind:
    """The kind of this name, the core's or an enabled plugin's.  Raises NotFound, or PluginMissing."""
    room = name.partition(".")[0]
    if name not in KINDS and room in ROOMS:
        importlib.import_module(f"appliance.{room}.jobs")
    if name not in KINDS:
        plugin.import_modules("job_modules")
    if name not in KINDS and waits(name):
        raise PluginMissing(plugin=room)
    try:
        return KINDS[name]
    except KeyError:
        raise NotFound(what=f"job “{name}”") from None


def waits(name: str) -> bool:
    """Whether nobody here can do work of this kind because its plugin is off or no longer installed."""
    room = name.partition(".")[0]
    return room not in ROOMS and plugin.is_missed(room)
