"""Tables of albums and sharing.

An album's items are known by their bytes as well as by their row: a photo that was renamed on a computer, or whose row
a walk made anew, is in its albums still.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from appliance.db import Base, ShortText, UtcTime, now


class Album(Base):
    """A choice of photos.  With ``filter`` (see ``SavedFilter``) it has no items of its own: it is what matches now."""

    __tablename__ = "album"
    __table_args__ = (
        CheckConstraint("length(title) between 1 and 120", name="title_length"),
        Index("ix_album_unwritten", "id", sqlite_where=text("written = 0")),  # few
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(ShortText, unique=True)  # in the file on the drive that tells of it
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)  # whose it is
    title: Mapped[str] = mapped_column(ShortText)
    description: Mapped[str] = mapped_column(Text, default="", server_default="")
    cover_id: Mapped[int | None] = mapped_column(ForeignKey("media.id", ondelete="SET NULL"))  # None: the newest
    filter: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created: Mapped[datetime] = mapped_column(UtcTime, default=now)
    changed: Mapped[datetime] = mapped_column(UtcTime, default=now)
    written: Mapped[bool] = mapped_column(default=False, server_default=text("0"))  # so is the file on the drive
    deleted: Mapped[datetime | None] = mapped_column(UtcTime)  # can be undone until the file on the drive is gone


class AlbumItem(Base):
    """A photo in an album.  It is shown to others there only when its own owner put it in (library.visible)."""

    __tablename__ = "album_item"
    __table_args__ = (
        Index("uq_album_item_album_id_digest", "album_id", "digest", unique=True),
        Index("ix_album_item_media_id", "media_id"),
        Index("ix_album_item_digest", "digest"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    album_id: Mapped[int] = mapped_column(ForeignKey("album.id", ondelete="CASCADE"))
    digest: Mapped[bytes]
    media_id: Mapped[int | None] = mapped_column(ForeignKey("media.id", ondelete="SET NULL"))
    position: Mapped[int] = mapped_column(default=0, server_default=text("0"))  # 0: by the day it was taken
    added: Mapped[datetime] = mapped_column(UtcTime, default=now)
    added_by: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))


class AlbumMember(Base):
    """Somebody of the family who may see an album that is not theirs."""

    __tablename__ = "album_member"
    album_id: Mapped[int] = mapped_column(ForeignKey("album.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True, index=True)
    may_add: Mapped[bool] = mapped_column(default=False)


class PublicLink(Base):
    """An address that shows an album to whoever has it."""

    __tablename__ = "public_link"
    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(ShortText, unique=True)  # SHA-256 of 128 random bits, shown once
    album_id: Mapped[int] = mapped_column(ForeignKey("album.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))  # uploads are theirs
    password_hash: Mapped[str] = mapped_column(ShortText, default="")  # argon2id; "" asks for none
    may_upload: Mapped[bool] = mapped_column(default=False)
    created: Mapped[datetime] = mapped_column(UtcTime, default=now)
    expires: Mapped[datetime | None] = mapped_column(UtcTime)
    last_used: Mapped[datetime | None] = mapped_column(UtcTime)


class GuestGift(Base):
    """A file that a guest has brought, or begun to send, through a link; how much a link may bring is counted here."""

    __tablename__ = "guest_gift"
    __table_args__ = (Index("ix_guest_gift_link_id_brought", "link_id", "brought"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    link_id: Mapped[int] = mapped_column(ForeignKey("public_link.id", ondelete="CASCADE"))
    upload_id: Mapped[str | None] = mapped_column(ShortText, unique=True)  # of a resumable one
    size: Mapped[int]
    brought: Mapped[datetime] = mapped_column(UtcTime, default=now)


class SavedFilter(Base):
    """A search that somebody keeps under a name."""

    __tablename__ = "saved_filter"
    __table_args__ = (Index("uq_saved_filter_user_id_name", "user_id", "name", unique=True),)
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(ShortText)
    filter: Mapped[dict[str, Any]] = mapped_column(JSON)
