"""Work that nobody asks for: previews of what arrived, an index of a HOT drive that has just come."""

import contextlib
import json
from datetime import timedelta

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.drives import mounts
from appliance.durable import write_atomically
from appliance.jobs import service
from appliance.jobs.models import Job
from appliance.library.models import Media, PreviewState, StoredFile
from appliance.places import Places
from appliance.words import N_, Message

PREVIEWS, INDEX = "library.previews", "library.index"
REST = timedelta(minutes=15)  # what the last run left waiting (a drive that is not here) is not tried at once


def start(session: Session, places: Places) -> None:
    """Queue what waits."""
    start_previews(session)
    start_index(session, places)


def start_previews(session: Session) -> None:
    """Previews, when photos wait that the last run has not seen."""
    waiting = Media.preview == PreviewState.WAITING
    if not session.scalar(select(exists().where(waiting))):
        return
    last = session.scalar(select(func.max(Job.finished)).where(Job.kind == PREVIEWS))
    if last is not None and now() - REST < last <= now():
        newest = session.scalar(select(StoredFile.added).join(Media).where(waiting).order_by(Media.id.desc()).limit(1))
        if newest is None or newest < last:
            return
    with contextlib.suppress(service.AlreadyRunning):
        service.start(session, PREVIEWS, title=Message(N_("Preparing previews")), lock=PREVIEWS)


def start_index(session: Session, places: Places) -> None:
    """An index, once for each time a HOT drive comes: people may have changed it on another computer."""
    here = {m.tag: [m.device, m.sequence, m.device_number] for m in mounts.hot_mounts(session, places)}
    noted = places.run / "indexed.json"  # not needed after a reboot: every drive comes anew then
    try:
        known = json.loads(noted.read_text())
    except (OSError, ValueError):
        known = {}
    if all(known.get(tag) == arrival for tag, arrival in here.items()):
        return
    with contextlib.suppress(service.AlreadyRunning):  # from before it came; the next look tries again
        start_index_now(session)
        write_atomically(noted, json.dumps(here).encode())


def start_index_now(session: Session) -> Job:
    """Look through every HOT drive.  Raises AlreadyRunning."""
    return service.start(session, INDEX, title=Message(N_("Looking through the drives")), lock=INDEX)
