"""When the letter is written: a schedule like every other, made once; an admin may move it."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.jobs import schedule
from appliance.jobs.models import Schedule
from appliance.jobs.plan import Plan, Rhythm
from appliance.words import N_, Message

LOCK = "notify:letter"
FIRST_DAY = Plan(Rhythm.MONTHLY, hour=8, minute=30, day=1)


def ensure(session: Session) -> None:
    """The schedule, unless there is one already, whatever it says."""
    if session.scalar(select(Schedule.id).where(Schedule.lock == LOCK)) is None:
        title = Message(N_("Write the monthly letter"))
        schedule.upsert(session, "notify.letter", LOCK, FIRST_DAY, title=title)
