"""Tables of the jobs room."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from appliance.db import Base, MessageColumn, ShortText, UtcTime, now
from appliance.words import Message


class JobState(StrEnum):
    """One way, but for the pair RUNNING -> PAUSED/INTERRUPTED -> WAITING, by which a job goes on."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    INTERRUPTED = "interrupted"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE = (JobState.WAITING, JobState.RUNNING, JobState.PAUSED, JobState.INTERRUPTED)


class Wish(StrEnum):
    """What a person wants of a job; honoured at its next step."""

    RUN = "run"
    PAUSE = "pause"
    CANCEL = "cancel"


class Job(Base):
    """One piece of long work."""

    __tablename__ = "job"
    __table_args__ = (
        # the database, not a Python `if`, guarantees one active job per lock
        Index(
            "uq_job_active_lock",
            "lock",
            unique=True,
            sqlite_where=text("state in ('WAITING', 'RUNNING', 'PAUSED', 'INTERRUPTED')"),
        ),
        CheckConstraint("percent between 0 and 100", name="percent_range"),
        Index("ix_job_state_id", "state", "id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(ShortText)  # the name in jobs.KINDS, e.g. "backup.run"
    title: Mapped[Message] = mapped_column(MessageColumn)
    told_others: Mapped[Message | None] = mapped_column(MessageColumn)  # instead, where its words are only of who asked
    lock: Mapped[str] = mapped_column(ShortText)  # what it holds alone, e.g. "cold:2"
    arguments: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    state: Mapped[JobState] = mapped_column(default=JobState.WAITING)
    wish: Mapped[Wish] = mapped_column(default=Wish.RUN)
    percent: Mapped[int] = mapped_column(default=0)
    stage: Mapped[Message | None] = mapped_column(MessageColumn)
    rate: Mapped[float | None]  # bytes a second, or items a second where nothing has bytes
    rate_unit: Mapped[str] = mapped_column(ShortText, default="B")
    seconds_left: Mapped[int | None]
    checkpoint: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # the job's own notes for a resume
    result: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    error_code: Mapped[str | None] = mapped_column(ShortText)
    error: Mapped[Message | None] = mapped_column(MessageColumn)
    attempts: Mapped[int] = mapped_column(default=0)
    in_vain: Mapped[int] = mapped_column(default=0, server_default=text("0"))  # attempts since it last got on
    pid: Mapped[int | None]
    asked_by: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    created: Mapped[datetime] = mapped_column(UtcTime, default=now)
    started: Mapped[datetime | None] = mapped_column(UtcTime)
    finished: Mapped[datetime | None] = mapped_column(UtcTime)


class JobLog(Base):
    """One line a job said."""

    __tablename__ = "job_log"
    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(UtcTime, default=now)
    message: Mapped[Message] = mapped_column(MessageColumn)


class Schedule(Base):
    """When a job starts by itself.  ``cron`` is the machine's form; people see plain words."""

    __tablename__ = "schedule"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(ShortText)
    lock: Mapped[str] = mapped_column(ShortText, unique=True)
    title: Mapped[Message] = mapped_column(MessageColumn)
    arguments: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    cron: Mapped[str] = mapped_column(ShortText)  # five fields, in the station's time zone
    enabled: Mapped[bool] = mapped_column(default=True)
    next_due: Mapped[datetime | None] = mapped_column(UtcTime, index=True)
    last_started: Mapped[datetime | None] = mapped_column(UtcTime)
