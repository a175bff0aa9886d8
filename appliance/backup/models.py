"""Tables of the backup room: what each COLD drive held when it was last unmounted, and every run."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from appliance.db import Base, MessageColumn, ShortText, UtcTime, now
from appliance.words import Message


class ColdFolder(Base):
    """A HOT folder as a COLD drive holds it.  Equal fingerprints mean nothing in it changed since that copy."""

    __tablename__ = "cold_folder"
    cold_drive_id: Mapped[int] = mapped_column(ForeignKey("drive.id", ondelete="CASCADE"), primary_key=True)
    folder_id: Mapped[int] = mapped_column(ForeignKey("folder.id", ondelete="CASCADE"), primary_key=True)
    fingerprint: Mapped[bytes]  # b"" while some of its files are not proven yet
    stored_as: Mapped[bytes | None]  # path on COLD, below the HOT tag, where it cannot have HOT's; else None


class ColdFile(Base):
    """A verified copy: these bytes were read back from the COLD drive's medium and matched ``digest``."""

    __tablename__ = "cold_file"
    __table_args__ = (
        Index("uq_cold_file_place", "cold_drive_id", "folder_id", "name", unique=True),
        Index("ix_cold_file_proven", "cold_drive_id", "proven"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    cold_drive_id: Mapped[int] = mapped_column(ForeignKey("drive.id", ondelete="CASCADE"))
    folder_id: Mapped[int] = mapped_column(ForeignKey("folder.id", ondelete="CASCADE"))
    name: Mapped[bytes]  # on HOT
    stored_as: Mapped[bytes | None]  # its name on COLD where that filesystem cannot hold HOT's; else None
    size: Mapped[int]
    modified_ns: Mapped[int]  # of the HOT file that was copied
    digest: Mapped[bytes]
    proven: Mapped[datetime] = mapped_column(UtcTime)
    since: Mapped[datetime | None] = mapped_column(UtcTime)  # these bytes were first proven here; None: not noted


class OldVersion(Base):
    """A replaced or vanished file in ``Older versions/<day>/`` of a COLD drive."""

    __tablename__ = "old_version"
    __table_args__ = (Index("ix_old_version_place", "cold_drive_id", "folder_id", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    cold_drive_id: Mapped[int] = mapped_column(ForeignKey("drive.id", ondelete="CASCADE"))
    folder_id: Mapped[int] = mapped_column(ForeignKey("folder.id", ondelete="CASCADE"))
    name: Mapped[bytes]
    stored_as: Mapped[bytes]  # path on COLD, below "Older versions/"
    day: Mapped[date]
    why: Mapped[str] = mapped_column(ShortText)  # "replaced", "vanished", "changed elsewhere", "damaged"
    size: Mapped[int]
    modified_ns: Mapped[int]
    digest: Mapped[bytes]
    since: Mapped[datetime | None] = mapped_column(UtcTime)  # first proven at its place; None: not noted
    put_away: Mapped[datetime | None] = mapped_column(UtcTime)  # None: not noted, only the day is known


class RunState(StrEnum):
    """How a run stands.  ``BRAKED`` waits for a person's answer; the COLD drive is off meanwhile."""

    RUNNING = "running"
    BRAKED = "braked"
    PROVEN = "proven"
    NOTHING_TO_DO = "nothing_to_do"
    FAILED = "failed"
    CANCELLED = "cancelled"


class BackupRun(Base):
    """One hot-to-cold run, from plan to proof."""

    __tablename__ = "backup_run"
    __table_args__ = (Index("ix_backup_run_cold_started", "cold_drive_id", "started"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    cold_drive_id: Mapped[int] = mapped_column(ForeignKey("drive.id", ondelete="CASCADE"))
    job_id: Mapped[int | None] = mapped_column(ForeignKey("job.id", ondelete="SET NULL"))
    state: Mapped[RunState] = mapped_column(default=RunState.RUNNING)
    started: Mapped[datetime] = mapped_column(UtcTime, default=now)
    finished: Mapped[datetime | None] = mapped_column(UtcTime)
    new: Mapped[int] = mapped_column(default=0)
    changed: Mapped[int] = mapped_column(default=0)
    vanished: Mapped[int] = mapped_column(default=0)
    bytes: Mapped[int] = mapped_column(default=0)
    copied: Mapped[int] = mapped_column(default=0)
    scrubbed: Mapped[int] = mapped_column(default=0)
    repaired: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)  # could not be copied; each is a line in the job's log
    brake: Mapped[Message | None] = mapped_column(MessageColumn)
    answer: Mapped[str | None] = mapped_column(ShortText)  # to the brake: "go" or "stop"
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class Drill(Base):
    """A restore drill: this many random files were brought back and compared."""

    __tablename__ = "drill"
    id: Mapped[int] = mapped_column(primary_key=True)
    cold_drive_id: Mapped[int] = mapped_column(ForeignKey("drive.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(UtcTime, default=now)
    tried: Mapped[int]
    good: Mapped[int]
