"""What a person does: their channels, their rules, and what they were sent."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance import events, reach, sealed
from appliance.db import now
from appliance.errors import Forbidden, Invalid, NotFound
from appliance.health.models import Severity
from appliance.people.audit import By
from appliance.people.models import Role, User
from appliance.places import Places
from appliance.words import N_, Message
from plugins.notify import outbox, texts, ways
from plugins.notify.models import (
    DeliveryKind,
    DeliveryState,
    NotifyChannel,
    NotifyDelivery,
    NotifyRules,
)
from plugins.notify.quiet import clock
from plugins.notify.ways import WAYS, Way

if TYPE_CHECKING:
    pass

PURPOSE = "messages"
LANGUAGE = "language"  # kept with the form's fields
MOST_CHANNELS = 10
REMIND = (0, 3, 7, 14, 30)


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
    session: Session,
    places: Places,
    by: By,
    user: User,
    way: Way,
    form: Mapping[str, str],
    channel_id: int | None,
    language: str = "",
) -> NotifyChannel:
    """Add a channel or change one.  Raises Invalid with every problem.  The audit log hears of no address.

    ``language``: what the person reads here; counts for messages as long as they have not chosen one.
    """
    row = channel_of(session, user, channel_id) if channel_id else None
    if row is None and len(channels(session, user.id)) >= MOST_CHANNELS:
        raise Invalid({"": N_("There are too many already. Remove one that you do not need.")})
    given = ways.checked(way, form, given_of(places, row) if row else {})
    _outside(user, way, given)
    if row is None:
        row = NotifyChannel(user_id=user.id, kind=way.name)
        session.add(row)
    row.shown = ways.shown(way, given)[:200]
    row.sealed = sealed.seal(places, PURPOSE, json.dumps(given | {LANGUAGE: language}))
    row.least = _severity(form.get("least", ""))
    row.solved, row.letter = "solved" in form, "letter" in form
    row.failing = row.problem = None
    session.flush()
    outbox.hurry(session, row, now())
    note(session, by, N_("{name} chose how to be told ({way})."), name=user.name, way=Message(way.title))
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
    note(session, by, N_("{name} is no longer told by {way}."), name=user.name, way=way)


def test(session: Session, user: User, channel_id: int) -> NotifyDelivery:
    """Send a test message; the page shows what becomes of it.  One that waits is tried now, instead of a second."""
    row, moment = channel_of(session, user, channel_id), now()
    waiting = session.scalars(
        select(NotifyDelivery).where(
            NotifyDelivery.channel_id == row.id,
            NotifyDelivery.kind == DeliveryKind.TEST,
            NotifyDelivery.state == DeliveryState.WAITING,
        )
    ).first()
    if waiting is None:
        waiting = _post(session, row, DeliveryKind.TEST, f"{moment:%Y%m%d%H%M%S%f}", texts.trial())
    waiting.next_try = moment
    outbox.queue(session, asked_by=user.id)
    return waiting


def post_letter(session: Session, channel: NotifyChannel, text: texts.Text, key: str) -> bool:
    """Put a letter into the outbox; False when this month's is there already."""
    there = select(NotifyDelivery.id).where(
        NotifyDelivery.channel_id == channel.id, NotifyDelivery.kind == DeliveryKind.LETTER, NotifyDelivery.key == key
    )
    if session.scalar(there) is not None:
        return False
    _post(session, channel, DeliveryKind.LETTER, key, text)
    return True


def _post(session: Session, channel: NotifyChannel, kind: DeliveryKind, key: str, text: texts.Text) -> NotifyDelivery:
    row = NotifyDelivery(channel_id=channel.id, kind=kind, key=key, content=text.as_json())
    session.add(row)
    session.flush()
    return row


def deliveries(session: Session, user_id: int, most: int = 20, before: int | None = None) -> Sequence[NotifyDelivery]:
    """What a person was sent, the newest first; ``before`` is the id of the last one already seen."""
    wanted = (
        select(NotifyDelivery)
        .join(NotifyChannel, NotifyChannel.id == NotifyDelivery.channel_id)
        .where(NotifyChannel.user_id == user_id, NotifyDelivery.state != DeliveryState.DROPPED)
        .order_by(NotifyDelivery.id.desc())
        .limit(most)
    )
    return session.scalars(wanted if before is None else wanted.where(NotifyDelivery.id < before)).all()


def again(session: Session, user: User, delivery_id: int) -> NotifyDelivery:
    """Send once more what did not arrive.  Raises NotFound for somebody else's."""
    row = session.get(NotifyDelivery, delivery_id)
    if row is None:
        raise NotFound(what="message")
    channel_of(session, user, row.channel_id)
    outbox.again(session, row, now())
    return row


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


def note(session: Session, by: By, template: str, **fields: Any) -> None:
    """For the audit log; it hears of no address and no secret."""
    events.record(session, "messages.changed", template, actor_id=by.user_id, address=by.address, **fields)
