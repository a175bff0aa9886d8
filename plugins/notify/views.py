"""Everybody's page of messages: how I am told, when I am not to be disturbed, what I was sent, this month's letter."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.errors import ApplianceError
from appliance.health.models import Severity
from appliance.jobs import schedule
from appliance.people.models import User
from appliance.words import N_, Message
from console.access import by, me, signed_in
from console.shell import done, not_done, problems_of, show
from console.station import station
from console.translate import language
from plugins.notify import letter as letters
from plugins.notify import outbox, service, station_pages, ways, whole_station
from plugins.notify.calendar import LOCK
from plugins.notify.models import DeliveryState, NotifyChannel, NotifyDelivery
from plugins.notify.texts import Text

blueprint = Blueprint("notify", __name__, template_folder="templates")
station_pages.add_to(blueprint)
LEAST = {
    Severity.DANGER: (N_("Only when memories are at risk"), N_("A drive fails, or photos could be lost.")),
    Severity.WARNING: (N_("When something needs me"), N_("Also when a copy is overdue or a drive is nearly full.")),
    Severity.NOTICE: (N_("Everything that is worth knowing"), N_("Also what can wait.")),
}


@blueprint.get("/")
@signed_in
def page() -> ResponseReturnValue:
    """My ways to be told, and what I was sent."""
    return _page({}, {}, 200)


def _page(typed: Mapping[str, str], problems: dict[str, str], status: int) -> ResponseReturnValue:
    with station().db.reading() as session:
        rules = outbox.rules_of(session, me().id)
        sent = service.deliveries(session, me().id)
        rows = service.channels(session, me().id)
        mail_missing = not (whole_station.station_row(session) and whole_station.station_row(session).mail_shown)  # type: ignore[union-attr]
        context: dict[str, Any] = {
            "channels": [(row, _state(session, row, sent)) for row in rows],
            "sent": [(delivery, Text.from_json(delivery.content)) for delivery in sent],
        }
    return show(
        "notify/page.html",
        "live",
        status,
        ways=service.ways_for(me()),
        way_of=ways.WAYS,
        least=LEAST,
        rules=typed or {**{k: getattr(rules, k) for k in ("quiet_from", "quiet_until", "danger_wakes", "remind_days")}},
        remind=service.REMIND,
        mail_missing=mail_missing,
        problems=problems,
        shown_by_id={row.id: row.shown for row in rows},
        busy=any(delivery.state is DeliveryState.WAITING for delivery in sent),
        **context,
    )


def _state(session: Session, channel: NotifyChannel, sent: Any) -> dict[str, Any]:
    """What the last message on a channel came to."""
    newest: NotifyDelivery | None = next((d for d in sent if d.channel_id == channel.id), None)
    held = None
    if newest is not None and newest.state is DeliveryState.WAITING:
        held = outbox.held_until(session, newest, channel, schedule.zone(session), now())
    return {"newest": newest, "held": held}


@blueprint.post("/rules")
@signed_in
def save_rules() -> ResponseReturnValue:
    """My nights and reminders."""
    form = request.form.to_dict()
    try:
        with station().db.writing() as session:
            service.save_rules(session, session.get_one(User, me().id), form)
    except ApplianceError as error:
        return _page(form, problems_of(error), error.status)
    return done(gettext("Saved."), "notify.page")


@blueprint.get("/add/<name>")
@signed_in
def add_page(name: str) -> ResponseReturnValue:
    """One more way to be told."""
    way = service.way_for(me(), name)
    first = {"least": Severity.WARNING.value, "solved": "on", "letter": "on" if name == "mail" else ""}
    return _form(way, None, {"server": "https://ntfy.sh", **first}, {}, 200)


@blueprint.post("/add/<name>")
@signed_in
def add(name: str) -> ResponseReturnValue:
    """Keep it, and send a test message right away: a way that was never tried is none."""
    return _save(service.way_for(me(), name), None)


@blueprint.get("/channels/<int:channel_id>")
@signed_in
def one(channel_id: int) -> ResponseReturnValue:
    """Change it; what is secret is not shown again."""
    with station().db.reading() as session:
        row = service.channel_of(session, me(), channel_id)
    way = ways.WAYS[row.kind]
    given = service.given_of(station().places, row)
    typed = {field.name: given.get(field.name, "") for field in way.fields if not field.secret}
    typed |= {"least": row.least.value, "solved": "on" if row.solved else "", "letter": "on" if row.letter else ""}
    return _form(way, row, typed, {}, 200)


@blueprint.post("/channels/<int:channel_id>")
@signed_in
def change(channel_id: int) -> ResponseReturnValue:
    """Keep the change."""
    with station().db.reading() as session:
        row = service.channel_of(session, me(), channel_id)
    return _save(service.way_for(me(), row.kind), row)


def _save(way: ways.Way, row: NotifyChannel | None) -> ResponseReturnValue:
    form = {name: text for name, text in request.form.to_dict().items() if text}
    try:
        with station().db.writing() as session:
            kept = service.save(session, station().places, by(), me(), way, form, row.id if row else None, language())
            service.test(session, me(), kept.id)
    except ApplianceError as error:
        shown = {name: text for name, text in form.items() if name not in {f.name for f in way.fields if f.secret}}
        return _form(way, row, shown, problems_of(error), error.status)
    return done(gettext("Saved. A test message is on its way."), "notify.page")


def _form(
    way: ways.Way, row: NotifyChannel | None, typed: Mapping[str, str], problems: dict[str, str], status: int
) -> ResponseReturnValue:
    with station().db.reading() as session:
        found = whole_station.station_row(session)
    missing = way.name == "mail" and not (found and found.mail_shown)
    return show(
        "notify/channel.html",
        "form",
        status,
        way=way,
        row=row,
        typed=typed,
        problems=problems,
        least=LEAST,
        mail_missing=missing,
    )


@blueprint.post("/channels/<int:channel_id>/test")
@signed_in
def test(channel_id: int) -> ResponseReturnValue:
    """Send a test message; its outcome appears on the page."""
    try:
        with station().db.writing() as session:
            service.test(session, me(), channel_id)
    except ApplianceError as error:
        return not_done(error, "notify.page")
    return done(gettext("A test message is on its way."), "notify.page")


@blueprint.post("/channels/<int:channel_id>/remove")
@signed_in
def remove(channel_id: int) -> ResponseReturnValue:
    """No more messages there."""
    with station().db.writing() as session:
        service.remove(session, by(), me(), channel_id)
    return done(gettext("Removed. Nothing more is sent there."), "notify.page")


@blueprint.post("/deliveries/<int:delivery_id>/again")
@signed_in
def again(delivery_id: int) -> ResponseReturnValue:
    """Send once more what did not arrive."""
    with station().db.writing() as session:
        service.again(session, me(), delivery_id)
    return done(gettext("It is tried again now."), "notify.page")


@blueprint.get("/letter")
@signed_in
def letter() -> ResponseReturnValue:
    """What the letter says today."""
    with station().db.reading() as session:
        text = letters.write(session, station().places, me(), now())
        wanted = [row.shown for row in service.channels(session, me().id) if row.letter]
        plan = next((s for s in schedule.listing(session) if s.lock == LOCK), None)
    words = (
        schedule.plan_of(plan).words()
        if plan
        else Message(N_("Every month on day {day} at {time}"), {"day": 1, "time": "08:30"})
    )
    return show("notify/letter.html", "", text=text, wanted=wanted, words=words, plan=plan)


@blueprint.post("/letter")
@signed_in
def send_letter() -> ResponseReturnValue:
    """Send it now, to me."""
    moment = now()
    with station().db.writing() as session:
        text = letters.write(session, station().places, me(), moment)
        wanted = [row for row in service.channels(session, me().id) if row.letter]
        for row in wanted:
            service.post_letter(session, row, text, f"{outbox.ASKED_FOR}{moment:%Y%m%d%H%M%S%f}")
        if wanted:
            outbox.queue(session, asked_by=me().id)
    if not wanted:
        return done(gettext("Choose first where it shall go."), "notify.letter")
    return done(gettext("The letter is on its way."), "notify.page")
