"""What an admin sets up for all: the mail server that the station sends through, and its sign of life."""

import ssl
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance import sealed
from appliance.db import now
from appliance.errors import Invalid
from appliance.people.audit import By
from appliance.places import Places
from appliance.words import N_, Message
from plugins.notify import outbox, service, ways
from plugins.notify.addresses import is_mail
from plugins.notify.heartbeat import STATION
from plugins.notify.models import NotifyChannel, NotifyStation
from plugins.notify.service import PURPOSE

if TYPE_CHECKING:
    from plugins.notify.mail import Server

SIGNAL_HOURS = (1, 3, 6, 12, 24)
SECURITIES = ("tls", "starttls", "plain")


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
    """The station's mail server; ``stop`` removes it.  Raises Invalid with every problem."""
    row = _row(session)
    if "stop" in form:
        row.mail, row.mail_shown = None, ""
        service.note(session, by, N_("The station has no mail server any more."))
        return
    server = _server(form, mail_server(session, places))
    row.mail, row.mail_shown = sealed.seal(places, PURPOSE, server.as_text()), f"{server.host}:{server.port}"
    for channel in session.scalars(select(NotifyChannel).where(NotifyChannel.kind == "mail")):
        outbox.hurry(session, channel, now())
    outbox.queue_if_anybody_listens(session)
    service.note(session, by, N_("The station sends mail through {host}."), host=server.host)


def _server(form: Mapping[str, str], before: "Server | None") -> "Server":
    from plugins.notify.mail import Server

    typed = {name: form.get(name, "").strip() for name in ("host", "port", "security", "user", "sender", "sender_name")}
    problems: dict[str, Message | str] = {}
    host = typed["host"]
    if not host or not host.isprintable() or any(c in host for c in " /@") or len(host) > 253:
        problems["host"] = N_("Write a name like mail.example.org.")
    if not (typed["port"].isascii() and typed["port"].isdigit() and 0 < int(typed["port"][:6]) < 65536):
        problems["port"] = N_("A port is a number from 1 to 65535.")
    if typed["security"] not in SECURITIES:
        problems["security"] = N_("Choose one of the listed values.")
    if not is_mail(typed["sender"]):
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
        service.note(session, by, N_("The station gives no sign of life any more."))
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
    service.note(session, by, N_("The station gives a sign of life to {host}."), host=row.signal_shown)
    outbox.queue(session)


def _row(session: Session) -> NotifyStation:
    row = session.get(NotifyStation, STATION)
    if row is None:
        row = NotifyStation(id=STATION, mail_shown="", signal_shown="", signal_hours=6)
        session.add(row)
    return row
