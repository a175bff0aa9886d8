"""Messages by the API: ways to be told, nights, what was sent and what failed, the letter; for admins the station.

Everything is as on the pages, and for the same people.  Nothing that is secret comes back out, not even to whoever
typed it: of a way the answer has what it is called, and the fields that are no secret.
"""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from appliance.db import now
from appliance.errors import Invalid
from appliance.health.models import Severity
from appliance.words import N_, Message
from console.access import admin_only, by, me
from console.api.routes import Room
from console.station import station
from console.translate import language
from plugins.notify import heartbeat, letter, outbox, service, whole_station
from plugins.notify.models import DeliveryKind, DeliveryState, NotifyChannel, NotifyDelivery
from plugins.notify.texts import Text
from plugins.notify.ways import WAYS, Way

room = Room(plugin="notify")
MOST = 200


@dataclass(frozen=True)
class FieldView:
    """One thing that a way needs to know; a ``secret`` one is never told again."""

    name: str
    title: Message
    secret: bool
    needed: bool
    example: str


@dataclass(frozen=True)
class KindView:
    """A kind of way that you may add, and what it needs."""

    kind: str
    title: Message
    help: Message
    fields: list[FieldView]


@dataclass(frozen=True)
class NewWay:
    """``given``: by field name.  ``least``: the least severity that is told there; ``solved``: also when it is over."""

    kind: str
    given: dict[str, str]
    least: Severity = Severity.WARNING
    solved: bool = True
    letter: bool = True


@dataclass(frozen=True)
class ChangedWay:
    """All of it anew, but a secret that is left out stays as it was."""

    given: dict[str, str] = field(default_factory=dict)
    least: Severity = Severity.WARNING
    solved: bool = True
    letter: bool = True


@dataclass(frozen=True)
class WayView:
    """``failing``: since when nothing arrives there, and ``problem`` why; both are null when all is well."""

    id: int
    kind: str
    shown: str
    given: dict[str, str]
    least: Severity
    solved: bool
    letter: bool
    arrived: datetime | None
    failing: datetime | None
    problem: Message | None


@dataclass(frozen=True)
class Rules:
    """A night from ``22:00`` to ``07:00``, both "" for none; ``remind_days`` is 0, 3, 7, 14 or 30, and 0 is never."""

    quiet_from: str
    quiet_until: str
    danger_wakes: bool = True
    remind_days: int = 7


@dataclass(frozen=True)
class DeliveryView:
    """A message on its way; ``problem`` is that of the last try, ``next_try`` null when there is none any more."""

    id: int
    way_id: int
    kind: DeliveryKind
    state: DeliveryState
    severity: Severity
    subject: Message
    attempts: int
    problem: Message | None
    created: datetime
    ended: datetime | None
    next_try: datetime | None


@dataclass(frozen=True)
class DeliveriesQuery:
    """``before``: those that are older than this one."""

    before: int | None = None
    limit: int = 50


@dataclass(frozen=True)
class PartView:
    """Sentences that belong together."""

    head: Message | None
    lines: list[Message]
    hint: Message | None


@dataclass(frozen=True)
class LetterView:
    """What the monthly letter says today."""

    subject: Message
    parts: list[PartView]


@dataclass(frozen=True)
class MailServer:
    """``security`` is tls, starttls or plain; no password keeps the one there is, as long as host and user stay."""

    host: str
    sender: str
    port: int = 465
    security: str = "tls"
    user: str = ""
    password: str = ""
    sender_name: str = ""
    certificate: str = ""


@dataclass(frozen=True)
class SignOfLife:
    """``address`` "" keeps the one there is; ``hours`` is 1, 3, 6, 12 or 24."""

    address: str = ""
    hours: int = 6


@dataclass(frozen=True)
class StationView:
    """Hosts only: where mail leaves, and who hears the sign of life.  ``held_back``: why none is given now."""

    mail_server: str
    signal: str
    signal_hours: int
    signal_arrived: datetime | None
    signal_failing: datetime | None
    signal_problem: Message | None
    held_back: Message | None


def _way(row: NotifyChannel) -> WayView:
    given = service.given_of(station().places, row)
    open_ones = {one.name: given.get(one.name, "") for one in WAYS[row.kind].fields if not one.secret}
    return WayView(
        row.id, row.kind, row.shown, open_ones, row.least, row.solved, row.letter, row.arrived, row.failing, row.problem
    )


def _delivery(row: NotifyDelivery) -> DeliveryView:
    waiting = row.state is DeliveryState.WAITING
    return DeliveryView(
        row.id, row.channel_id, row.kind, row.state, row.severity, Text.from_json(row.content).subject, row.attempts,
        row.problem, row.created, row.ended, row.next_try if waiting else None,
    )  # fmt: skip


def _form(way: Way, body: NewWay | ChangedWay) -> dict[str, str]:
    """As the page would have sent it."""
    known = {one.name for one in way.fields}
    if unknown := set(body.given) - known:
        raise Invalid({f"given.{name}": N_("There is no such field.") for name in unknown})
    ticked = {name: "on" for name in ("solved", "letter") if getattr(body, name)}
    return body.given | ticked | {"least": body.least.value}


def _save(session: Session, way: Way, body: NewWay | ChangedWay, way_id: int | None) -> WayView:
    kept = service.save(session, station().places, by(), me(), way, _form(way, body), way_id, language())
    return _way(kept)


@room.route("GET", "/kinds", summary="Kinds of ways to be told, and what each needs")
def kinds() -> list[KindView]:
    """Those that you may add."""
    return [
        KindView(
            way.name,
            Message(way.title),
            Message(way.help),
            [FieldView(one.name, Message(one.title), one.secret, one.needed, one.example) for one in way.fields],
        )
        for way in service.ways_for(me())
    ]


@room.route("GET", "/ways", summary="My ways to be told")
def ways() -> list[WayView]:
    """In the order they were added."""
    with station().db.reading() as session:
        return [_way(row) for row in service.channels(session, me().id)]


@room.route("POST", "/ways", summary="Add a way to be told", status=201)
def add(body: NewWay) -> WayView:
    """What is open now is told there as well; a test message is sent when you ask for it."""
    way = service.way_for(me(), body.kind)
    with station().db.writing() as session:
        return _save(session, way, body, None)


@room.route("PUT", "/ways/<int:way_id>", summary="Change a way to be told")
def change(way_id: int, body: ChangedWay) -> WayView:
    """What waits there is tried at once."""
    with station().db.writing() as session:
        row = service.channel_of(session, me(), way_id)
        return _save(session, service.way_for(me(), row.kind), body, way_id)


@room.route("DELETE", "/ways/<int:way_id>", summary="Remove a way to be told", status=204)
def remove(way_id: int) -> None:
    """Nothing more is sent there."""
    with station().db.writing() as session:
        service.remove(session, by(), me(), way_id)


@room.route("POST", "/ways/<int:way_id>/test", summary="Send a test message", status=202)
def test(way_id: int) -> DeliveryView:
    """What becomes of it is seen under ``/deliveries``."""
    with station().db.writing() as session:
        return _delivery(service.test(session, me(), way_id))


@room.route("GET", "/rules", summary="My nights and reminders")
def rules() -> Rules:
    """Those of a usual night, until you choose."""
    with station().db.reading() as session:
        row = outbox.rules_of(session, me().id)
        return Rules(row.quiet_from, row.quiet_until, row.danger_wakes, row.remind_days)


@room.route("PUT", "/rules", summary="Set my nights and reminders")
def set_rules(body: Rules) -> Rules:
    """For all of my ways."""
    form = {"quiet_from": body.quiet_from, "quiet_until": body.quiet_until, "remind_days": str(body.remind_days)}
    with station().db.writing() as session:
        service.save_rules(session, me(), form | ({"danger_wakes": "on"} if body.danger_wakes else {}))
    return rules()


@room.route("GET", "/deliveries", summary="What I was sent, and what did not arrive")
def deliveries(query: DeliveriesQuery) -> list[DeliveryView]:
    """The newest first."""
    if not 1 <= query.limit <= MOST:
        raise Invalid({"limit": Message(N_("Choose 1 to {most}."), {"most": MOST})})
    with station().db.reading() as session:
        rows = service.deliveries(session, me().id, query.limit, query.before)
        return [_delivery(row) for row in rows]


@room.route("POST", "/deliveries/<int:delivery_id>/again", summary="Send again what did not arrive", status=202)
def again(delivery_id: int) -> DeliveryView:
    """News that were given up are written anew, of what is still so."""
    with station().db.writing() as session:
        return _delivery(service.again(session, me(), delivery_id))


@room.route("GET", "/letter", summary="What the monthly letter says today")
def preview() -> LetterView:
    """To an admin of the whole family, to a member of their own photos."""
    with station().db.reading() as session:
        text = letter.write(session, station().places, me(), now())
    return LetterView(text.subject, [PartView(part.head, list(part.lines), part.hint) for part in text.parts])


@room.route("GET", "/station", summary="What the station sends with", access=admin_only)
def whole() -> StationView:
    """Its mail server and its sign of life."""
    with station().db.reading() as session:
        row, why = whole_station.station_row(session), heartbeat.not_well(session)
        if row is None:
            return StationView("", "", 6, None, None, None, why)
        return StationView(
            row.mail_shown, row.signal_shown, row.signal_hours, row.signal_arrived, row.signal_failing,
            row.signal_problem, why,
        )  # fmt: skip


@room.route("PUT", "/station/mail-server", summary="Set the station's mail server", access=admin_only)
def set_mail_server(body: MailServer) -> StationView:
    """For everybody's mail; what waits is tried at once."""
    form = {
        "host": body.host, "port": str(body.port), "security": body.security, "user": body.user, "sender": body.sender,
        "password": body.password, "sender_name": body.sender_name, "certificate": body.certificate,
    }  # fmt: skip
    with station().db.writing() as session:
        whole_station.save_mail(session, station().places, by(), form)
    return whole()


@room.route("DELETE", "/station/mail-server", summary="Send no mail any more", access=admin_only, status=204)
def remove_mail_server() -> None:
    """Its password is forgotten."""
    with station().db.writing() as session:
        whole_station.save_mail(session, station().places, by(), {"stop": "1"})


@room.route("PUT", "/station/sign-of-life", summary="Set where the sign of life goes", access=admin_only)
def set_signal(body: SignOfLife) -> StationView:
    """The first one is given at once."""
    with station().db.writing() as session:
        form = {"signal": body.address, "signal_hours": str(body.hours)}
        whole_station.save_signal(session, station().places, by(), form)
    return whole()


@room.route("DELETE", "/station/sign-of-life", summary="Give no sign of life any more", access=admin_only, status=204)
def remove_signal() -> None:
    """Its address is forgotten."""
    with station().db.writing() as session:
        whole_station.save_signal(session, station().places, by(), {"stop": "1"})
