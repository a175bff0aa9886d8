"""Where this plugin joins the appliance."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from appliance.hookspecs import Command, HomeCard, WayIn, hookimpl
from appliance.words import N_


@hookimpl
def console_blueprint() -> Any:
    """The import pages; imported here so that the worker never loads Flask."""
    from plugins.importer.views import blueprint

    return blueprint


@hookimpl
def api_room() -> Any:
    """The same for programs."""
    from plugins.importer.api import room

    return room


@hookimpl
def commands() -> Iterable[Command]:
    """``everpx import``."""
    return [Command("import", "plugins.importer.cli:bring", "Photos from a card, a drive or a folder.")]


@hookimpl
def ways_in() -> Iterable[WayIn]:
    """Where people look for it: beside the upload."""
    words = N_(
        "From a camera’s card, a stick, another NAS, Google Takeout or iCloud. You see first what would come in."
    )
    return [WayIn(N_("Import"), words, "/plugins/importer/")]


@hookimpl
def job_modules() -> Iterable[str]:
    """The look and the import."""
    return ["plugins.importer.jobs"]


@hookimpl
def home_cards(session: Session) -> Iterable[HomeCard]:
    """A card that is plugged in, and what is new on it."""
    from plugins.importer import cards

    return cards.on_home(session)


@hookimpl
def standing_work(session: Session) -> None:
    """Look at a card that is known and was just plugged in."""
    from plugins.importer import cards

    cards.look_at_new(session)
