"""Tables of the smart plugs: the plugs, what hangs on them, every switching, and what their meters said.

All of it is bounded: switchings and readings are pruned (``energy.prune``), months are twelve rows a year.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from appliance.db import Base, MessageColumn, ShortText, UtcTime, now
from appliance.words import Message


class PlugKind(StrEnum):
    """Whose protocol a plug speaks."""

    KASA = "kasa"  # TP-Link Kasa and Tapo
    SHELLY = "shelly"  # second generation and newer
    TASMOTA = "tasmota"
    MQTT = "mqtt"
    WEBHOOK = "webhook"


class SmartPlug(Base):
    """One socket that can be switched; of a strip, each socket is one.  Known again by its key, wherever it answers."""

    __tablename__ = "smart_plugs_plug"
    __table_args__ = (Index("uq_smart_plugs_plug_kind_key", "kind", "key", unique=True),)
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[PlugKind]
    key: Mapped[str] = mapped_column(ShortText)  # the device's own id, with the socket of a strip
    name: Mapped[str] = mapped_column(ShortText)  # the family's word for it
    model: Mapped[str] = mapped_column(ShortText, default="")
    host: Mapped[str] = mapped_column(ShortText, default="")  # where it answered last
    place: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # what else its protocol needs, nothing secret
    user: Mapped[str] = mapped_column(ShortText, default="")
    secret: Mapped[bytes | None]  # password, private addresses: encrypted, see ``secrets``
    has_meter: Mapped[bool] = mapped_column(default=False)
    carries_hot: Mapped[int | None] = mapped_column(ForeignKey("drive.id", ondelete="SET NULL"))  # it went with it
    created: Mapped[datetime] = mapped_column(UtcTime, default=now)
    answered: Mapped[datetime | None] = mapped_column(UtcTime)  # when it last did
    is_on: Mapped[bool | None]  # as it said then
    watts: Mapped[float | None]  # as it said then
    problem_code: Mapped[str] = mapped_column(ShortText, default="")  # of the last try; "" it went well
    problem: Mapped[Message | None] = mapped_column(MessageColumn)


class Account(Base):
    """The user and the password that a maker's plugs share."""

    __tablename__ = "smart_plugs_account"
    kind: Mapped[PlugKind] = mapped_column(primary_key=True)
    user: Mapped[str] = mapped_column(ShortText)
    secret: Mapped[bytes | None]


class PlugDrive(Base):
    """What a plug switches: a drive hangs on one plug, a plug (with a powered hub) may carry several."""

    __tablename__ = "smart_plugs_drive"
    drive_id: Mapped[int] = mapped_column(ForeignKey("drive.id", ondelete="CASCADE"), primary_key=True)
    plug_id: Mapped[int] = mapped_column(ForeignKey("smart_plugs_plug.id", ondelete="CASCADE"), index=True)


class Switching(Base):
    """One time that the station switched a plug, or tried to."""

    __tablename__ = "smart_plugs_switching"
    __table_args__ = (Index("ix_smart_plugs_switching_plug_id_at", "plug_id", "at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    plug_id: Mapped[int] = mapped_column(ForeignKey("smart_plugs_plug.id", ondelete="CASCADE"))
    drive_id: Mapped[int | None] = mapped_column(ForeignKey("drive.id", ondelete="SET NULL"), index=True)
    at: Mapped[datetime] = mapped_column(UtcTime, default=now)
    on: Mapped[bool]  # what was wanted
    was_on: Mapped[bool | None]  # how it was found
    done: Mapped[bool]
    watts: Mapped[float | None]
    proven: Mapped[bool | None]  # off: the meter agreed; None where there is no meter
    arrived_s: Mapped[float | None]  # on: so long until the drive was here
    why: Mapped[Message | None] = mapped_column(MessageColumn)  # it was not done


class Reading(Base):
    """What a meter said."""

    __tablename__ = "smart_plugs_reading"
    __table_args__ = (Index("ix_smart_plugs_reading_plug_id_at", "plug_id", "at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    plug_id: Mapped[int] = mapped_column(ForeignKey("smart_plugs_plug.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(UtcTime, default=now)
    on: Mapped[bool | None]
    watts: Mapped[float | None]
    counter_wh: Mapped[float | None]  # the plug's own count; may begin anew


class PlugMonth(Base):
    """What went through a plug in a month."""

    __tablename__ = "smart_plugs_month"
    plug_id: Mapped[int] = mapped_column(ForeignKey("smart_plugs_plug.id", ondelete="CASCADE"), primary_key=True)
    month: Mapped[str] = mapped_column(ShortText, primary_key=True)  # 2026-11, by the station's clock
    wh: Mapped[float] = mapped_column(default=0.0)
