"""What can be wrong with plugs that drives hang on.  A plug that nothing hangs on is nobody's trouble."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.broker.client import Broker
from appliance.db import now
from appliance.drives.models import Drive, PowerState
from appliance.errors import ApplianceError
from appliance.health.guides import GUIDES, Guide
from appliance.health.models import Severity
from appliance.health.service import Finding, HealthContext, fix
from appliance.jobs import service as jobs
from appliance.places import Places
from appliance.words import N_, Message
from plugins.smart_plugs import asking, driver, service
from plugins.smart_plugs.models import PlugDrive, SmartPlug

TOO_LONG = timedelta(days=2)
OTHERS: tuple[type[ApplianceError], ...] = (driver.StillDraws, driver.NotOurs, driver.PlugRests)
HINTS = {error.code: error.hint for error in (*asking.ERRORS.values(), *OTHERS) if error.hint}
CODES = tuple(HINTS)  # whose findings compute their code
GUIDES["plug"] = Guide(
    N_("Get a smart plug to listen again"),
    (
        N_("See that the plug is in its socket, and that its lamp does not blink (then it has lost the network)."),
        N_("Open the plug's own app. If it cannot reach the plug either, set the plug up anew there."),
        N_("Under Smart plugs, open the plug and ask it anew. If its address or password changed, enter it there."),
        N_("Until then, switch the drive's plug by hand when the station asks for it."),
    ),
    page="/plugins/smart_plugs/",
    opens=N_("Open Smart plugs"),
)


def plugs(context: HealthContext) -> Iterator[Finding]:
    """Each plug with a drive on it."""
    used = select(SmartPlug).where(SmartPlug.id.in_(select(PlugDrive.plug_id))).order_by(SmartPlug.id)
    for plug in context.session.scalars(used):
        subject = f"plug:{plug.id}"
        if plug.carries_hot is not None:
            yield _carries_hot(context.session, plug, subject)
        elif plug.problem_code and plug.problem is not None:
            hint = Message(HINTS.get(plug.problem_code, asking.PlugSilent.hint))
            yield Finding(plug.problem_code, Severity.WARNING, plug.problem, hint, subject, guide="plug")
        elif plug.answered is None or now() - plug.answered > TOO_LONG:
            told = Message(N_("The plug “{plug}” was not heard of for some days."), {"plug": plug.name})
            yield Finding(
                "plug_unheard", Severity.WARNING, told, Message(asking.PlugSilent.hint), subject, guide="plug"
            )
        elif plug.is_on and _nothing_needs_it(context.session, plug):
            yield Finding(
                "plug_on_idle",
                Severity.NOTICE,
                Message(N_("The plug “{plug}” is on, but nothing needs it."), {"plug": plug.name}),
                Message(N_("A copy is safest on a drive that is off.")),
                subject,
                fix="smart_plugs.off",
                fix_arguments={"plug_id": plug.id},
            )


def _carries_hot(session: Session, plug: SmartPlug, subject: str) -> Finding:
    hot = session.get_one(Drive, plug.carries_hot)
    fields = {"plug": plug.name, "hot": hot.name}
    return Finding(
        "plug_carries_hot",
        Severity.WARNING,
        Message(N_("The plug “{plug}” also carries {hot}, so it stays on."), fields),
        Message(N_("Give {hot} another socket, then say so on the plug’s page."), fields),
        subject,
        guide="plug",
    )


def _nothing_needs_it(session: Session, plug: SmartPlug) -> bool:
    states = session.scalars(
        select(Drive.power_state).join(PlugDrive, PlugDrive.drive_id == Drive.id).where(PlugDrive.plug_id == plug.id)
    )
    return all(state is PowerState.OFF for state in states)


@fix("smart_plugs.off", N_("Switch it off"))
def switch_off(session: Session, broker: Broker, places: Places, *, plug_id: int) -> Message:
    """With every care of the core."""
    with contextlib.suppress(jobs.AlreadyRunning):
        service.start_switch(session, plug_id, on=False)
    return Message(N_("The plug is being switched off; see Activity."))
