"""What happens to a message, step by step."""

from typing import Any

from appliance import identity, sealed
from appliance.db import Database, now
from appliance.health import service as health
from appliance.health.models import Severity
from appliance.health.service import Finding
from appliance.people.audit import By
from appliance.people.models import User
from appliance.places import Places
from appliance.words import Message
from plugins.notify import mail, outbox, service
from plugins.notify.failures import NotDelivered
from plugins.notify.models import NotifyStation
from plugins.notify.sending import Sender
from plugins.notify.ways import WAYS


def use_mail(db: Database, places: Places, port: int, **more: Any) -> None:
    fields = {"user": "", "password": "", "security": "plain", "certificate": "", "sender_name": "Everpx"} | more
    made = mail.Server("127.0.0.1", port, sender="box@example.org", **fields)
    with db.writing() as session:
        row = session.merge(NotifyStation(id=1, mail_shown="mail", mail=None, signal_shown="", signal_hours=6))
        row.mail = sealed.seal(places, service.PURPOSE, made.as_text())


def add(db: Database, places: Places, user: User, way: str, **form: str) -> int:
    with db.writing() as session:
        given = {"least": "warning", "solved": "on", "letter": "on"} | form
        return service.save(session, places, By(user.id), user, WAYS[way], given, None).id


def tell(db: Database, code: str, words: str) -> None:
    with db.writing() as session:
        health.tell(session, Finding(code, Severity.WARNING, Message(words), Message("Look at it."), guide="restart"))


def attempt(db: Database, places: Places, moment: Any = None) -> str | None:
    """One try, as the job makes it: None when nothing was due, "" when it arrived, else why not."""
    moment = moment or now()
    with db.writing() as session:
        outbox.plan(session, moment)
        envelope = outbox.take(session, moment)
        station = session.get(NotifyStation, 1)
    if envelope is None:
        return None
    try:
        Sender(places, station, identity.load(places).station_id).send(envelope)
    except NotDelivered as why:
        with db.writing() as session:
            outbox.failed(session, envelope, why.message, slow=why.slow, moment=moment)
        return str(why.message)
    with db.writing() as session:
        outbox.arrived(session, envelope, moment)
    return ""
