"""The one question of the home page: are our memories safe?  From counters, never by counting a million rows."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import false, func, select
from sqlalchemy.orm import Session

from appliance.backup.models import BackupRun, RunState
from appliance.drives.models import Drive, DriveRole, DriveState
from appliance.library.models import Media, MediaMonth, StoredFile


@dataclass(frozen=True)
class Safety:
    """Counts of photos and videos, and when a COLD drive last proved its copy."""

    total: int
    on_one_drive_only: int
    hot_drives: int
    cold_drives: int
    proven: datetime | None

    @property
    def safe(self) -> int:
        """How many are on HOT and, proven, on at least one COLD drive."""
        return self.total - self.on_one_drive_only


def safety(session: Session, user_id: int | None = None) -> Safety:
    """The answer for one person, or for the whole family."""
    total = select(func.coalesce(func.sum(MediaMonth.count), 0))
    alone = (
        select(func.count())
        .select_from(StoredFile)
        .join(Media, Media.file_id == StoredFile.id)
        .where(StoredFile.copied == false())  # "= 0", as the partial index says it; "IS 0" reads a million rows
    )
    if user_id is not None:
        total, alone = total.where(MediaMonth.user_id == user_id), alone.where(Media.user_id == user_id)
    roles = dict(
        session.execute(
            select(Drive.role, func.count()).where(Drive.state == DriveState.ACTIVE).group_by(Drive.role)
        ).all()
    )
    proven = select(func.max(BackupRun.finished)).where(BackupRun.state == RunState.PROVEN)
    return Safety(
        total=session.scalar(total) or 0,
        on_one_drive_only=session.scalar(alone) or 0,
        hot_drives=roles.get(DriveRole.HOT, 0),
        cold_drives=roles.get(DriveRole.COLD, 0),
        proven=session.scalar(proven),
    )
