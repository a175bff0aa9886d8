"""Checks of plugins that are packages of their own: those that were removed, and what root does not do for them."""

from collections.abc import Iterable

from appliance import leftovers, plugin
from appliance.health.guides import GUIDES, Guide
from appliance.health.models import Severity
from appliance.health.service import Check, Finding, HealthContext
from appliance.words import N_, Message


def gone(context: HealthContext) -> Iterable[Finding]:
    """Plugins that were here and are no longer installed."""
    for name in leftovers.absent(context.session, context.places):
        yield Finding(
            code="plugin_gone",
            severity=Severity.NOTICE,
            subject=name,
            message=Message(N_("The plugin “{plugin}” is no longer installed."), {"plugin": name}),
            hint=Message(
                N_(
                    "What it was told is kept, and it goes on when it is installed again. If it is to stay away: under "
                    "System, Plugins, what it left can be removed."
                )
            ),
            guide="plugin_gone",
        )


def without_root(context: HealthContext) -> Iterable[Finding]:
    """Plugins that are on and ask root in vain."""
    for name, why in plugin.missing_from_root(context.broker).items():
        manifest = plugin.found().get(name)
        if manifest is not None and plugin.is_enabled(context.session, manifest):
            yield Finding(
                code="plugin_without_root",
                severity=Severity.WARNING,
                subject=name,
                message=Message(
                    N_("The plugin “{plugin}” cannot do what needs root: {why}"),
                    {"plugin": Message(manifest.title), "why": why},
                ),
                hint=Message(
                    N_(
                        "Everything else of it goes on. Root runs only what root itself has installed and nobody else "
                        "can change: install the plugin again as root, then restart the station."
                    )
                ),
                guide="plugin_root",
            )


GUIDES["plugin_gone"] = Guide(
    N_("A plugin that is no longer installed"),
    (
        N_("If it should come back: install its package again, as root, and restart the station."),
        N_("If it should stay away: open Plugins and choose “Remove what it left”."),
    ),
    page="/system/plugins",
    opens=N_("Open Plugins"),
)
GUIDES["plugin_root"] = Guide(
    N_("Let a plugin do what needs root"),
    (
        N_("Open Plugins and read what keeps root from it."),
        N_("Install its package again, as root, into the station’s own environment."),
        N_("Restart the station."),
    ),
    page="/system/plugins",
    opens=N_("Open Plugins"),
)

CHECKS = [
    Check("station.plugins_gone", gone, N_("Plugins that were removed")),
    Check("station.plugins_root", without_root, N_("What plugins need root for")),
]
