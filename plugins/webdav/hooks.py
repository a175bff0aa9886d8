"""Where this plugin joins the appliance."""

from typing import Any

from appliance.hookspecs import hookimpl


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
