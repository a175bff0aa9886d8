"""The table of open findings."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Index
from sqlalchemy.orm import Mapped, mapped_column

from appliance.db import Base, MessageColumn, ShortText, UtcTime, now
from appliance.words import Message


class Severity(StrEnum):
    """``DANGER``: memories are at risk now.  ``WARNING``: they will be.  ``NOTICE``: worth knowing."""

    DANGER = "danger"
    WARNING = "warning"
    NOTICE = "notice"


class Issue(Base):
    """Something wrong, in words, with what to do; the row goes when the check no longer finds it."""

    __tablename__ = "issue"
    __table_args__ = (Index("uq_issue_code_subject", "code", "subject", unique=True),)
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(ShortText)  # stable, e.g. "drive_missing"
    subject: Mapped[str] = mapped_column(ShortText, default="")  # e.g. "drive:2"
    check: Mapped[str] = mapped_column(ShortText)  # the Check that found it
    severity: Mapped[Severity]
    message: Mapped[Message] = mapped_column(MessageColumn)
    hint: Mapped[Message] = mapped_column(MessageColumn)
    fix: Mapped[str | None] = mapped_column(ShortText)  # a name in health.FIXES, shown as a button
    fix_label: Mapped[Message | None] = mapped_column(MessageColumn)
    guide: Mapped[str | None] = mapped_column(ShortText)  # a name in guides.GUIDES, shown as a page of steps
    fix_arguments: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    first_seen: Mapped[datetime] = mapped_column(UtcTime, default=now)
    quiet_until: Mapped[datetime | None] = mapped_column(UtcTime)
