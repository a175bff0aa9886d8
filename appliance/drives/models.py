"""Tables of the drives room: only what was handed over.  What is plugged in right now is never stored here."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from appliance.db import Base, ShortText, UtcTime, now


class DriveRole(StrEnum):
    """HOT is always on and holds the family's files; COLD is a copy, on only while it is written or read."""

    HOT = "hot"
    COLD = "cold"


class DriveState(StrEnum):
    """``RETIRED`` was let go by an admin; ``FAILED`` and ``UNTRUSTWORTHY`` get no more copies."""

    ACTIVE = "active"
    FAILED = "failed"
    UNTRUSTWORTHY = "untrustworthy"
    RETIRED = "retired"


class PowerState(StrEnum):
    """The steps of a COLD drive's day, in order.  HOT drives stay ``MOUNTED``."""

    OFF = "off"
    SPINNING_UP = "spinning_up"
    MOUNTED = "mounted"
    FLUSHING = "flushing"
    UNMOUNTED = "unmounted"


COLOURS = ("blue", "green", "amber", "rose", "violet")


class Drive(Base):
    """A drive that was handed over.  Its marker file, filesystem UUID and serial must agree before it is used."""

    __tablename__ = "drive"
    __table_args__ = (Index("uq_drive_role_number", "role", "number", unique=True),)
    id: Mapped[int] = mapped_column(primary_key=True)
    marker_id: Mapped[str] = mapped_column(ShortText, unique=True)  # UUID in everpx-drive.json
    role: Mapped[DriveRole]
    number: Mapped[int]  # per role: HOT-1, COLD-2; never used again
    name: Mapped[str] = mapped_column(ShortText)  # the family's word for it
    colour: Mapped[str] = mapped_column(ShortText)  # of its name tag
    state: Mapped[DriveState] = mapped_column(default=DriveState.ACTIVE)
    filesystem: Mapped[str] = mapped_column(ShortText)  # ext4, exfat, btrfs, … or "folder"
    filesystem_uuid: Mapped[str] = mapped_column(ShortText)
    model: Mapped[str] = mapped_column(ShortText, default="")
    serial: Mapped[str] = mapped_column(ShortText, default="")
    size: Mapped[int]  # bytes the filesystem can hold
    free: Mapped[int | None]  # bytes, when last seen mounted
    full_below_percent: Mapped[int] = mapped_column(default=5)  # free space that raises the alarm
    handed_over: Mapped[datetime] = mapped_column(UtcTime, default=now)
    last_here: Mapped[datetime | None] = mapped_column(UtcTime)
    power_driver: Mapped[str] = mapped_column(ShortText, default="people")
    power_state: Mapped[PowerState] = mapped_column(default=PowerState.OFF)
    write_errors: Mapped[int] = mapped_column(default=0)

    @property
    def tag(self) -> str:
        """What its label says: ``HOT-1``, ``COLD-2``; also its mount point and its folder on a COLD drive."""
        return f"{self.role.value.upper()}-{self.number}"


class PowerMove(Base):
    """The journal of the power state machine: written before the move is made."""

    __tablename__ = "power_move"
    id: Mapped[int] = mapped_column(primary_key=True)
    drive_id: Mapped[int] = mapped_column(ForeignKey("drive.id", ondelete="CASCADE"), index=True)
    state: Mapped[PowerState]
    at: Mapped[datetime] = mapped_column(UtcTime, default=now)


class SpaceSample(Base):
    """How full a drive was on a day; drawn as space over time."""

    __tablename__ = "space_sample"
    drive_id: Mapped[int] = mapped_column(ForeignKey("drive.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    used: Mapped[int]
    size: Mapped[int]


class SmartSample(Base):
    """What a drive said of its own health: once at each power-on, and once a day while it is on."""

    __tablename__ = "smart_sample"
    __table_args__ = (Index("ix_smart_sample_drive_at", "drive_id", "at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    drive_id: Mapped[int] = mapped_column(ForeignKey("drive.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(UtcTime, default=now)
    power_on: Mapped[str] = mapped_column(ShortText)  # which power-on: another one is another word
    passed: Mapped[bool]
    hours: Mapped[int | None]  # that it was on in its life
    cycles: Mapped[int | None]  # times it was switched on
    reallocated: Mapped[int | None]
    pending: Mapped[int | None]
    uncorrectable: Mapped[int | None]
    crc_errors: Mapped[int | None]  # on the way between drive and station
    percent_used: Mapped[int | None]  # of an SSD's life
    temperature_c: Mapped[int | None]  # the highest that was seen on that day


class ColdSource(Base):
    """Which HOT drives a COLD drive keeps a copy of.  No row for a COLD drive means: all of them."""

    __tablename__ = "cold_source"
    cold_drive_id: Mapped[int] = mapped_column(ForeignKey("drive.id", ondelete="CASCADE"), primary_key=True)
    hot_drive_id: Mapped[int] = mapped_column(ForeignKey("drive.id", ondelete="CASCADE"), primary_key=True)
