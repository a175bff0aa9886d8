"""Tables of the phones room."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from appliance.db import Base, ShortText, UtcTime, now


class Phone(Base):
    """A device that somebody sends photos from; two people on one tablet are two rows."""

    __tablename__ = "phone"
    __table_args__ = (Index("uq_phone_user_id_key", "user_id", "key", unique=True),)
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(ShortText)  # 128 random bits, hex: the browser's own name for itself
    name: Mapped[str] = mapped_column(ShortText)  # "Chrome, Android", or as its owner calls it
    added: Mapped[datetime] = mapped_column(UtcTime, default=now)


class PhoneItem(Base):
    """Something that was chosen on a phone, whether it arrived or not: the phone's side of the ledger."""

    __tablename__ = "phone_item"
    phone_id: Mapped[int] = mapped_column(ForeignKey("phone.id", ondelete="CASCADE"), primary_key=True)
    digest: Mapped[bytes] = mapped_column(primary_key=True)  # BLAKE3, hashed on the phone
    name: Mapped[str] = mapped_column(ShortText)  # as the phone calls it
    size: Mapped[int]
    chosen: Mapped[datetime] = mapped_column(UtcTime, default=now)
    listing: Mapped[str] = mapped_column(ShortText, default="", server_default="")  # the last one that had it
    gone: Mapped[datetime | None] = mapped_column(UtcTime)  # a whole listing of the phone no longer had it


class PhoneReport(Base):
    """The last audit of a long list (phones.kept)."""

    __tablename__ = "phone_report"
    phone_id: Mapped[int] = mapped_column(ForeignKey("phone.id", ondelete="CASCADE"), primary_key=True)
    made: Mapped[datetime] = mapped_column(UtcTime, default=now)
    items: Mapped[int]  # how many there were then
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)


class PhoneRound(Base):
    """One time that a phone sent: from choosing to the last file; as the phone counted."""

    __tablename__ = "phone_round"
    __table_args__ = (Index("uq_phone_round_phone_id_key", "phone_id", "key", unique=True),)
    id: Mapped[int] = mapped_column(primary_key=True)
    phone_id: Mapped[int] = mapped_column(ForeignKey("phone.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(ShortText)
    started: Mapped[datetime] = mapped_column(UtcTime, default=now)
    heard: Mapped[datetime] = mapped_column(UtcTime, default=now)  # the last time the phone told how far it is
    finished: Mapped[datetime | None] = mapped_column(UtcTime)  # None: under way, or cut off
    found: Mapped[int] = mapped_column(default=0)  # chosen
    known: Mapped[int] = mapped_column(default=0)  # of these, here already
    deleted: Mapped[int] = mapped_column(default=0)  # deleted here before, so not sent
    sent: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    bytes: Mapped[int] = mapped_column(default=0)  # of what was sent
