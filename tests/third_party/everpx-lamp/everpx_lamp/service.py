"""What the plugin does; knows no web.  It remembers in a file of its own how often the relay switched."""

import json
from collections.abc import Iterable
from contextlib import suppress

from sqlalchemy.orm import Session

from appliance import plugin
from appliance.broker.client import Broker
from appliance.durable import write_atomically
from appliance.errors import ApplianceError
from appliance.health.models import Severity
from appliance.health.service import Finding, HealthContext, fix
from appliance.jobs import schedule
from appliance.jobs import service as jobs
from appliance.jobs.models import Job
from appliance.jobs.plan import Plan
from appliance.places import Places
from appliance.words import N_, Message
from everpx_lamp import relay

NAME = "lamp"
BLINK = "lamp.blink"


def address(session: Session) -> str:
    """Where the relay is; "" before somebody has said it."""
    return str(plugin.options(session, NAME)["relay"])


def switchings(places: Places) -> int:
    """How often the relay switched: its contacts last some 100,000 times."""
    with suppress(OSError, ValueError, KeyError):
        return int(json.loads((places.data / "plugins" / NAME / "relay.json").read_text())["switchings"])
    return 0


def note_switching(places: Places) -> None:
    """Once more."""
    note = {"switchings": switchings(places) + 1}
    write_atomically(plugin.own_folder(places, NAME) / "relay.json", json.dumps(note).encode())


def start_blinking(session: Session, asked_by: int | None = None) -> Job:
    """Let the light blink, so that somebody finds the box.  Raises AlreadyRunning."""
    return jobs.start(session, BLINK, title=Message(N_("Blinking")), lock=BLINK, asked_by=asked_by)


def plan_blinking(session: Session, plan: Plan) -> None:
    """Blink by plan: a lamp that has died is noticed."""
    schedule.upsert(session, BLINK, BLINK, plan, title=Message(N_("Blinking")))


def silent(context: HealthContext) -> Iterable[Finding]:
    """A relay that does not answer."""
    where = address(context.session)
    try:
        if where:
            relay.is_on(where)
    except ApplianceError as error:
        yield Finding(
            code="lamp.relay_silent",
            severity=Severity.WARNING,
            message=error.message,
            hint=Message(N_("A person is asked to switch the drive meanwhile.")),
            fix="lamp.ask_again",
        )


@fix("lamp.ask_again", N_("Ask it again"))
def ask_again(session: Session, broker: Broker, places: Places) -> Message:
    """Raises RelaySilent."""
    on = relay.is_on(address(session))
    return Message(N_("It answers, and is on.")) if on else Message(N_("It answers, and is off."))
