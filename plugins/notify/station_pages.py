"""What an admin sets up for all: the mail server that the station sends through, and its sign of life."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from appliance.errors import ApplianceError
from appliance.words import N_
from console.access import admin_only, by, me
from console.shell import done, problems_of, show
from console.station import station
from plugins.notify import heartbeat, service, whole_station
from plugins.notify.providers import PROVIDERS

SECURITY = {
    "tls": N_("From the start (port 465)"),
    "starttls": N_("STARTTLS (port 587)"),
    "plain": N_("None: only inside your home"),
}
FIRST = {"port": "465", "security": "tls", "sender_name": "Everpx"}


def add_to(blueprint: Blueprint) -> None:
    """Put these pages beside everybody's."""
    blueprint.add_url_rule("/station", "station_page", page, methods=["GET"])
    blueprint.add_url_rule("/station/mail", "save_mail", save_mail, methods=["POST"])
    blueprint.add_url_rule("/station/signal", "save_signal", save_signal, methods=["POST"])


@admin_only
def page() -> ResponseReturnValue:
    """Both forms; passwords and the address of the sign of life are not shown again."""
    return _page({}, {}, 200)


def _page(typed: Mapping[str, str], problems: dict[str, str], status: int) -> ResponseReturnValue:
    here, provider = station(), PROVIDERS.get(request.args.get("provider", ""))
    with here.db.reading() as session:
        mine = next((row for row in service.channels(session, me().id) if row.kind == "mail"), None)
        row, server = whole_station.station_row(session), whole_station.mail_server(session, here.places)
        why = heartbeat.not_well(session)
    mail: dict[str, Any] = dict(FIRST)
    if server is not None:
        names = ("host", "port", "security", "user", "sender", "sender_name", "certificate")
        mail = {name: str(getattr(server, name)) for name in names}
    if provider is not None:
        mail |= {"host": provider.host, "port": str(provider.port), "security": provider.security}
    return show(
        "notify/station.html",
        "forms",
        status,
        row=row,
        mail=mail | {name: text for name, text in typed.items() if name != "password"},
        has_password=bool(server and server.password),
        lost=bool(row and row.mail and server is None),
        hours=typed.get("signal_hours") or str(row.signal_hours if row else 6),
        every=whole_station.SIGNAL_HOURS,
        security=SECURITY,
        problems=problems,
        why=why,
        mine=mine,
        provider=provider,
        providers=PROVIDERS,
    )


@admin_only
def save_mail() -> ResponseReturnValue:
    """Keep the mail server."""
    return _save(whole_station.save_mail)


@admin_only
def save_signal() -> ResponseReturnValue:
    """Keep the sign of life, or end it."""
    return _save(whole_station.save_signal)


def _save(save: Any) -> ResponseReturnValue:
    form = request.form.to_dict()
    try:
        with station().db.writing() as session:
            save(session, station().places, by(), form)
    except ApplianceError as error:
        return _page(form, problems_of(error), error.status)
    return done(gettext("Saved."), "notify.station_page")
