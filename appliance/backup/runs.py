"""The rows that tell of runs: opened before anything is done, closed with what is true."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from appliance.backup import policy
from appliance.backup.models import BackupRun, Drill, RunState
from appliance.db import Database, now
from appliance.words import Message

GO, STOP = "go", "stop"
VISIT = "visit"  # in a run's details: the COLD drive was switched on for it
LOST = "lost"  # in a run's details: copies that were found rotten, with no original at hand to repair them
ALLOWANCE = 1.2  # a "go" holds for a plan that is at most this much worse than the one that was asked about


def open_run(db: Database, cold_id: int, job_id: int) -> tuple[int, bool]:
    """(the run's id, whether the last visit to the COLD drive was cut off).  A resumed job keeps its own row."""
    with db.writing() as session:
        unfinished = session.scalars(
            select(BackupRun).where(BackupRun.cold_drive_id == cold_id, BackupRun.state == RunState.RUNNING)
        ).all()
        own = None
        for run in unfinished:
            if run.job_id == job_id:
                own = run
            else:
                run.state, run.finished = RunState.FAILED, now()
        if own is None:
            own = BackupRun(cold_drive_id=cold_id, job_id=job_id)
            session.add(own)
            session.flush()
        return own.id, _was_cut_off(session, cold_id)


def _was_cut_off(session: Session, cold_id: int) -> bool:
    """Whether the COLD drive was last left without a proof: it may lack its manifest and hold what has no row."""
    last = session.scalars(
        select(BackupRun.state)
        .where(BackupRun.cold_drive_id == cold_id, BackupRun.details[VISIT].as_boolean())
        .order_by(BackupRun.id.desc())
        .limit(1)
    ).first()
    return last is not None and last is not RunState.PROVEN


def note(db: Database, run_id: int, **values: Any) -> None:
    """Write down what is known of a run."""
    with db.writing() as session:
        session.execute(update(BackupRun).where(BackupRun.id == run_id).values(**values))


def close(db: Database, run_id: int, state: RunState, **values: Any) -> None:
    """Write down how a run ended."""
    note(db, run_id, state=state, finished=now(), **values)


def is_allowed(db: Database, cold_id: int, vanished: int, changed: int) -> bool:
    """Whether a person has said "go" to a plan like this one."""
    with db.reading() as session:
        asked = waiting(session, cold_id)
        if asked is None or asked.answer != GO:
            return False
        return vanished <= asked.vanished * ALLOWANCE + 10 and changed <= asked.changed * ALLOWANCE + 10


def waiting(session: Session, cold_id: int) -> BackupRun | None:
    """The braked run of a COLD drive, answered or not."""
    return session.scalars(
        select(BackupRun)
        .where(BackupRun.cold_drive_id == cold_id, BackupRun.state == RunState.BRAKED)
        .order_by(BackupRun.id.desc())
        .limit(1)
    ).first()


def brake(db: Database, run_id: int, cold_id: int, question: Message) -> None:
    """End a run with a question.  An older question about the same drive is replaced."""
    release(db, cold_id)
    close(db, run_id, RunState.BRAKED, brake=question, answer=None)


def release(db: Database, cold_id: int) -> None:
    """The plan is no longer alarming, or a person said go: the question is answered."""
    with db.writing() as session:
        asked = (BackupRun.cold_drive_id == cold_id) & (BackupRun.state == RunState.BRAKED)
        session.execute(update(BackupRun).where(asked).values(state=RunState.CANCELLED))


def last_proven(session: Session, cold_id: int) -> datetime | None:
    """When the copy on a COLD drive was last proven complete."""
    good = BackupRun.state.in_((RunState.PROVEN, RunState.NOTHING_TO_DO))
    return session.scalar(
        select(BackupRun.finished)
        .where(BackupRun.cold_drive_id == cold_id, good)
        .order_by(BackupRun.id.desc())
        .limit(1)
    )


def last_scrub(session: Session, cold_id: int) -> datetime | None:
    """When a COLD drive was last switched on for a whole run."""
    return session.scalar(
        select(BackupRun.finished)
        .where(BackupRun.cold_drive_id == cold_id, BackupRun.state == RunState.PROVEN)
        .order_by(BackupRun.id.desc())
        .limit(1)
    )


def copies_lost(session: Session, cold_id: int) -> int:
    """Rotten copies that the last reading could not repair; each whole run reads them again before all others."""
    proven = select(BackupRun.details).where(BackupRun.cold_drive_id == cold_id, BackupRun.state == RunState.PROVEN)
    details = session.scalar(proven.order_by(BackupRun.id.desc()).limit(1))
    return int((details or {}).get(LOST, 0))


def drill_is_due(session: Session, cold_id: int) -> bool:
    """Whether the last drill, or the drive's first proof, is longer ago than the family chose."""
    last = select(func.max(Drill.at)).where(Drill.cold_drive_id == cold_id)
    proofs = (BackupRun.cold_drive_id == cold_id, BackupRun.state == RunState.PROVEN)
    since = session.scalar(last) or session.scalar(select(func.min(BackupRun.finished)).where(*proofs))
    return since is not None and now() - since > timedelta(days=policy.DRILL_DAYS.get(session))


def bytes_per_second(session: Session, cold_id: int) -> float | None:
    """How fast this drive was copied to lately; None when that is not known yet."""
    rows = session.scalars(
        select(BackupRun)
        .where(BackupRun.cold_drive_id == cold_id, BackupRun.state == RunState.PROVEN, BackupRun.bytes > 10_000_000)
        .order_by(BackupRun.id.desc())
        .limit(5)
    ).all()
    copied = sum(run.bytes for run in rows)
    seconds = sum(run.details.get("seconds", 0) for run in rows)
    return copied / seconds if seconds else None
