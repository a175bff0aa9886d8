"""Who is told what, and when.  All of it is rows, and what is told follows from what is so, not from events.

* ``settle_accounts`` compares what is so with what a channel was told.  A matter is told once; again when it grew
  worse, as a reminder after some days, and when it has been over for an hour.  One that comes and goes within half a
  day is one matter.
* News of a channel wait in one delivery and are written when it is sent: whatever came up meanwhile is in it, whatever
  was solved meanwhile is not, and after a day without a mail server one message comes, not ten.
* A try is counted and committed before it is made.  What is true if the plug is pulled there: the message comes again
  after its pause, never at once and never without end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.health.models import Severity
from appliance.jobs import schedule
from appliance.jobs import service as jobs
from appliance.people.models import User, UserState
from appliance.words import N_, Message
from plugins.notify import heartbeat, matters, texts
from plugins.notify.matters import Matter
from plugins.notify.models import (
    DeliveryKind,
    DeliveryState,
    NotifyChannel,
    NotifyDelivery,
    NotifyRules,
    NotifyTold,
    ToldState,
)
from plugins.notify.quiet import quiet_until

OVER_AFTER = timedelta(hours=1)  # gone for so long is solved
FLAPPING = timedelta(hours=12)  # back within so long is the same matter
PAUSES = tuple(timedelta(minutes=m) for m in (1, 5, 15, 30, 60, 120, 240, 360))
SLOW_PAUSE = timedelta(hours=6)
GIVE_UP_AFTER = timedelta(days=3)
GAPS = {Severity.DANGER: timedelta(minutes=1)}  # between two messages of news on a channel
USUAL_GAP = timedelta(minutes=10)
KEPT_DELIVERIES = 200
LOCKS = ("notify", "notify again")
TO_TELL = (ToldState.PENDING, ToldState.AGAIN, ToldState.OVER)


@dataclass(frozen=True)
class Envelope:
    """A delivery whose try has been counted, with all that sending it takes."""

    delivery: NotifyDelivery
    channel: NotifyChannel
    user: User
    told: tuple[int, ...]  # rows of news that it tells of


def queue(session: Session, asked_by: int | None = None) -> None:
    """Have the job look.  While one is at work a second waits for its end, so nothing falls between two looks."""
    for lock in LOCKS:
        try:
            jobs.start(session, "notify.send", title=Message(N_("Send messages")), lock=lock, asked_by=asked_by)
            return
        except jobs.AlreadyRunning:
            continue


def queue_if_anybody_listens(session: Session) -> None:
    """For the hook: cheap, and nothing at all on a station without channels."""
    if session.scalar(select(NotifyChannel.id).limit(1)) is not None:
        queue(session)


def look(session: Session) -> None:
    """Every half hour: plan, and have sent what is due now."""
    from plugins.notify import calendar

    calendar.ensure(session)
    moment = now()
    plan(session, moment)
    if heartbeat.is_due(session, moment) or next_due(session, moment) is not None:
        queue(session)


def plan(session: Session, moment: datetime) -> None:
    """Bring every channel's accounts and deliveries up to date."""
    channels = session.scalars(select(NotifyChannel).order_by(NotifyChannel.id)).all()
    station = matters.of_station(session, moment) if channels else []
    for channel in channels:
        user = session.get_one(User, channel.user_id)
        if user.state is not UserState.ACTIVE:
            continue
        own = list(matters.of_person(session, user, moment))
        rules = session.get(NotifyRules, user.id) or default_rules(user.id)
        settle_accounts(session, channel, matters.of_channel(channel, station, own, user.role), rules, moment)
        _plan_news(session, channel, moment)
    _prune(session)


def default_rules(user_id: int) -> NotifyRules:
    """Of somebody who never chose."""
    return NotifyRules(user_id=user_id, quiet_from="", quiet_until="", danger_wakes=True, remind_days=7)


def settle_accounts(
    session: Session, channel: NotifyChannel, found: Sequence[Matter], rules: NotifyRules, moment: datetime
) -> None:
    """Compare what is so with what this channel was told."""
    rows = session.scalars(select(NotifyTold).where(NotifyTold.channel_id == channel.id)).all()
    known = {(row.code, row.subject): row for row in rows}
    for matter in found:
        row = known.pop((matter.code, matter.subject), None)
        if row is None:
            if not matter.aside:
                session.add(_new(channel, matter, moment))
            continue
        _still_so(session, row, matter, rules, moment)
    for row in known.values():
        _no_longer(session, channel, row, moment)
    session.flush()


def _new(channel: NotifyChannel, matter: Matter, moment: datetime) -> NotifyTold:
    return NotifyTold(
        channel_id=channel.id,
        code=matter.code,
        subject=matter.subject,
        severity=matter.severity,
        message=matter.message,
        hint=matter.hint,
        since=moment,
    )


def _still_so(session: Session, row: NotifyTold, matter: Matter, rules: NotifyRules, moment: datetime) -> None:
    if matter.aside:
        if row.state is ToldState.PENDING and row.told is None:
            session.delete(row)  # put off before anybody was told
        elif row.state is not ToldState.TOLD:
            row.state = ToldState.TOLD
        return
    order = list(Severity)
    worse = order.index(matter.severity) < order.index(row.severity)
    row.severity, row.message, row.hint, row.gone = matter.severity, matter.message, matter.hint, None
    if row.told is not None and row.told > moment:  # the clock was wrong then
        row.told = moment
    if worse:
        row.state = ToldState.PENDING
    elif row.state is ToldState.OVER:
        row.state = ToldState.TOLD
    elif row.state is ToldState.TOLD and rules.remind_days and row.told is not None:
        is_time = moment - row.told >= timedelta(days=rules.remind_days)
        row.state = ToldState.AGAIN if is_time else ToldState.TOLD


def _no_longer(session: Session, channel: NotifyChannel, row: NotifyTold, moment: datetime) -> None:
    if row.told is None:
        session.delete(row)
        return
    row.gone = row.gone if row.gone is not None and row.gone <= moment else moment
    if row.state is not ToldState.OVER:
        row.state = ToldState.TOLD
    gone_for = moment - row.gone
    if channel.solved and gone_for >= OVER_AFTER:
        row.state = ToldState.OVER
    elif gone_for >= FLAPPING:
        session.delete(row)


def _plan_news(session: Session, channel: NotifyChannel, moment: datetime) -> None:
    """Exactly one waiting delivery where there is something to tell, none where there is not."""
    rows = _to_tell(session, channel.id)
    waiting = session.scalar(
        select(NotifyDelivery).where(
            NotifyDelivery.channel_id == channel.id,
            NotifyDelivery.kind == DeliveryKind.NEWS,
            NotifyDelivery.state == DeliveryState.WAITING,
        )
    )
    if not rows:
        if waiting is not None:
            waiting.state, waiting.ended = DeliveryState.DROPPED, moment
        return
    order = list(Severity)
    worst = min(
        (row.severity for row in rows if row.state is not ToldState.OVER), key=order.index, default=Severity.NOTICE
    )
    if waiting is None:
        waiting = NotifyDelivery(channel_id=channel.id, kind=DeliveryKind.NEWS, key=f"{moment:%Y%m%d%H%M%S%f}")
        waiting.next_try = _after_the_last(session, channel.id, worst, moment)
        waiting.severity = worst
        session.add(waiting)
    elif order.index(worst) < order.index(waiting.severity):  # what came up cannot wait so long
        waiting.next_try = min(waiting.next_try, _after_the_last(session, channel.id, worst, moment))
    waiting.severity = worst
    waiting.content = texts.news(rows).as_json()
    session.flush()


def _after_the_last(session: Session, channel_id: int, worst: Severity, moment: datetime) -> datetime:
    """Not right after the message before: what comes in a row is told together."""
    last = session.scalar(
        select(func.max(NotifyDelivery.ended)).where(
            NotifyDelivery.channel_id == channel_id,
            NotifyDelivery.kind == DeliveryKind.NEWS,
            NotifyDelivery.state == DeliveryState.SENT,
            NotifyDelivery.ended <= moment,
        )
    )
    return max(moment, last + GAPS.get(worst, USUAL_GAP)) if last else moment


def _to_tell(session: Session, channel_id: int) -> Sequence[NotifyTold]:
    rows = session.scalars(
        select(NotifyTold).where(NotifyTold.channel_id == channel_id, NotifyTold.state.in_(TO_TELL))
    ).all()
    return sorted(rows, key=lambda row: (list(Severity).index(row.severity), row.since, row.id))


def next_due(session: Session, moment: datetime) -> NotifyDelivery | None:
    """The first delivery that may be tried now; nights are obeyed."""
    waiting = session.execute(
        select(NotifyDelivery, NotifyChannel.user_id)
        .join(NotifyChannel, NotifyChannel.id == NotifyDelivery.channel_id)
        .join(User, User.id == NotifyChannel.user_id)
        .where(NotifyDelivery.state == DeliveryState.WAITING, User.state == UserState.ACTIVE)
        .order_by(NotifyDelivery.next_try, NotifyDelivery.id)
    ).all()
    zone = schedule.zone(session)
    for delivery, user_id in waiting:
        too_far = delivery.next_try > moment + SLOW_PAUSE  # the clock was ahead then
        if (delivery.next_try <= moment or too_far) and held_until(session, delivery, user_id, zone, moment) is None:
            return delivery
    return None


def held_until(
    session: Session, delivery: NotifyDelivery, user_id: int, zone: tzinfo, moment: datetime
) -> datetime | None:
    """When the night ends that keeps a delivery back; None when nothing does."""
    rules = session.get(NotifyRules, user_id)
    if rules is None or delivery.kind is DeliveryKind.TEST:
        return None
    if delivery.severity is Severity.DANGER and rules.danger_wakes:
        return None
    return quiet_until(rules.quiet_from, rules.quiet_until, moment, zone)


def take(session: Session, moment: datetime) -> Envelope | None:
    """Count the try of the next delivery; its bytes go out only after this is committed."""
    delivery = next_due(session, moment)
    if delivery is None:
        return None
    delivery.attempts += 1
    delivery.next_try = moment + PAUSES[min(delivery.attempts, len(PAUSES)) - 1]
    channel = session.get_one(NotifyChannel, delivery.channel_id)
    told = tuple(row.id for row in _to_tell(session, channel.id)) if delivery.kind is DeliveryKind.NEWS else ()
    return Envelope(delivery, channel, session.get_one(User, channel.user_id), told)


def arrived(session: Session, envelope: Envelope, moment: datetime) -> None:
    """It is out of the house."""
    delivery = session.get(NotifyDelivery, envelope.delivery.id)
    channel = session.get(NotifyChannel, envelope.channel.id)
    if delivery is None or channel is None:  # removed meanwhile
        return
    delivery.state, delivery.ended, delivery.problem = DeliveryState.SENT, moment, None
    channel.arrived, channel.failing, channel.problem = moment, None, None
    _told(session, envelope, moment)


def failed(session: Session, envelope: Envelope, why: Message, *, slow: bool, moment: datetime) -> None:
    """It is not: after a pause once more, until it is given up."""
    delivery = session.get(NotifyDelivery, envelope.delivery.id)
    channel = session.get(NotifyChannel, envelope.channel.id)
    if delivery is None or channel is None:
        return
    delivery.problem = channel.problem = why
    channel.failing = channel.failing or moment
    if slow:
        delivery.next_try = moment + SLOW_PAUSE
    if delivery.kind is DeliveryKind.TEST or moment - delivery.created >= GIVE_UP_AFTER:
        delivery.state, delivery.ended = DeliveryState.GIVEN_UP, moment
        _told(session, envelope, moment)  # the reminder is the next occasion


def _told(session: Session, envelope: Envelope, moment: datetime) -> None:
    for row in session.scalars(select(NotifyTold).where(NotifyTold.id.in_(envelope.told))):
        if row.state is ToldState.OVER:
            session.delete(row)
        else:
            row.state, row.told = ToldState.TOLD, moment


def _prune(session: Session) -> None:
    """Forget the oldest that have ended."""
    old = (
        select(NotifyDelivery.id)
        .where(NotifyDelivery.state != DeliveryState.WAITING, NotifyDelivery.kind != DeliveryKind.LETTER)
        .order_by(NotifyDelivery.id.desc())
        .offset(KEPT_DELIVERIES)
    )
    session.execute(delete(NotifyDelivery).where(NotifyDelivery.id.in_(old.scalar_subquery())))
