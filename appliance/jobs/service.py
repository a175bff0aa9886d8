"""Starting, stopping and watching jobs.  Everything here joins the caller's transaction."""

import fcntl
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.errors import Conflict, NotFound
from appliance.jobs.models import ACTIVE, Job, JobLog, JobState, Wish
from appliance.places import Places
from appliance.words import N_, Message

KEEP_FINISHED = 500
WORKER_LOCK = "worker.lock"  # in the run folder


class AlreadyRunning(Conflict):
    """The lock is taken by a job that has not ended."""

    code = "job_already_running"
    template = N_("“{title}” is already under way.")


def start(
    session: Session,
    kind: str,
    *,
    title: Message,
    lock: str,
    arguments: Mapping[str, Any] | None = None,
    asked_by: int | None = None,
    told_others: str | None = None,
) -> Job:
    """Put a job in the queue; the worker picks it up within a second of the commit.  Raises AlreadyRunning.

    ``told_others``: what everybody else reads instead, where the words of a job tell of what is somebody's own.
    """
    job = Job(kind=kind, title=title, lock=lock, arguments=dict(arguments or {}), asked_by=asked_by)
    others = job.told_others = Message(told_others) if told_others else None
    try:
        with session.begin_nested():
            session.add(job)
    except IntegrityError:
        other = session.scalars(select(Job).where(Job.lock == lock, Job.state.in_(ACTIVE))).first()
        is_own = other is None or other.told_others is None or other.asked_by == asked_by
        raise AlreadyRunning(title=other.title if other and is_own else others or title) from None
    return job


def seen_by(session: Session, jobs: Iterable[Job], viewer_id: int) -> list[Job]:
    """The jobs as somebody may read them: of what is another's own that it is going on, and how far it is."""
    seen = []
    for job in jobs:
        if is_veiled(job, viewer_id):
            session.expunge(job)  # what is left out here stays in its row
            job.title, job.stage, job.error, job.result = job.told_others or job.title, None, None, {}
        seen.append(job)
    return seen


def is_veiled(job: Job, viewer_id: int) -> bool:
    """Whether its words are somebody else's own."""
    return job.told_others is not None and job.asked_by != viewer_id


def wish(session: Session, job_id: int, wanted: Wish) -> Job:
    """Ask a job to pause, go on, or stop for good.  Raises NotFound, or Conflict when it has ended."""
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound(what="job")
    if job.state not in ACTIVE:
        raise Conflict()
    job.wish = wanted
    if job.state is JobState.RUNNING:
        return job
    if wanted is Wish.CANCEL:
        job.state, job.finished = JobState.CANCELLED, now()
    elif wanted is Wish.PAUSE:
        job.state = JobState.PAUSED
    else:
        job.state = JobState.WAITING
    return job


def active(session: Session) -> Sequence[Job]:
    """Jobs that have not ended, oldest first."""
    return session.scalars(select(Job).where(Job.state.in_(ACTIVE)).order_by(Job.id)).all()


def recent(session: Session, limit: int = 20) -> Sequence[Job]:
    """Jobs that have ended, newest first."""
    return session.scalars(
        select(Job).where(Job.state.not_in(ACTIVE)).order_by(Job.finished.desc(), Job.id.desc()).limit(limit)
    ).all()


def log_of(session: Session, job_id: int, limit: int = 200) -> Sequence[JobLog]:
    """A job's newest lines, oldest first."""
    newest = session.scalars(
        select(JobLog).where(JobLog.job_id == job_id).order_by(JobLog.id.desc()).limit(limit)
    ).all()
    return list(reversed(newest))


def recover(session: Session) -> list[Job]:
    """After a crash or a power cut: what was running is interrupted, and goes on by itself.

    Safe at any time: a job whose process is alive is left alone.  A job that dies five times without having got any
    further is given up; see :meth:`Progress.got_on`.
    """
    running = session.scalars(select(Job).where(Job.state == JobState.RUNNING)).all()
    interrupted = [job for job in running if not is_alive(job)]
    for job in interrupted:
        interrupt(job)
    return interrupted


def is_alive(job: Job) -> bool:
    """Whether the process that claimed a job is still there, and not merely another one with its number."""
    try:
        words = Path(f"/proc/{job.pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"appliance.jobs.runner" in words and str(job.id).encode() in words


def worker_runs(places: Places) -> bool:
    """Whether anybody would start a job: the worker holds a lock as long as it lives."""
    try:
        with (places.run / WORKER_LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


MOST_IN_VAIN = 5
MOST_ATTEMPTS = 50  # also where each got on: what others change meanwhile is done anew each time, and looks like it


def interrupt(job: Job) -> None:
    """Note that a job's process ended without a word, and queue it again if it may still succeed."""
    job.pid = job.rate = job.seconds_left = None
    if job.wish is Wish.CANCEL:
        job.state, job.finished = JobState.CANCELLED, now()
    elif job.wish is Wish.PAUSE:
        job.state = JobState.PAUSED
    elif job.in_vain >= MOST_IN_VAIN:
        template = N_("It was interrupted {times} times in a row without getting any further, and has been given up.")
        _give_up(job, Message(template, {"times": job.in_vain}))
    elif job.attempts >= MOST_ATTEMPTS:
        _give_up(job, Message(N_("It was interrupted {times} times and has been given up."), {"times": job.attempts}))
    else:
        job.state = JobState.INTERRUPTED


def _give_up(job: Job, why: Message) -> None:
    job.state, job.finished = JobState.FAILED, now()
    job.error_code, job.error = "interrupted_too_often", why


def prune(session: Session) -> None:
    """Forget the oldest finished jobs; runs and events keep what matters of them."""
    old = select(Job.id).where(Job.state.not_in(ACTIVE)).order_by(Job.id.desc()).offset(KEEP_FINISHED)
    session.execute(delete(Job).where(Job.id.in_(old.scalar_subquery())))
