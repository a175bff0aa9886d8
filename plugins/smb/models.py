"""Tables of Windows and Mac sharing: what the family wants.  Samba's own files are derived from these rows."""

from enum import StrEnum

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from appliance.db import Base, ShortText


class Level(StrEnum):
    """What a person may do with a shared folder; without a row everybody may change what is in it."""

    NOTHING = "nothing"
    SEE = "see"
    CHANGE = "change"

    @property
    def rank(self) -> int:
        """More is more."""
        return list(Level).index(self)


class SmbAccount(Base):
    """What sharing knows of a person."""

    __tablename__ = "smb_account"
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    secret: Mapped[bytes | None]  # the hash that Windows asks about, encrypted; None until somebody types the password
    time_machine_gb: Mapped[int | None]  # how much a Mac may keep here; 0 without limit, None not at all


class SmbFolder(Base):
    """A folder inside the family's that has a share of its own."""

    __tablename__ = "smb_folder"
    id: Mapped[int] = mapped_column(primary_key=True)
    drive_id: Mapped[int] = mapped_column(ForeignKey("drive.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(ShortText, unique=True)  # of the share, and of the folder below Family


class SmbAccess(Base):
    """What one person may do with one shared folder of the family."""

    __tablename__ = "smb_access"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    folder_id: Mapped[int | None] = mapped_column(
        ForeignKey("smb_folder.id", ondelete="CASCADE")
    )  # None: all of Family
    level: Mapped[Level]
