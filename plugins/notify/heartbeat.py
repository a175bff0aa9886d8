"""The sign of life: an outside service is called every few hours, and tells somebody when the calls stop.

It is given only while the station is well.  That the worker lives is shown by this running at all, that the database
can be written by the row that counts the try before it is made; and no copy may be overdue, because a station that is
alive and copies nothing is what nobody notices.
"""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.health.models import Issue, Severity
from appliance.words import Message
from plugins.notify.models import NotifyStation

STATION = 1
AGAIN_AFTER = timedelta(minutes=30)  # when it did not get out
NOT_WELL = ("backup_overdue", "jobs_not_started")


def due_at(row: NotifyStation) -> datetime | None:
    """When the next sign is due; None when none is wanted."""
    if row.signal is None:
        return None
    if row.signal_tried is None:
        return row.signal_tried
    pause = AGAIN_AFTER if row.signal_problem is not None else timedelta(hours=row.signal_hours)
    return row.signal_tried + pause


def is_due(session: Session, moment: datetime) -> bool:
    """Whether a sign is to be given now; the tick comes every half hour, so a few minutes early is in time."""
    row = session.get(NotifyStation, STATION)
    if row is None or row.signal is None:
        return False
    at = due_at(row)
    return at is None or not moment + timedelta(minutes=5) < at <= moment + timedelta(days=2)


def not_well(session: Session) -> Message | None:
    """Why no sign is given; None while the station is well."""
    issue = session.scalars(
        select(Issue)
        .where((Issue.code.in_(NOT_WELL)) | (Issue.severity == Severity.DANGER))
        .order_by(Issue.first_seen)
        .limit(1)
    ).first()
    return issue.message if issue else None
