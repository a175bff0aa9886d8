"""Whether https answers with a certificate that browsers take, and what is done when it does not."""

import logging
from collections.abc import Iterable

from sqlalchemy.orm import Session

from appliance import announced, clock
from appliance.broker.client import Broker
from appliance.db import Database
from appliance.errors import ApplianceError
from appliance.health.models import Severity
from appliance.health.service import Check, Finding, HealthContext, fix
from appliance.places import Places
from appliance.web import certificate, listening, renewal, service
from appliance.words import N_, Message

log = logging.getLogger("everpx.web")


def renew(db: Database, broker: Broker, places: Places) -> None:
    """Another certificate if it is due, and in force at once.  What fails is logged, and found by the check."""
    if not listening.encrypted():
        return
    try:
        with db.reading() as session:
            renewed = renewal.renew(session, broker, places, clock.read(places))
    except ApplianceError as error:
        log.error("no new certificate: %s", error)
        return
    if renewed:
        service.refresh(places)


def not_renewed(context: HealthContext) -> Iterable[Finding]:
    """There is none, or it is due and nobody could renew it, at once after somebody tried."""
    if not listening.encrypted():
        return
    now, names = certificate.load(context.places), renewal.wanted(context.session, context.places)
    due = renewal.why_due(now, *names, clock.read(context.places))
    if not due:
        return
    said = {
        "none": N_("There is no safe line (https) to the station: it has no certificate."),
        "names": N_("The safe line (https) does not know a new name or address of the station yet."),
        "time": N_("The certificate of the safe line (https) could not be renewed."),
    }
    yield Finding(
        code="certificate_not_renewed",
        severity=Severity.WARNING,
        message=Message(said[due]),
        hint=Message(N_("The console can be opened as before, without the safe line. Browsers may warn of it.")),
        fix="web.renew",
        guide="restart",
    )


@fix("web.renew", N_("Get a new certificate"))
def try_again(session: Session, broker: Broker, places: Places) -> None:
    """By a job: the console sees no network, and would not know its addresses."""
    announced.refresh(session)


CHECKS = [Check("station.certificate", not_renewed, N_("The safe line (https)"))]
