"""The page, the sheet and the list of hashes on the HOT drives."""

from datetime import UTC, datetime, timedelta
from typing import Any

from appliance.album_page import hashes, texts
from appliance.album_page.build import build
from appliance.backup.medium import Flusher
from appliance.drives import layout
from appliance.drives.models import DriveRole
from appliance.drives.mounts import Mount, hot_mounts
from appliance.jobs.kinds import job_kind
from appliance.jobs.progress import Progress
from appliance.library import room
from appliance.words import N_

HASHES_EVERY = timedelta(hours=20)  # the list names every file, so it is written once a night


@job_kind("album_page.hot", N_("Preparing the page of photos on the drives"), nice=15)
def leave_on_hot(progress: Progress) -> dict[str, Any]:
    """Bring each HOT drive that is here up to date."""
    with progress.db.reading() as session:
        mounts = [mount for mount in hot_mounts(session, progress.places) if not mount.read_only]
    photos = hashed = 0
    for hot in mounts:
        progress.step(N_("Making the page of photos"))
        with room.in_words(hot):
            texts.leave(hot, DriveRole.HOT)
            photos += build(progress, hot, DriveRole.HOT, flush=Flusher(hot, progress.broker)).photos
            if _are_hashes_due(hot):
                hashed += hashes.write(progress.db, hot)
    return {"photos": photos, "hashed": hashed}


def _are_hashes_due(hot: Mount) -> bool:
    """Whether the list is a day old, or not there, or dated in the future."""
    try:
        written = (hot.path / layout.MANIFEST).stat().st_mtime
    except FileNotFoundError:
        return True
    return not timedelta() <= datetime.now(UTC) - datetime.fromtimestamp(written, UTC) < HASHES_EVERY
