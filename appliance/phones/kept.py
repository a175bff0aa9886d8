"""The audit of a long list, kept: looking for a hundred thousand files takes a quarter of a minute.

A short list is looked through while somebody waits.  Of a long one the last result is shown at once, with its time, and
a job makes the next one when the list has grown or some minutes have passed.
"""

import contextlib
from collections import Counter
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.jobs import service
from appliance.jobs.models import ACTIVE, Job
from appliance.people.models import User
from appliance.phones import audit, ledger
from appliance.phones.audit import Report, State
from appliance.phones.models import Phone, PhoneReport
from appliance.places import Places
from appliance.words import N_, Message

JOB = "phones.audit"
AT_ONCE = 3000  # items that somebody waits for
FRESH = timedelta(minutes=10)


class Latest(NamedTuple):
    """What is known of a phone now.  ``made`` None: nothing was counted yet; ``again``: it is being counted."""

    report: Report
    made: datetime | None
    again: bool


def latest(session: Session, places: Places, user: User, phone: Phone) -> Latest:
    """The audit of a phone, made now or kept; see :func:`wanted` for what a long list needs besides."""
    if ledger.count(session, phone.id) <= AT_ONCE:
        return Latest(audit.report(session, places, user, phone.id), now(), False)
    again = bool(session.scalar(select(Job.id).where(Job.lock == _lock(phone.id), Job.state.in_(ACTIVE)).limit(1)))
    row = session.get(PhoneReport, phone.id)
    return Latest(_from_json(row.facts), row.made, again) if row else Latest(Report(), None, again)


def wanted(session: Session, phone: Phone) -> bool:
    """Whether a long list should be looked through again; see :func:`start`."""
    count = ledger.count(session, phone.id)
    if count <= AT_ONCE:
        return False
    row = session.get(PhoneReport, phone.id)
    return row is None or row.items != count or abs(now() - row.made) > FRESH


def start(session: Session, phone: Phone) -> None:
    """Have it looked through; one at a time for each phone."""
    title = Message(N_("Looking for what “{phone}” has sent"), {"phone": phone.name})
    with contextlib.suppress(service.AlreadyRunning):
        arguments = {"phone_id": phone.id}
        service.start(
            session,
            JOB,
            title=title,
            lock=_lock(phone.id),
            arguments=arguments,
            asked_by=phone.user_id,
            told_others=N_("Looking for what a phone has sent"),
        )


def keep(session: Session, phone_id: int, items: int, report: Report) -> None:
    """Write a result down; a phone that was forgotten meanwhile has none."""
    if session.get(Phone, phone_id) is not None:
        session.merge(PhoneReport(phone_id=phone_id, made=now(), items=items, facts=_as_json(report)))


def _lock(phone_id: int) -> str:
    return f"{JOB}:{phone_id}"


def _as_json(report: Report) -> dict[str, Any]:
    told = asdict(report)
    told["in_copies"] = {str(copies): number for copies, number in report.in_copies.items()}
    told["states"] = {state.value: number for state, number in report.states.items()}
    for name in ("proven_from", "proven_to"):
        told[name] = told[name].isoformat() if told[name] else None
    return told


def _from_json(told: dict[str, Any]) -> Report:
    facts = dict(told)
    facts["in_copies"] = Counter({int(copies): number for copies, number in told["in_copies"].items()})
    facts["states"] = Counter({State(state): number for state, number in told["states"].items()})
    facts["unsafe"] = [(name, State(state)) for name, state in told["unsafe"]]
    for name in ("proven_from", "proven_to"):
        facts[name] = datetime.fromisoformat(told[name]) if told[name] else None
    return Report(**facts)
