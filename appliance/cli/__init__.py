"""``everpx``, the command line: the same services as the console, never logic of its own.

One module per room, imported only when one of its commands is called; plugins add rooms of their own (``added``).
Every command prints for people, or with ``--json`` for programs.  What may go wrong ends with a sentence and a hint on
standard error and status 2.
"""

import importlib
from typing import TYPE_CHECKING

import click

from appliance import VERSION

if TYPE_CHECKING:
    from appliance.hookspecs import Command

#: Command -> (module, attribute, what ``everpx --help`` says of it).
COMMANDS = {
    "status": ("station", "status", "Are the memories safe? Everything at a glance."),
    "start": ("station", "start", "Start a whole station on this machine."),
    "migrate": ("station", "migrate", "Make the database ready: restored if damaged, newest version."),
    "drives": ("drives", "drives", "What is plugged in and what was handed over."),
    "backup": ("backup", "backup", "Copies from HOT to COLD, and back."),
    "library": ("library", "library", "Photos, videos and files."),
    "people": ("people", "people", "The family."),
    "jobs": ("jobs", "jobs", "What is under way."),
    "schedule": ("jobs", "schedule", "What starts by itself, and when."),
    "health": ("health", "health", "What is wrong, and how to put it right."),
    "events": ("health", "happened", "What happened."),
    "plugins": ("settings", "plugins", "Plugins: list, switch, configure."),
    "settings": ("settings", "settings", "Settings: list, get, set."),
}


class Rooms(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of this file, then those of plugins."""
        return [*COMMANDS, *_of_plugins()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the room of one command."""
        if cmd_name not in COMMANDS:
            from appliance.cli import added

            found = _of_plugins().get(cmd_name)
            return added.imported(*found) if found else None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"appliance.cli.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, _, words) in COMMANDS.items()])
        if of_plugins := _of_plugins():
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(name, command.words) for name, (_, command) in of_plugins.items()])


def _of_plugins() -> dict[str, tuple[str, "Command"]]:
    """Name -> (plugin, command).  A core command never asks for them."""
    from appliance.cli import added

    return added.added(frozenset(COMMANDS))


@click.command(cls=Rooms)
@click.version_option(VERSION, prog_name="everpx")
def main() -> None:
    """Everpx: a family's photos on drives of its own, copied and proven."""
