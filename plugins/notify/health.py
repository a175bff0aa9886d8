"""Messages that do not arrive are something to know, on every other way but the one that fails."""

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.health.guides import GUIDES, Guide
from appliance.health.models import Severity
from appliance.health.service import Finding, HealthContext
from appliance.hookspecs import HomeCard
from appliance.people.models import Role, User, UserState
from appliance.words import N_, Message
from plugins.notify.heartbeat import STATION
from plugins.notify.matters import OWN_FAILURE
from plugins.notify.models import NotifyChannel, NotifyStation

GUIDES["messages"] = Guide(
    N_("Get messages to arrive again"),
    (
        N_("Under Messages, choose the way that fails and send a message to try it. It says what goes wrong."),
        N_("A password or a key that was changed at the service must be entered there anew."),
        N_("If nothing arrives anywhere, look whether the station has internet: the router, the cable."),
    ),
    page="/plugins/notify/",
    opens=N_("Open Messages"),
)
FAILING_FOR = timedelta(hours=1)  # a greylisting server is no news
SILENT_FOR = timedelta(hours=2)


def failing(context: HealthContext) -> Iterable[Finding]:
    """Channels that nothing arrives on."""
    wanted = (
        select(NotifyChannel, User.name)
        .join(User, User.id == NotifyChannel.user_id)
        .where(NotifyChannel.failing < now() - FAILING_FOR, User.state == UserState.ACTIVE)
    )
    for channel, name in context.session.execute(wanted):
        fields = {"name": name, "channel": channel.shown, "why": channel.problem or Message("")}
        yield Finding(
            code=OWN_FAILURE,
            severity=Severity.WARNING,
            subject=f"channel:{channel.id}",
            message=Message(N_("Messages to {name} do not arrive ({channel})."), fields),
            hint=Message(N_("{why} It is tried again by itself; photos and copies do not wait for it."), fields),
            guide="messages",
        )


def signal_failing(context: HealthContext) -> Iterable[Finding]:
    """The outside service hears nothing, and will soon say so."""
    row = context.session.get(NotifyStation, STATION)
    if row is not None and row.signal and row.signal_failing and row.signal_failing < now() - SILENT_FOR:
        yield Finding(
            code="notify_signal_failing",
            severity=Severity.WARNING,
            message=Message(N_("The sign of life does not reach {host}."), {"host": row.signal_shown}),
            hint=Message(
                N_("{why} The service will say that the station is silent, although it works."),
                {"why": row.signal_problem or Message("")},
            ),
            guide="messages",
        )


def on_home(session: Session) -> Iterable[HomeCard]:
    """Until one admin can be reached."""
    reached = (
        select(NotifyChannel.id)
        .join(User, User.id == NotifyChannel.user_id)
        .where(User.role == Role.ADMIN, User.state == UserState.ACTIVE)
        .limit(1)
    )
    if session.scalar(reached) is None:
        yield HomeCard(
            N_("Messages"),
            Message(N_("Nobody is told yet when something needs you.")),
            N_("Choose how to be told"),
            "/plugins/notify/",
        )
