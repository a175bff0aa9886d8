"""Where this plugin joins the appliance."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from appliance.broker.client import Broker
from appliance.health.service import Check
from appliance.hookspecs import Announced, Command, hookimpl
from appliance.places import Places
from appliance.words import N_
from plugins.discovery import service


@hookimpl
def announced_services(session: Session) -> Iterable[Announced]:
    """The console itself, and that this is an Everpx."""
    return service.ourselves()


@hookimpl
def station_names(session: Session, places: Places) -> Iterable[str]:
    """The name in force, and the one that is wanted."""
    return service.names(places)


@hookimpl(trylast=True)
def settle_services(session: Session, broker: Broker, places: Places) -> None:
    """After the others: then what they serve is what is announced."""
    service.settle(session, broker, places)


@hookimpl
def health_checks() -> Iterable[Check]:
    """Announced at all, under the wanted name, really heard, and the only one of its kind."""
    yield Check("announced", service.not_announced, N_("Being found on the network"))
    yield Check("heard", service.not_heard, N_("The station’s name on the network"))
    yield Check("twice", service.seen_twice, N_("No other box says it is this station"))


@hookimpl
def job_modules() -> Iterable[str]:
    """A look around the network."""
    return ["plugins.discovery.jobs"]


@hookimpl
def api_room() -> Any:
    """The same by REST."""
    from plugins.discovery.api import room

    return room


@hookimpl
def console_blueprint() -> Any:
    """How to find this station; imported here so that the worker never loads Flask."""
    from plugins.discovery.views import blueprint

    return blueprint


@hookimpl
def commands() -> Iterable[Command]:
    """``everpx network``."""
    yield Command("network", "plugins.discovery.cli:network", "How this station is found on the network.")
