"""Tables of WebDAV.  Disposable: without them clients lock anew, lose their own remarks, and check fewer hashes."""

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from appliance.db import Base, ShortText


class WebdavLock(Base):
    """A lock that a client holds on a file or folder; see ``locks``."""

    __tablename__ = "webdav_lock"
    token: Mapped[str] = mapped_column(ShortText, primary_key=True)
    root: Mapped[str] = mapped_column(Text)
    principal: Mapped[str] = mapped_column(ShortText)
    scope: Mapped[str] = mapped_column(ShortText)
    depth: Mapped[str] = mapped_column(ShortText)
    owner: Mapped[bytes]
    timeout: Mapped[float]
    expire: Mapped[float]  # seconds since 1970


class WebdavProperty(Base):
    """What a client wrote on a file or folder for itself; ``place`` is the resource's reference, see ``resources``."""

    __tablename__ = "webdav_property"
    __table_args__ = (Index("uq_webdav_property_place_name", "place", "name", unique=True),)
    id: Mapped[int] = mapped_column(primary_key=True)
    place: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    value: Mapped[bytes]


class WebdavChecksum(Base):
    """The checksum that a client sent with a file and that was found right: ``SHA1:…``, of the bytes ``digest``."""

    __tablename__ = "webdav_checksum"
    file_id: Mapped[int] = mapped_column(ForeignKey("stored_file.id", ondelete="CASCADE"), primary_key=True)
    digest: Mapped[bytes]
    checksum: Mapped[str] = mapped_column(ShortText)
