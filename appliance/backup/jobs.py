"""The kinds of jobs of the backup room: each finds its drives, then hands over to the engine."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date
from typing import Any

from appliance.backup import policy, problems, run, scrub, service
from appliance.backup.lean import stay_small
from appliance.drives.models import Drive
from appliance.drives.mounts import DriveGone, DriveMissing, Mount, mount_of
from appliance.drives.power import cold_drive
from appliance.jobs.kinds import job_kind
from appliance.jobs.progress import Progress
from appliance.words import N_


@job_kind(service.RUN, service.TITLE)
def backup_run(progress: Progress, cold_drive_id: int) -> dict[str, Any]:
    """Copy the HOT drives to a COLD drive and prove the copy."""
    stay_small(progress.db)
    with progress.db.reading() as session:
        cold = service.cold(session, cold_drive_id)
        hots = service.sources(session, cold_drive_id)
    mounts = [_hot(progress, hot) for hot in hots]
    if not mounts:
        raise problems.HotMissing(drive="HOT")
    target = run.Target(cold.id, cold.name)
    return run.run(progress, target, mounts, _opener(progress, cold_drive_id))


def _hot(progress: Progress, drive: Drive) -> Mount:
    """A HOT drive that is here.  A missing one stops the run: its files are not gone, it is only not plugged in."""
    with progress.db.reading() as session:
        try:
            return mount_of(session, progress.places, drive.id)
        except (DriveMissing, DriveGone):
            raise problems.HotMissing(drive=drive.name) from None


def _opener(
    progress: Progress, cold_drive_id: int, *, read_only: bool = False
) -> Callable[[], AbstractContextManager[Mount]]:
    return lambda: cold_drive(progress, cold_drive_id, read_only=read_only)


@job_kind(service.SCRUB_HOT, N_("Read the files on {drive} again"), nice=15)
def scrub_hot(progress: Progress, hot_drive_id: int) -> dict[str, Any]:
    """Read a slice of a HOT drive and mark what is damaged."""
    with progress.db.reading() as session:
        hot = mount_of(session, progress.places, hot_drive_id)
        days = policy.SCRUB_DAYS.get(session)
    budget = scrub.hot_slice_bytes(progress, hot, days)
    done = scrub.scrub_hot(progress, hot, budget)
    return {"read": done.read, "damaged": done.lost}


@job_kind(service.RESTORE, N_("Bring files back from {drive}"))
def restore_files(
    progress: Progress,
    cold_drive_id: int,
    hot_tag: str,
    path: str,
    day: str | None,
    to_drive_id: int | None,
    version: int | None = None,
) -> dict[str, Any]:
    """Bring back a file, one of its older versions, a folder or a drive."""
    from appliance.backup import browse, restore

    with progress.db.reading() as session:
        hot_id = browse.hot_by_tag(session, hot_tag)
        when = date.fromisoformat(day) if day else None
        wanted = restore.Wanted(cold_drive_id, hot_id, hot_tag, bytes.fromhex(path), when, version)
        hot = mount_of(session, progress.places, to_drive_id or wanted.hot_drive_id)
    return restore.restore(progress, wanted, hot, _opener(progress, cold_drive_id, read_only=True))


@job_kind(service.DRILL, N_("Practise a restore from {drive}"), nice=15)
def restore_drill(progress: Progress, cold_drive_id: int) -> dict[str, Any]:
    """Bring a few random files back to a temporary folder and compare them."""
    from appliance.backup import drill

    with progress.db.reading() as session:
        hots = service.sources(session, cold_drive_id)
        cold = service.cold(session, cold_drive_id)
    mounts = [_hot(progress, hot) for hot in hots]
    target = run.Target(cold.id, cold.name)
    return drill.drill(progress, target, mounts, _opener(progress, cold_drive_id, read_only=True))
