"""Who is told what, and when.  All of it is rows, and what is told follows from what is so, not from events.

* ``accounts`` compares what is so with what a channel was told.
* News of a channel wait in one delivery and are written when it is sent: whatever came up meanwhile is in it, whatever
  was solved meanwhile is not, and after a day without a mail server one message comes, not ten.
* A try is counted and committed before it is made.  What is true if the plug is pulled there: the message comes again
  after its pause, never at once and never without end.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.health.models import Severity
from appliance.jobs import schedule
from appliance.jobs import service as jobs
from appliance.people.models import User, UserState
from appliance.words import N_, Message
from plugins.notify import accounts, heartbeat, matters, texts
from plugins.notify.models import (
    DeliveryKind,
    DeliveryState,
    NotifyChannel,
    NotifyDelivery,
    NotifyRules,
    ToldState,
)
from plugins.notify.quiet import quiet_until
from plugins.notify.ways import WAYS

PAUSES = tuple(timedelta(minutes=m) for m in (1, 5, 15, 30, 60, 120, 240, 360))
SLOW_PAUSE = timedelta(hours=6)
GIVE_UP_AFTER = timedelta(days=3)
GAPS = {Severity.DANGER: timedelta(minutes=1)}  # between two messages of news on a channel
USUAL_GAP = timedelta(minutes=10)
TEST_TRIES = 3
KEPT_DELIVERIES = 50  # of each channel
KEPT_LETTERS = 24
ASKED_FOR = "now-"  # begins the key of a letter that somebody is waiting for, whatever the hour
LOCKS = ("notify", "notify again")


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
        rules = rules_of(session, user.id)
        accounts.settle(session, channel, matters.of_channel(channel, station, own, user.role), rules, moment)
        _plan_news(session, channel, moment)
        _prune(session, channel)


def rules_of(session: Session, user_id: int) -> NotifyRules:
    """A person's rules; of somebody who never chose, those of a usual night."""
    usual = NotifyRules(user_id=user_id, quiet_from="22:00", quiet_until="07:00", danger_wakes=True, remind_days=7)
    return session.get(NotifyRules, user_id) or usual


def _plan_news(session: Session, channel: NotifyChannel, moment: datetime) -> None:
    """Exactly one waiting delivery where there is something to tell, none where there is not."""
    rows = accounts.to_tell(session, channel.id)
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


def next_due(session: Session, moment: datetime) -> NotifyDelivery | None:
    """The first delivery that may be tried now; nights are obeyed."""
    waiting = session.execute(
        select(NotifyDelivery, NotifyChannel)
        .join(NotifyChannel, NotifyChannel.id == NotifyDelivery.channel_id)
        .join(User, User.id == NotifyChannel.user_id)
        .where(NotifyDelivery.state == DeliveryState.WAITING, User.state == UserState.ACTIVE)
        .order_by(NotifyDelivery.next_try, NotifyDelivery.id)
    ).all()
    zone = schedule.zone(session)
    for delivery, channel in waiting:
        too_far = delivery.next_try > moment + SLOW_PAUSE  # the clock was ahead then
        if (delivery.next_try <= moment or too_far) and held_until(session, delivery, channel, zone, moment) is None:
            return delivery
    return None


def held_until(
    session: Session, delivery: NotifyDelivery, channel: NotifyChannel, zone: tzinfo, moment: datetime
) -> datetime | None:
    """When the night ends that keeps a delivery back; None when nothing does."""
    if delivery.kind is DeliveryKind.TEST or delivery.key.startswith(ASKED_FOR) or not WAYS[channel.kind].wakes:
        return None
    rules = rules_of(session, channel.user_id)
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
    told = tuple(row.id for row in accounts.to_tell(session, channel.id)) if delivery.kind is DeliveryKind.NEWS else ()
    return Envelope(delivery, channel, session.get_one(User, channel.user_id), told)


def arrived(session: Session, envelope: Envelope, moment: datetime) -> None:
    """It is out of the house."""
    delivery = session.get(NotifyDelivery, envelope.delivery.id)
    channel = session.get(NotifyChannel, envelope.channel.id)
    if delivery is None or channel is None:  # removed meanwhile
        return
    delivery.state, delivery.ended, delivery.problem = DeliveryState.SENT, moment, None
    channel.arrived, channel.failing, channel.problem = moment, None, None
    accounts.told(session, envelope.told, moment)


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
    for_nothing = delivery.attempts >= TEST_TRIES or slow  # somebody is looking at it
    if (delivery.kind is DeliveryKind.TEST and for_nothing) or moment - delivery.created >= GIVE_UP_AFTER:
        delivery.state, delivery.ended = DeliveryState.GIVEN_UP, moment
        accounts.told(session, envelope.told, moment)  # the reminder is the next occasion


def hurry(session: Session, channel: NotifyChannel, moment: datetime) -> None:
    """Whatever waits on a channel is tried now: its address or its server is another, or somebody asked."""
    session.execute(
        update(NotifyDelivery)
        .where(NotifyDelivery.channel_id == channel.id, NotifyDelivery.state == DeliveryState.WAITING)
        .values(next_try=moment)
    )


def again(session: Session, delivery: NotifyDelivery, moment: datetime) -> None:
    """Try one now that waits or was given up.  News tell what is still so; a delivery that arrived stays as it is."""
    if delivery.state is DeliveryState.WAITING:
        delivery.next_try = moment
    elif delivery.state is DeliveryState.GIVEN_UP and delivery.kind is DeliveryKind.NEWS:
        accounts.tell_again(session, delivery.channel_id, delivery.ended or moment)
    elif delivery.state is DeliveryState.GIVEN_UP:
        delivery.state, delivery.ended, delivery.attempts = DeliveryState.WAITING, None, 0
        delivery.created = delivery.next_try = moment
    queue(session)


def _prune(session: Session, channel: NotifyChannel) -> None:
    """Forget the oldest that have ended; letters later, so that no month gets two."""
    for kinds, most in (
        ([DeliveryKind.LETTER], KEPT_LETTERS),
        ([DeliveryKind.NEWS, DeliveryKind.TEST], KEPT_DELIVERIES),
    ):
        old = (
            select(NotifyDelivery.id)
            .where(NotifyDelivery.channel_id == channel.id, NotifyDelivery.kind.in_(kinds))
            .where(NotifyDelivery.state != DeliveryState.WAITING)
            .order_by(NotifyDelivery.id.desc())
            .offset(most)
        )
        session.execute(delete(NotifyDelivery).where(NotifyDelivery.id.in_(old.scalar_subquery())))
