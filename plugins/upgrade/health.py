"""What is worth knowing about versions: how the last attempt ended, news that is not believed, and silence."""

from collections.abc import Iterator

from appliance import plugin
from appliance.broker.client import Broker
from appliance.health.guides import GUIDES, Guide
from appliance.health.models import Severity
from appliance.health.service import Finding, HealthContext, fix
from appliance.places import Places
from appliance.upgrade.attempt import Phase
from appliance.words import N_, Message
from plugins.upgrade import news, outcome, service

PAGE = "/plugins/upgrade/"
OPENS = N_("Open New versions")
GUIDES["upgrade_file"] = Guide(
    N_("Upgrade from a file"),
    (
        N_("On a computer with a network, get the file of the newest version for this station (it ends in .raucb)."),
        N_("Open New versions here and choose that file. The station checks who made it, wherever it came from."),
        N_("Once the station runs the new version, press “Ask now” there."),
    ),
    page=PAGE,
    opens=OPENS,
)
GUIDES["upgrade_news"] = Guide(
    N_("When news of versions is not believed"),
    (
        N_("Press “Ask now” under New versions. What passes by itself is gone then."),
        N_("See that the address of news is the one that came with this station."),
        N_("Try another network, or your phone's: somebody in between may be changing what comes."),
        N_("If it stays, get the newest version as a file on a computer, and choose it under New versions."),
    ),
    page=PAGE,
    opens=OPENS,
)
GUIDES["upgrade_new"] = Guide(
    N_("Install a new version"),
    (
        N_("Open New versions, and read what has changed."),
        N_("Choose to install it in the quiet hour, or right now: the station is away for about two minutes."),
        N_("If anything does not work then, the station goes back to the version before by itself, and says why."),
    ),
    page=PAGE,
    opens=OPENS,
)


def ended(context: HealthContext) -> Iterator[Finding]:
    """How the last attempt ended, until somebody says that they know."""
    noted = outcome.untold(context.places)
    if noted is None:
        return
    if noted.state is Phase.KEPT:
        yield Finding(
            code="upgrade_kept",
            severity=Severity.NOTICE,
            message=Message(N_("The station runs version {version} now."), {"version": noted.version}),
            hint=Message(N_("It was tried before it was kept: signing in, photos, drives and shares work.")),
            fix="upgrade.seen",
        )
        return
    yield Finding(
        code="upgrade_came_back",
        severity=Severity.WARNING,
        message=noted.why or Message(N_("Version {version} did not work here."), {"version": noted.version}),
        hint=Message(N_("Version {previous} runs again, with everything as it was."), {"previous": noted.previous}),
        fix="upgrade.seen",
    )


def heard(context: HealthContext) -> Iterator[Finding]:
    """What the last asking for news brought."""
    options, said = plugin.options(context.session, service.NAME), news.last(context.places)
    if said is None or not options["source"]:
        return
    if said.frozen is not None:
        yield Finding(
            code="upgrade_frozen", severity=Severity.WARNING, message=said.frozen.message, hint=said.frozen.hint,
            guide="upgrade_file",
        )  # fmt: skip
    if said.refused is not None and said.refused.code == news.DAMAGED:
        yield Finding(
            code="upgrade_memory_damaged", severity=Severity.WARNING, message=said.refused.message,
            hint=said.refused.hint, guide="upgrade_file",
        )  # fmt: skip
    elif said.refused is not None:
        yield Finding(
            code="upgrade_news_refused", severity=Severity.WARNING, message=said.refused.message,
            hint=said.refused.hint, guide="upgrade_news",
        )  # fmt: skip
    if said.is_offer and not options["automatic"] and not service.is_under_way(context.session, context.places):
        yield Finding(
            code="upgrade_new",
            severity=Severity.NOTICE,
            message=Message(N_("Version {version} is there for this station."), {"version": said.version}),
            hint=Message(N_("Nothing happens until you say so.")),
            guide="upgrade_new",
        )


@fix("upgrade.seen", N_("I know"))
def seen(session: object, broker: Broker, places: Places) -> Message:
    """Somebody has read how it ended."""
    outcome.seen(places)
    return Message(N_("It stays in the history of New versions."))
