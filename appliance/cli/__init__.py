"""``everpx``, the command line: the same services as the console, never logic of its own.

One module per room, imported only when one of its commands is called.  Every command prints for people, or with
``--json`` for programs.  What may go wrong ends with a sentence and a hint on standard error and status 2.
"""

import importlib

import click

from appliance import VERSION

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
        """In the order of this file."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the room of one command."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"appliance.cli.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, _, words) in COMMANDS.items()])


@click.command(cls=Rooms)
@click.version_option(VERSION, prog_name="everpx")
def main() -> None:
    """Everpx: a family's photos on drives of its own, copied and proven."""
