"""Where this plugin joins the appliance."""

from collections.abc import Iterable
from typing import Any

from appliance.health.service import Check
from appliance.hookspecs import hookimpl
from appliance.words import N_
from everpx_lamp import service


@hookimpl
def health_checks() -> Iterable[Check]:
    """Whether the relay answers."""
    yield Check("relay", service.silent, N_("The relay"))


@hookimpl
def power_drivers() -> Iterable[Any]:
    """The relay."""
    from everpx_lamp.driver import RelayDriver

    return [RelayDriver()]


@hookimpl
def job_modules() -> Iterable[str]:
    """Blinking."""
    return ["everpx_lamp.jobs"]


@hookimpl
def console_blueprint() -> Any:
    """A page; imported here so that the worker never loads Flask."""
    from everpx_lamp.views import blueprint

    return blueprint
