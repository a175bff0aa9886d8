"""Tables of the import: where photos came from, each file that was seen there, and each time somebody asked."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from appliance.db import Base, MessageColumn, ShortText, UtcTime, now
from appliance.words import Message


class SourceKind(StrEnum):
    """What is read: a drive that is not ours, a folder of a HOT drive, a share of another computer."""

    DRIVE = "drive"
    FOLDER = "folder"
    SHARE = "share"


class ImportSource(Base):
    """A place that photos of one person come from; a card is known again by its filesystem's UUID."""

    __tablename__ = "importer_source"
    __table_args__ = (Index("uq_importer_source_user_id_key", "user_id", "key", unique=True),)
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))  # whose photos they become
    kind: Mapped[SourceKind]
    key: Mapped[str] = mapped_column(ShortText)  # what makes it the same place next time
    title: Mapped[str] = mapped_column(ShortText)
    place: Mapped[dict[str, Any]] = mapped_column(JSON)  # how to get there; see ``opening``
    camera: Mapped[bool] = mapped_column(default=False)  # it has a DCIM folder
    secret: Mapped[bytes | None]  # a password that somebody wanted kept, encrypted
    created: Mapped[datetime] = mapped_column(UtcTime, default=now)
    looked: Mapped[datetime | None] = mapped_column(UtcTime)  # when a report was last made
    safe: Mapped[datetime | None] = mapped_column(UtcTime)  # when each of its files was proven on HOT; None: not so


class FileState(StrEnum):
    """What became of a file of a source."""

    NEW = "new"
    DONE = "done"  # brought in
    KNOWN = "known"  # its person had the same bytes
    DELETED = "deleted"  # its person had it, and deleted it here
    LEFT_OUT = "left_out"  # no photo or video, or its owner had thrown it away
    UNREADABLE = "unreadable"


class ImportFile(Base):
    """A file as last seen at its source.  With the same size and time it is the same, and not read again."""

    __tablename__ = "importer_file"
    __table_args__ = (
        Index("uq_importer_file_source_id_path", "source_id", "path", unique=True),
        Index("ix_importer_file_source_id_state", "source_id", "state"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("importer_source.id", ondelete="CASCADE"))
    path: Mapped[bytes]  # as the source has it; below an archive: "takeout-001.zip/…"
    size: Mapped[int]
    modified_ns: Mapped[int]
    state: Mapped[FileState]
    dated: Mapped[bool] = mapped_column(default=True)  # something says when it was taken
    digest: Mapped[bytes | None]
    proven: Mapped[datetime | None] = mapped_column(UtcTime)  # when its bytes were last read back from HOT
    brought: Mapped[datetime | None] = mapped_column(UtcTime)  # when it was brought in
    noted: Mapped[bool] = mapped_column(default=False)  # what the source says of it was passed on
    why: Mapped[Message | None] = mapped_column(MessageColumn)  # it was left out or cannot be read


class RunState(StrEnum):
    """One way."""

    LOOKING = "looking"
    READY = "ready"  # the report is there; nothing was written
    IMPORTING = "importing"
    DONE = "done"
    STOPPED = "stopped"  # cancelled or failed; what came in before stays


class ImportRun(Base):
    """One time that somebody asked: the report, and what came of it."""

    __tablename__ = "importer_run"
    id: Mapped[int] = mapped_column(primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("importer_source.id", ondelete="CASCADE"), index=True)
    state: Mapped[RunState] = mapped_column(default=RunState.LOOKING)
    deleted_too: Mapped[bool] = mapped_column(default=False)  # bring in again what was deleted here
    report: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    result: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    asked_by: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    job_id: Mapped[int | None] = mapped_column(ForeignKey("job.id", ondelete="SET NULL"))
    created: Mapped[datetime] = mapped_column(UtcTime, default=now)
    finished: Mapped[datetime | None] = mapped_column(UtcTime)
