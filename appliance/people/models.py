"""Tables of the people room."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from appliance.db import Base, ShortText, UtcTime, now


class Role(StrEnum):
    """What a person may do."""

    ADMIN = "admin"
    MEMBER = "member"


class UserState(StrEnum):
    """``ARCHIVED`` and ``REMOVED`` never sign in again; the row stays because files and events belong to it.

    Of an archived person an admin still sees the photos; a removed person's files are just plain files on the drive.
    """

    ACTIVE = "active"
    DISABLED = "disabled"
    ARCHIVED = "archived"
    REMOVED = "removed"


class User(Base):
    """A member of the family."""

    __tablename__ = "user"
    __table_args__ = (CheckConstraint("length(name) between 1 and 40", name="name_length"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255, collation="NOCASE"), unique=True)
    folder: Mapped[str] = mapped_column(ShortText, unique=True)  # top folder on HOT, safe on every filesystem
    role: Mapped[Role] = mapped_column(default=Role.MEMBER)
    state: Mapped[UserState] = mapped_column(default=UserState.ACTIVE)
    password_hash: Mapped[str] = mapped_column(ShortText)  # argon2id, PHC string
    colour: Mapped[str] = mapped_column(ShortText, default="blue")  # of the picture on the sign-in page
    emoji: Mapped[str] = mapped_column(ShortText, default="")
    language: Mapped[str] = mapped_column(ShortText, default="")  # "" follows the browser
    created: Mapped[datetime] = mapped_column(UtcTime, default=now)


class SignIn(Base):
    """One browser that is signed in.  The cookie holds the token; only its hash is here."""

    __tablename__ = "sign_in"
    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(ShortText, unique=True)  # SHA-256 of 256 random bits
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    created: Mapped[datetime] = mapped_column(UtcTime, default=now)
    last_seen: Mapped[datetime] = mapped_column(UtcTime, default=now)
    address: Mapped[str] = mapped_column(ShortText, default="")
    browser: Mapped[str] = mapped_column(ShortText, default="")


class ApiToken(Base):
    """A key for the REST API, shown once; only its hash is here."""

    __tablename__ = "api_token"
    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(ShortText, unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(ShortText)
    created: Mapped[datetime] = mapped_column(UtcTime, default=now)
    last_used: Mapped[datetime | None] = mapped_column(UtcTime)


class DevicePassword(Base):
    """A password for one device or program that cannot open a sign-in page; shown once, revocable by itself.

    It opens files and uploads, never the console.
    """

    __tablename__ = "device_password"
    id: Mapped[int] = mapped_column(primary_key=True)
    secret_hash: Mapped[str] = mapped_column(ShortText, unique=True)  # SHA-256: it is 128 random bits, not chosen
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(ShortText)  # "Anna's iPhone"
    created: Mapped[datetime] = mapped_column(UtcTime, default=now)
    last_used: Mapped[datetime | None] = mapped_column(UtcTime)


class Throttle(Base):
    """Failed guesses, per account and per source; survives a restart."""

    __tablename__ = "throttle"
    key: Mapped[str] = mapped_column(ShortText, primary_key=True)  # "account:anna", "source:192.168.1.7", "claim"
    failures: Mapped[int] = mapped_column(default=0)
    blocked_until: Mapped[datetime | None] = mapped_column(UtcTime)
    last: Mapped[datetime] = mapped_column(UtcTime, default=now)
