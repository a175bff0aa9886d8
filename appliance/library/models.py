"""Tables of the library: every file on every HOT drive, and what is known of the photos and videos among them.

Disposable: a scan of the drives rebuilds all of it.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Column, ForeignKey, Index, String, Table, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from appliance.db import Base, ShortText, UtcTime, now


class Folder(Base):
    """A folder of a HOT drive; ``path`` is relative to the drive, ``""`` is its top, ``/`` between names."""

    __tablename__ = "folder"
    __table_args__ = (Index("uq_folder_drive_id_path", "drive_id", "path", unique=True),)
    id: Mapped[int] = mapped_column(primary_key=True)
    drive_id: Mapped[int] = mapped_column(ForeignKey("drive.id"))
    path: Mapped[bytes]  # as the filesystem has it: bytes, because not every name is UTF-8 (os.fsencode)
    fingerprint: Mapped[bytes | None]  # of its listing when last scanned, see library.scan
    version: Mapped[int] = mapped_column(default=0, server_default=text("0"))  # another one after each change: triggers
    bytes: Mapped[int] = mapped_column(default=0, server_default=text("0"))  # of its own files: triggers


class StoredFile(Base):
    """A regular file on a HOT drive.  ``digest`` is None until somebody has read it."""

    __tablename__ = "stored_file"
    __table_args__ = (
        Index("uq_stored_file_folder_id_name", "folder_id", "name", unique=True),
        CheckConstraint("size >= 0", name="size_positive"),
        Index("ix_stored_file_alone", "id", sqlite_where=text("copied = 0")),  # few, and asked for on every Home
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    folder_id: Mapped[int] = mapped_column(ForeignKey("folder.id", ondelete="CASCADE"))
    name: Mapped[bytes]
    size: Mapped[int]
    modified_ns: Mapped[int]
    digest: Mapped[bytes | None] = mapped_column(index=True)  # BLAKE3, 32 bytes
    proven: Mapped[datetime | None] = mapped_column(UtcTime)  # when the bytes on HOT last matched the digest
    damaged: Mapped[bool] = mapped_column(default=False)  # they did not, and no copy could repair it yet
    added: Mapped[datetime] = mapped_column(UtcTime, default=now)
    copied: Mapped[bool] = mapped_column(default=False, server_default=text("0"))  # these bytes, proven on a good COLD
    folder: Mapped[Folder] = relationship(lazy="raise")


class MediaKind(StrEnum):
    """What a viewer does with it."""

    PHOTO = "photo"
    VIDEO = "video"


class PreviewState(StrEnum):
    """``NONE`` means the preview worker could not read it: shown as "no preview", the original is untouched."""

    WAITING = "waiting"
    READY = "ready"
    NONE = "none"


class Media(Base):
    """A photo or a video in somebody's timeline."""

    __tablename__ = "media"
    __table_args__ = (
        Index("ix_media_timeline", "user_id", "taken", "id"),
        Index("ix_media_family", "taken", "id", sqlite_where=text("shared = 1")),
        Index("ix_media_unwritten", "id", sqlite_where=text("written = 0")),  # few
        Index("ix_media_preview", "preview", "id"),
        Index(
            "ix_media_located",
            "latitude",
            "longitude",
            "user_id",
            "shared",
            "stack_id",
            sqlite_where=text("latitude IS NOT NULL"),
        ),
        Index("ix_media_grouping", "grouping", sqlite_where=text("grouping <> ''")),
        Index("ix_media_content_id", "content_id", sqlite_where=text("content_id <> ''")),
        Index("ix_media_unread", "id", sqlite_where=text("content_id IS NULL AND preview = 'READY'")),
        Index("ix_media_unplaced", "id", sqlite_where=text("latitude IS NOT NULL AND country = ''")),  # few
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    file_id: Mapped[int] = mapped_column(ForeignKey("stored_file.id", ondelete="CASCADE"), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    kind: Mapped[MediaKind]
    taken: Mapped[datetime] = mapped_column(UtcTime)  # best guess, in UTC
    taken_from: Mapped[str] = mapped_column(ShortText)  # "exif", "video", "owner", "name", "client", "file"
    month: Mapped[int]  # year * 100 + month of ``taken``; counted by triggers into media_month
    width: Mapped[int | None]
    height: Mapped[int | None]  # as shown, orientation applied
    seconds: Mapped[float | None]  # of a video
    camera: Mapped[str] = mapped_column(ShortText, default="")
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    told_place: Mapped[bool] = mapped_column(default=False, server_default=text("0"))  # somebody said it (origins)
    preview: Mapped[PreviewState] = mapped_column(default=PreviewState.WAITING)
    placeholder: Mapped[str] = mapped_column(ShortText, default="")  # "#rrggbb", the picture's mean colour
    place: Mapped[str] = mapped_column(ShortText, default="", server_default="")  # the nearest town, from coordinates
    country: Mapped[str] = mapped_column(ShortText, default="", server_default="")
    likeness: Mapped[int | None]  # 64 bits of what it looks like; few differ between pictures that look the same
    # Photos that belong together are shown as one: the others name the one that is shown (library.stacks).
    stack_id: Mapped[int | None] = mapped_column(index=True)  # a trigger empties it when that one goes
    stack: Mapped[str] = mapped_column(ShortText, default="", server_default="")  # of the one: "live", "raw", "burst"
    content_id: Mapped[str | None] = mapped_column(ShortText)  # both halves of an Apple Live Photo; None: not looked
    # What its owner says of it.  ``written`` is False until the file beside the photo says the same (library.notes).
    title: Mapped[str] = mapped_column(ShortText, default="", server_default="")
    description: Mapped[str] = mapped_column(Text, default="", server_default="")
    favourite: Mapped[bool] = mapped_column(default=False, server_default=text("0"))
    rating: Mapped[int] = mapped_column(default=0, server_default=text("0"))  # 0 none, 1 to 5
    shared: Mapped[bool] = mapped_column(default=False, server_default=text("0"))  # "ours": in the family's library
    grouping: Mapped[str] = mapped_column(ShortText, default="", server_default="")  # "alone", or a group's own word
    edited: Mapped[datetime | None] = mapped_column(UtcTime)
    written: Mapped[bool] = mapped_column(default=True, server_default=text("1"))
    tags: Mapped[list["Tag"]] = relationship(secondary="media_tag", lazy="raise", order_by="Tag.name")
    file: Mapped[StoredFile] = relationship(lazy="raise")


class Tag(Base):
    """A word that a family puts on photos; the same word for all of them."""

    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255, collation="NOCASE"), unique=True)


media_tag = Table(
    "media_tag",
    Base.metadata,
    Column("media_id", ForeignKey("media.id", ondelete="CASCADE"), primary_key=True),
    Column("tag_id", ForeignKey("tag.id", ondelete="CASCADE"), primary_key=True, index=True),
)


class LikenessBucket(Base):
    """A quarter of a photo's ``likeness``, with its number before it: two that differ little share a quarter."""

    __tablename__ = "likeness_bucket"
    __table_args__: Any = {"sqlite_with_rowid": False}
    bucket: Mapped[int] = mapped_column(primary_key=True)
    media_id: Mapped[int] = mapped_column(ForeignKey("media.id", ondelete="CASCADE"), primary_key=True, index=True)


class LikenessPair(Base):
    """Two photos that look the same, the later one first; ``distance`` 0 are also the same bytes."""

    __tablename__ = "likeness_pair"
    media_id: Mapped[int] = mapped_column(ForeignKey("media.id", ondelete="CASCADE"), primary_key=True)
    other_id: Mapped[int] = mapped_column(ForeignKey("media.id", ondelete="CASCADE"), primary_key=True, index=True)
    distance: Mapped[int]
    different: Mapped[bool] = mapped_column(default=False, server_default=text("0"))  # somebody said they are


class MediaWords(Base):
    """What finds a photo: its words and facts as words (library.facets), written by triggers, searched by FTS5.

    ``key`` sorts as the timeline does: seconds since 1900 of ``taken``, then 28 bits of the photo's id.  So the newest
    hits come first without sorting any, and a range of days is a range of keys.
    """

    __tablename__ = "media_words"
    key: Mapped[int] = mapped_column(primary_key=True)
    words: Mapped[str] = mapped_column(Text)


class Keepsake(Base):
    """What a person said of a photo whose row went: a rename on a computer, a lost database.

    It is given back when the same bytes are this person's again (library.keepsakes).
    """

    __tablename__ = "keepsake"
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)  # title, description, favourite, rating, shared, tags
    kept: Mapped[datetime] = mapped_column(UtcTime, default=now)


class Tombstone(Base):
    """Bytes that a person deleted here: their phone is told not to send them again."""

    __tablename__ = "tombstone"
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    deleted: Mapped[datetime] = mapped_column(UtcTime, default=now)


class BinnedFile(Base):
    """A deleted file that can still be brought back; its bytes lie in the drive's bin until ``expires``."""

    __tablename__ = "binned_file"
    id: Mapped[int] = mapped_column(primary_key=True)
    drive_id: Mapped[int] = mapped_column(ForeignKey("drive.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)  # whose it was
    path: Mapped[bytes]  # where it was, relative to the drive
    stored_as: Mapped[bytes]  # where it lies now, relative to the drive
    size: Mapped[int]
    digest: Mapped[bytes | None]
    binned: Mapped[datetime] = mapped_column(UtcTime, default=now)
    binned_by: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    expires: Mapped[datetime] = mapped_column(UtcTime, index=True)


class Unburied(Base):
    """A photo in the bin whose bytes nobody has read yet: its tombstone waits for that (library.burying)."""

    __tablename__ = "unburied"
    id: Mapped[int] = mapped_column(primary_key=True)
    binned_id: Mapped[int] = mapped_column(ForeignKey("binned_file.id", ondelete="CASCADE"), index=True)
    stored_as: Mapped[bytes]  # where it lies now, relative to the drive
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))  # whose photo it was


class MediaMonth(Base):
    """How many items a person has in a month; kept right by triggers on ``media``."""

    __tablename__ = "media_month"
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    month: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[int]


class Upload(Base):
    """A file on its way in.  Its bytes so far lie in ``<drive>/.everpx/incoming/<id>``; their number is the offset."""

    __tablename__ = "upload"
    id: Mapped[str] = mapped_column(ShortText, primary_key=True)  # 128 random bits, hex
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    drive_id: Mapped[int] = mapped_column(ForeignKey("drive.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(ShortText)  # as the phone gave it
    folder: Mapped[str] = mapped_column(ShortText, default="")  # "" sorts by date; else below <user>/Files
    size: Mapped[int]
    expected_digest: Mapped[bytes | None]  # what the client says it will send
    client_modified: Mapped[datetime | None] = mapped_column(UtcTime)
    created: Mapped[datetime] = mapped_column(UtcTime, default=now)
    expires: Mapped[datetime] = mapped_column(UtcTime)
    finished: Mapped[datetime | None] = mapped_column(UtcTime)  # kept a while for a client that missed the answer
    file_id: Mapped[int | None] = mapped_column(ForeignKey("stored_file.id", ondelete="SET NULL"), index=True)
