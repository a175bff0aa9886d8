"""Where this plugin joins the appliance."""

from typing import Any

from appliance.hookspecs import hookimpl


@hookimpl
def protocol_blueprint() -> Any:
    """The addresses that phone apps and file programs know; imported here so that the worker never loads Flask."""
    from plugins.webdav.views import blueprint

    return blueprint
