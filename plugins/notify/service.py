"""What the pages do: a person's channels and rules, the station's mail server and sign of life."""

import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance import events, sealed
from appliance.db import now
from appliance.errors import Forbidden, Invalid, NotFound
from appliance.health.models import Severity
from appliance.people.audit import By
from appliance.people.models import Role, User
from appliance.places import Places
from appliance.words import N_, Message
from plugins.notify import outbox, reach, texts, ways
from plugins.notify.heartbeat import STATION
from plugins.notify.models import (
    DeliveryKind,
    DeliveryState,
    NotifyChannel,
    NotifyDelivery,
    NotifyRules,
    NotifyStation,
)
from plugins.notify.quiet import clock
from plugins.notify.ways import WAYS, Way

if TYPE_CHECKING:
    from plugins.notify.mail import Server

PURPOSE = "messages"
MOST_CHANNELS = 10
REMIND = (0, 3, 7, 14, 30)
SIGNAL_HOURS = (1, 3, 6, 12, 24)
SECURITIES = ("tls", "starttls", "plain")


def channels(session: Session, user_id: int) -> Sequence[NotifyChannel]:
    """A person's channels, in the order they came."""
    return session.scalars(
        select(NotifyChannel).where(NotifyChannel.user_id == user_id).order_by(NotifyChannel.id)
    ).all()


def channel_of(session: Session, user: User, channel_id: int) -> NotifyChannel:
    """Raises NotFound for somebody else's."""
    row = session.get(NotifyChannel, channel_id)
    if row is None or row.user_id != user.id:
        raise NotFound(what="way to be told")
    return row


def way_for(user: User, name: str) -> Way:
    """Raises NotFound, or Forbidden for what only admins may use."""
    if name not in WAYS:
        raise NotFound(what="way to be told")
    if WAYS[name].admin and user.role is not Role.ADMIN:
        raise Forbidden()
    return WAYS[name]


def ways_for(user: User) -> list[Way]:
    """What a person may choose from."""
    return [way for way in WAYS.values() if not way.admin or user.role is Role.ADMIN]


def given_of(places: Places, channel: NotifyChannel) -> dict[str, str]:
    """What was typed; {} when it was sealed on another card."""
    stored = sealed.unseal(places, PURPOSE, channel.sealed)
    found: dict[str, str] = json.loads(stored) if stored else {}
    return found


def save(
    session: Session, places: Places, by: By, user: User, way: Way, form: Mapping[str, str], channel_id: int | None
) -> NotifyChannel:
    """Add a channel or change one.  Raises Invalid with every problem.  The audit log hears of no address."""
    row = channel_of(session, user, channel_id) if channel_id else None
    if row is None and len(channels(session, user.id)) >= MOST_CHANNELS:
        raise Invalid({"": N_("There are too many already. Remove one that you do not need.")})
    given = ways.checked(way, form, given_of(places, row) if row else {})
    _outside(user, way, given)
    if row is None:
        row = NotifyChannel(user_id=user.id, kind=way.name)
        session.add(row)
    row.shown, row.sealed = ways.shown(way, given)[:200], sealed.seal(places, PURPOSE, json.dumps(given))
    row.least = _severity(form.get("least", ""))
    row.solved, row.letter = "solved" in form, "letter" in form
    row.failing = row.problem = None
    session.flush()
    _note(session, by, N_("{name} chose how to be told ({way})."), name=user.name, way=Message(way.title))
    outbox.queue(session)  # what is open now is told there as well
    return row


def _outside(user: User, way: Way, given: Mapping[str, str]) -> None:
    """A member's server must lie outside; see ``ways``."""
    host = urlsplit(given.get("server", "")).hostname if way.name == "ntfy" else None
    if user.role is not Role.ADMIN and host and reach.is_inside(host):
        raise Invalid({"server": ways.inside_problem()})


def _severity(text: str) -> Severity:
    try:
        return Severity(text)
    except ValueError:
        raise Invalid({"least": N_("Choose one of the listed values.")}) from None


def remove(session: Session, by: By, user: User, channel_id: int) -> None:
    """No more messages there.  Raises NotFound."""
    row = channel_of(session, user, channel_id)
    way = Message(WAYS[row.kind].title)
    session.delete(row)
    _note(session, by, N_("{name} is no longer told by {way}."), name=user.name, way=way)


def test(session: Session, user: User, channel_id: int) -> None:
    """Send a test message; the page shows what becomes of it."""
    row = channel_of(session, user, channel_id)
    _post(session, row, DeliveryKind.TEST, f"{now():%Y%m%d%H%M%S%f}", texts.trial())
    outbox.queue(session, asked_by=user.id)


def post_letter(session: Session, channel: NotifyChannel, text: texts.Text, key: str) -> bool:
    """Put a letter into the outbox; False when this month's is there already."""
    there = select(NotifyDelivery.id).where(
        NotifyDelivery.channel_id == channel.id, NotifyDelivery.kind == DeliveryKind.LETTER, NotifyDelivery.key == key
    )
    if session.scalar(there) is not None:
        return False
    _post(session, channel, DeliveryKind.LETTER, key, text)
    return True


def _post(session: Session, channel: NotifyChannel, kind: DeliveryKind, key: str, text: texts.Text) -> None:
    session.add(NotifyDelivery(channel_id=channel.id, kind=kind, key=key, content=text.as_json()))
    session.flush()


def deliveries(session: Session, user_id: int, most: int = 20) -> Sequence[NotifyDelivery]:
    """What a person was sent, the newest first."""
    return session.scalars(
        select(NotifyDelivery)
        .join(NotifyChannel, NotifyChannel.id == NotifyDelivery.channel_id)
        .where(NotifyChannel.user_id == user_id, NotifyDelivery.state != DeliveryState.DROPPED)
        .order_by(NotifyDelivery.id.desc())
        .limit(most)
    ).all()


def rules_of(session: Session, user_id: int) -> NotifyRules:
    """A person's rules, or the defaults."""
    return session.get(NotifyRules, user_id) or outbox.default_rules(user_id)


def save_rules(session: Session, user: User, form: Mapping[str, str]) -> None:
    """Nights and reminders.  Raises Invalid."""
    begins, ends = form.get("quiet_from", "").strip(), form.get("quiet_until", "").strip()
    problems: dict[str, Message | str] = {
        name: N_("Write a time like 22:00.")
        for name, text in (("quiet_from", begins), ("quiet_until", ends))
        if text and clock(text) is None
    }
    if bool(begins) != bool(ends):
        problems.setdefault("quiet_until" if begins else "quiet_from", N_("A night has a beginning and an end."))
    days = form.get("remind_days", "")
    if days not in map(str, REMIND):
        problems["remind_days"] = N_("Choose one of the listed values.")
    if problems:
        raise Invalid(problems)
    row = session.get(NotifyRules, user.id) or NotifyRules(user_id=user.id)
    row.quiet_from, row.quiet_until = begins, ends
    row.danger_wakes, row.remind_days = "danger_wakes" in form, int(days)
    session.add(row)


def station_row(session: Session) -> NotifyStation | None:
    """What the station sends with, if an admin has entered anything."""
    return session.get(NotifyStation, STATION)


def mail_server(session: Session, places: Places) -> "Server | None":
    """The mail server, None when there is none or it was sealed on another card."""
    from plugins.notify.mail import Server

    row = station_row(session)
    stored = sealed.unseal(places, PURPOSE, row.mail) if row and row.mail else None
    return Server.from_text(stored) if stored else None


def save_mail(session: Session, places: Places, by: By, form: Mapping[str, str]) -> None:
    """The station's mail server; an empty host removes it.  Raises Invalid with every problem."""
    row = _row(session)
    if not form.get("host", "").strip():
        row.mail, row.mail_shown = None, ""
        _note(session, by, N_("The station has no mail server any more."))
        return
    server = _server(form, mail_server(session, places))
    row.mail, row.mail_shown = sealed.seal(places, PURPOSE, server.as_text()), f"{server.host}:{server.port}"
    _note(session, by, N_("The station sends mail through {host}."), host=server.host)


def _server(form: Mapping[str, str], before: "Server | None") -> "Server":
    from plugins.notify.mail import Server

    typed = {name: form.get(name, "").strip() for name in ("host", "port", "security", "user", "sender", "sender_name")}
    problems: dict[str, Message | str] = {}
    if not typed["host"].isprintable() or any(c in typed["host"] for c in " /@") or len(typed["host"]) > 253:
        problems["host"] = N_("Write a name like mail.example.org.")
    if not (typed["port"].isascii() and typed["port"].isdigit() and 0 < int(typed["port"][:6]) < 65536):
        problems["port"] = N_("A port is a number from 1 to 65535.")
    if typed["security"] not in SECURITIES:
        problems["security"] = N_("Choose one of the listed values.")
    if not ways.MAIL.fullmatch(typed["sender"]):
        problems["sender"] = N_("Write an address like anna@example.org.")
    if not all(typed[name].isprintable() and len(typed[name]) <= 200 for name in ("user", "sender_name")):
        problems["sender_name"] = N_("This cannot be right.")
    password = form.get("password", "")
    if before and not password and (before.host, before.user) == (typed["host"], typed["user"]):
        password = before.password  # never sent to another host than the one it was typed for
    if typed["security"] == "plain" and (typed["user"] or password):
        problems["security"] = N_("Without encryption the password could be read on its way. Choose an encryption.")
    certificate = form.get("certificate", "").strip()
    if certificate and not _is_certificate(certificate):
        problems["certificate"] = N_("This is no certificate. It begins with -----BEGIN CERTIFICATE-----.")
    if problems:
        raise Invalid(problems)
    made = Server(password=password, certificate=certificate, **{k: v for k, v in typed.items() if k != "port"}, port=0)
    return replace(made, port=int(typed["port"]), sender_name=typed["sender_name"] or "Everpx")


def _is_certificate(text: str) -> bool:
    try:
        ssl.create_default_context().load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        return False
    return True


def save_signal(session: Session, places: Places, by: By, form: Mapping[str, str]) -> None:
    """The sign of life; an empty address keeps the one there is, ``stop`` removes it.  Raises Invalid."""
    row, address = _row(session), form.get("signal", "").strip()
    if "stop" in form:
        row.signal, row.signal_shown, row.signal_problem, row.signal_failing = None, "", None, None
        _note(session, by, N_("The station gives no sign of life any more."))
        return
    problems: dict[str, Message | str] = {}
    if form.get("signal_hours", "") not in map(str, SIGNAL_HOURS):
        problems["signal_hours"] = N_("Choose one of the listed values.")
    if address and (wrong := ways.web_problem(address)):
        problems["signal"] = wrong
    if not address and row.signal is None:
        problems["signal"] = N_("This is needed.")
    if problems:
        raise Invalid(problems)
    row.signal_hours = int(form["signal_hours"])
    if address:
        row.signal, row.signal_shown = sealed.seal(places, PURPOSE, address), urlsplit(address).hostname or ""
    row.signal_tried = row.signal_problem = row.signal_failing = None
    _note(session, by, N_("The station gives a sign of life to {host}."), host=row.signal_shown)
    outbox.queue(session)


def _row(session: Session) -> NotifyStation:
    row = session.get(NotifyStation, STATION)
    if row is None:
        row = NotifyStation(id=STATION, mail_shown="", signal_shown="", signal_hours=6)
        session.add(row)
    return row


def _note(session: Session, by: By, template: str, **fields: Any) -> None:
    events.record(session, "messages.changed", template, actor_id=by.user_id, address=by.address, **fields)
