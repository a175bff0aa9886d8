"""What happened, in one table: the history that a family reads and the audit log that an admin reads.

``record`` joins the caller's transaction, so an event exists exactly when the thing it tells of does.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from appliance.db import Base, MessageColumn, ShortText, UtcTime, now
from appliance.words import Message


class Event(Base):
    """One thing that happened.  ``actor_id`` is the person who did it, None when the station did."""

    __tablename__ = "event"
    __table_args__ = (Index("ix_event_kind_at", "kind", "at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcTime, default=now, index=True)
    kind: Mapped[str] = mapped_column(ShortText)
    message: Mapped[Message] = mapped_column(MessageColumn)
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"), index=True)
    address: Mapped[str] = mapped_column(ShortText, default="")


def record(
    session: Session,
    kind: str,
    template: str,
    *,
    actor_id: int | None = None,
    address: str = "",
    **fields: Any,
) -> Event:
    """Add an event, e.g. ``record(s, "drive.handed_over", N_("{drive} became {role}."), drive=…, role=…)``.

    ``kind`` is ``room.verb`` and stable; never put a secret into ``fields``.
    """
    happened = Event(kind=kind, message=Message(template, fields), actor_id=actor_id, address=address)
    session.add(happened)
    return happened


def listing(
    session: Session, *, actor_id: int | None = None, room: str = "", before: int | None = None, limit: int = 50
) -> Sequence[Event]:
    """Newest first, a page at a time: ``before`` is the id of the last one already seen; ``room`` starts a kind."""
    wanted = select(Event).order_by(Event.id.desc()).limit(limit)
    if actor_id is not None:
        wanted = wanted.where(Event.actor_id == actor_id)
    if room:
        wanted = wanted.where(Event.kind >= f"{room}.", Event.kind < f"{room}/")  # "/" is the character after "."
    if before is not None:
        wanted = wanted.where(Event.id < before)
    return session.scalars(wanted).all()
