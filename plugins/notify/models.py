"""Tables of the messages: who is told how, what each was told, and what is on its way.

Addresses and keys are sealed (``appliance.sealed``): the database is copied onto drives, and whoever finds one shall
neither read the family's messages nor write in its name.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from appliance.db import Base, MessageColumn, ShortText, UtcTime, now
from appliance.health.models import Severity
from appliance.words import Message


class NotifyRules(Base):
    """How one person wants to be told; no row means the defaults."""

    __tablename__ = "notify_rules"
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    quiet_from: Mapped[str] = mapped_column(ShortText, default="")  # "22:00" by the station's clock; "" is no night
    quiet_until: Mapped[str] = mapped_column(ShortText, default="")
    danger_wakes: Mapped[bool] = mapped_column(default=True)
    remind_days: Mapped[int] = mapped_column(default=7)  # 0: never


class NotifyChannel(Base):
    """One way to reach one person."""

    __tablename__ = "notify_channel"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(ShortText)  # a name in ``ways.WAYS``
    shown: Mapped[str] = mapped_column(ShortText)  # what pages and sentences call it; tells no secret
    sealed: Mapped[bytes]  # the form's fields as JSON
    least: Mapped[Severity] = mapped_column(default=Severity.WARNING)
    solved: Mapped[bool] = mapped_column(default=True)  # also tell when it is over
    letter: Mapped[bool] = mapped_column(default=True)
    created: Mapped[datetime] = mapped_column(UtcTime, default=now)
    arrived: Mapped[datetime | None] = mapped_column(UtcTime)  # when something last did
    failing: Mapped[datetime | None] = mapped_column(UtcTime)  # since when nothing does
    problem: Mapped[Message | None] = mapped_column(MessageColumn)


class ToldState(StrEnum):
    """``PENDING``, ``AGAIN`` (a reminder) and ``OVER`` wait to be told; ``TOLD`` is at rest."""

    PENDING = "pending"
    TOLD = "told"
    AGAIN = "again"
    OVER = "over"


class NotifyTold(Base):
    """One matter on one channel: it is told once, not every half hour that it is still so."""

    __tablename__ = "notify_told"
    __table_args__ = (Index("uq_notify_told_channel_id_code_subject", "channel_id", "code", "subject", unique=True),)
    id: Mapped[int] = mapped_column(primary_key=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("notify_channel.id", ondelete="CASCADE"))
    code: Mapped[str] = mapped_column(ShortText)
    subject: Mapped[str] = mapped_column(ShortText)
    severity: Mapped[Severity]
    message: Mapped[Message] = mapped_column(MessageColumn)
    hint: Mapped[Message] = mapped_column(MessageColumn)
    state: Mapped[ToldState] = mapped_column(default=ToldState.PENDING)
    since: Mapped[datetime] = mapped_column(UtcTime)
    told: Mapped[datetime | None] = mapped_column(UtcTime)
    gone: Mapped[datetime | None] = mapped_column(UtcTime)  # since when it is no longer so


class DeliveryKind(StrEnum):
    """``NEWS`` is written anew at each try from what waits to be told; the others say what they say."""

    NEWS = "news"
    LETTER = "letter"
    TEST = "test"


class DeliveryState(StrEnum):
    """One way, from ``WAITING``."""

    WAITING = "waiting"
    SENT = "sent"
    GIVEN_UP = "given_up"
    DROPPED = "dropped"  # nothing was left to say


class NotifyDelivery(Base):
    """One message on its way to one channel.  A try is counted before it is made, so a crash never repeats one fast."""

    __tablename__ = "notify_delivery"
    __table_args__ = (
        Index("uq_notify_delivery_channel_id_kind_key", "channel_id", "kind", "key", unique=True),
        Index("ix_notify_delivery_state_next_try", "state", "next_try"),
        CheckConstraint("attempts >= 0", name="attempts_positive"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("notify_channel.id", ondelete="CASCADE"))
    kind: Mapped[DeliveryKind]
    key: Mapped[str] = mapped_column(ShortText)  # of a letter its month: no month gets two
    state: Mapped[DeliveryState] = mapped_column(default=DeliveryState.WAITING)
    severity: Mapped[Severity] = mapped_column(default=Severity.NOTICE)  # the worst that it tells of
    content: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # a ``texts.Text``
    attempts: Mapped[int] = mapped_column(default=0)
    next_try: Mapped[datetime] = mapped_column(UtcTime, default=now)
    problem: Mapped[Message | None] = mapped_column(MessageColumn)  # of the last try
    created: Mapped[datetime] = mapped_column(UtcTime, default=now)
    ended: Mapped[datetime | None] = mapped_column(UtcTime)


class NotifyStation(Base):
    """What the whole station sends with: its mail server, and the address of its sign of life.  One row."""

    __tablename__ = "notify_station"
    id: Mapped[int] = mapped_column(primary_key=True)
    mail_shown: Mapped[str] = mapped_column(ShortText, default="")  # host and port
    mail: Mapped[bytes | None]  # sealed ``mail.Server``
    signal_shown: Mapped[str] = mapped_column(ShortText, default="")  # host
    signal: Mapped[bytes | None]  # sealed address
    signal_hours: Mapped[int] = mapped_column(default=6)
    signal_tried: Mapped[datetime | None] = mapped_column(UtcTime)
    signal_arrived: Mapped[datetime | None] = mapped_column(UtcTime)
    signal_failing: Mapped[datetime | None] = mapped_column(UtcTime)
    signal_problem: Mapped[Message | None] = mapped_column(MessageColumn)  # why it fails, or is held back
