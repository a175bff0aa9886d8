"""What each channel was told, compared with what is so.

A matter is told once; again when it grew worse, as a reminder after some days, and when it has been over for an hour.
One that comes and goes within half a day is one matter.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.health.models import Severity
from plugins.notify.matters import Matter
from plugins.notify.models import NotifyChannel, NotifyRules, NotifyTold, ToldState

OVER_AFTER = timedelta(hours=1)  # gone for so long is solved
FLAPPING = timedelta(hours=12)  # back within so long is the same matter
TO_TELL = (ToldState.PENDING, ToldState.AGAIN, ToldState.OVER)


def settle(
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


def to_tell(session: Session, channel_id: int) -> Sequence[NotifyTold]:
    """What waits to be told on a channel, the worst first."""
    rows = session.scalars(
        select(NotifyTold).where(NotifyTold.channel_id == channel_id, NotifyTold.state.in_(TO_TELL))
    ).all()
    return sorted(rows, key=lambda row: (list(Severity).index(row.severity), row.since, row.id))


def told(session: Session, ids: Sequence[int], moment: datetime) -> None:
    """These were told: at rest, or forgotten where they said that it is over."""
    for row in session.scalars(select(NotifyTold).where(NotifyTold.id.in_(ids))):
        if row.state is ToldState.OVER:
            session.delete(row)
        else:
            row.state, row.told = ToldState.TOLD, moment


def tell_again(session: Session, channel_id: int, told_at: datetime) -> None:
    """What was given up at this moment, as far as it is still so."""
    wanted = select(NotifyTold).where(
        NotifyTold.channel_id == channel_id, NotifyTold.told == told_at, NotifyTold.state == ToldState.TOLD
    )
    for row in session.scalars(wanted):
        row.state = ToldState.PENDING
