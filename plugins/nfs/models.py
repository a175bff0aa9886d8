"""Tables of NFS: which devices there are, and what each may do where.  What root serves is only derived from these."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from appliance.db import Base, ShortText, UtcTime, now


class NfsDevice(Base):
    """A device, or all devices of a network, by address: NFS knows nothing else of who asks."""

    __tablename__ = "nfs_device"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(ShortText, unique=True)
    address: Mapped[str] = mapped_column(ShortText, unique=True)  # 192.168.1.20, 192.168.1.0/24, fd00::20
    created: Mapped[datetime] = mapped_column(UtcTime, default=now)


class NfsRight(Base):
    """A device may see a folder of a HOT drive, or change what is in it; no row is nothing."""

    __tablename__ = "nfs_right"
    __table_args__ = (Index("uq_nfs_right_device_drive_folder", "device_id", "drive_id", "folder", unique=True),)
    id: Mapped[int] = mapped_column(primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("nfs_device.id", ondelete="CASCADE"))
    drive_id: Mapped[int] = mapped_column(ForeignKey("drive.id", ondelete="CASCADE"), index=True)
    folder: Mapped[str] = mapped_column(Text)  # below the drive
    change: Mapped[bool]
