"""Where this plugin joins the appliance."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from appliance.health.service import Check
from appliance.hookspecs import hookimpl
from appliance.words import N_, Message
from plugins.station_report import service


@hookimpl
def health_checks() -> Iterable[Check]:
    """Too warm, or nearly out of memory."""
    yield Check("warm", service.too_warm, N_("The station’s temperature"))
    yield Check("memory", service.short_of_memory, N_("The station’s memory"))


@hookimpl
def home_cards(session: Session) -> Iterable[tuple[str, str | Message]]:
    """One card, unless the option says no."""
    return service.cards(session)


@hookimpl
def console_blueprint() -> Any:
    """A page with the numbers; imported here so that the worker never loads Flask."""
    from plugins.station_report.views import blueprint

    return blueprint
