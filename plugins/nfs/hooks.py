"""Where this plugin joins the appliance."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from appliance.broker.client import Broker
from appliance.health.service import Check
from appliance.hookspecs import Announced, Command, hookimpl
from appliance.places import Places
from appliance.words import N_
from plugins.nfs import service


@hookimpl
def settle_services(session: Session, broker: Broker, places: Places) -> None:
    """Serve what the drives that are here hold."""
    service.settle(session, broker, places)


@hookimpl
def announced_services(session: Session) -> Iterable[Announced]:
    """Each folder that is served right now."""
    return service.announced()


@hookimpl
def health_checks() -> Iterable[Check]:
    """Served as wished, and answering."""
    yield Check("serving", service.not_served, N_("Folders for Linux and media players"))


@hookimpl
def job_modules() -> Iterable[str]:
    """A try of what is served."""
    return ["plugins.nfs.jobs"]


@hookimpl
def api_room() -> Any:
    """The same by REST."""
    from plugins.nfs.api import room

    return room


@hookimpl
def console_blueprint() -> Any:
    """Devices and folders; imported here so that the worker never loads Flask."""
    from plugins.nfs.views import blueprint

    return blueprint


@hookimpl
def commands() -> Iterable[Command]:
    """``everpx nfs``."""
    yield Command("nfs", "plugins.nfs.cli:nfs", "Folders for Linux and media players.")
