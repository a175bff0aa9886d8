"""Where this plugin joins the appliance."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from appliance.announced import console_port
from appliance.hookspecs import Announced, hookimpl


@hookimpl
def announced_services(session: Session) -> Iterable[Announced]:
    """File programs find the address by themselves."""
    port = console_port()
    return [] if port is None else [Announced("_webdav._tcp", port, txt=("path=/dav/",))]


@hookimpl
def console_blueprint() -> Any:
    """How a phone gets in; imported here so that the worker never loads Flask."""
    from plugins.webdav.pages import blueprint

    return blueprint


@hookimpl
def protocol_blueprint() -> Any:
    """The addresses that phone apps and file programs know."""
    from plugins.webdav.views import blueprint

    return blueprint
