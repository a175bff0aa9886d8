"""Commands that plugins add to ``everpx``, by the hook ``commands``; only those of plugins that are on.

A plugin's command is imported when it is called, like the core's.  Where there is no station, or its database cannot be
read, nobody knows which plugins are on, and the core's commands are all there is.
"""

import importlib
import logging
from typing import TYPE_CHECKING

import click

from appliance.cli.speech import FAILED, open_database
from appliance.errors import ApplianceError
from appliance.places import places

if TYPE_CHECKING:
    from appliance.hookspecs import Command

log = logging.getLogger("everpx.plugin")


class NotACommand(ApplianceError):
    """What a plugin named cannot be imported, or is something else."""

    code, template = "not_a_command", "The command “{name}” of a plugin cannot be used."


class Unusable(click.ClickException):
    """The same, while words are sorted into commands."""

    exit_code = FAILED


def added(taken: frozenset[str]) -> dict[str, tuple[str, "Command"]]:
    """Name -> (plugin, command); a name that is taken is left out, and the plugin's failure told."""
    from sqlalchemy.exc import SQLAlchemyError

    from appliance import plugin
    from appliance.hookspecs import Command

    try:
        db = open_database(places())
    except ApplianceError:
        return {}
    found: dict[str, tuple[str, Command]] = {}
    try:
        plugin.load(db)
        for owner, commands in plugin.call_named("commands"):
            for one in commands or ():
                if not isinstance(one, Command) or one.name in taken or one.name in found:
                    plugin.failed(owner, f"commands: {one!r} cannot be added")
                    continue
                found[one.name] = (owner, one)
    except SQLAlchemyError as error:
        log.info("nobody knows which plugins are on: %s", error)
    finally:
        db.close()
    return found


def imported(owner: str, command: "Command") -> click.Command:
    """The command itself.  Raises Unusable; the plugin's failure is told."""
    from appliance import plugin

    try:
        return plugin.guarded(lambda: _at(command.place), lambda: NotACommand(name=command.name))
    except NotACommand as error:
        plugin.failed(owner, f"commands: {command.place}: {error.__cause__!r}")
        raise Unusable(str(error)) from error


def _at(place: str) -> click.Command:
    module, _, attribute = place.partition(":")
    made: click.Command = getattr(importlib.import_module(module), attribute)
    if not isinstance(made, click.Command):
        raise TypeError("this is no command")
    return made
