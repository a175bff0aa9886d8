"""Where this plugin joins the appliance.  Nothing here carries python-kasa: plugs are asked by short processes."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from appliance.health.service import Check
from appliance.hookspecs import Command, hookimpl
from appliance.words import N_


@hookimpl
def power_drivers() -> Iterable[Any]:
    """A plug switches a drive."""
    from plugins.smart_plugs.driver import SmartPlugDriver

    return [SmartPlugDriver()]


@hookimpl
def health_checks() -> Iterable[Check]:
    """Plugs that drives hang on; read from the database, so that no check waits for a plug."""
    from plugins.smart_plugs import health

    yield Check("plugs", health.plugs, N_("Smart plugs"))


@hookimpl
def standing_work(session: Session) -> None:
    """Ask every plug some times a day how it is."""
    from plugins.smart_plugs import service

    service.look_now_and_then(session)


@hookimpl
def job_modules() -> Iterable[str]:
    """Looking for plugs, asking them, switching them."""
    return ["plugins.smart_plugs.jobs"]


@hookimpl
def api_room() -> Any:
    """The same by REST."""
    from plugins.smart_plugs.api import room

    return room


@hookimpl
def console_blueprint() -> Any:
    """The pages; imported here so that the worker never loads Flask."""
    from plugins.smart_plugs.views import blueprint

    return blueprint


@hookimpl
def commands() -> Iterable[Command]:
    """``everpx plugs``."""
    yield Command("plugs", "plugins.smart_plugs.cli:plugs", "Smart plugs: list, switch, ask.")
