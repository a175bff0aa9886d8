"""Work that nobody asks for: previews, an index of a HOT drive that came, a nightly look for rot, emptying the bin."""

import contextlib
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from appliance.backup import service as backup
from appliance.db import now
from appliance.drives import mounts
from appliance.durable import write_atomically
from appliance.jobs import service
from appliance.jobs.models import ACTIVE, Job, JobState
from appliance.jobs.schedule import time_zone_name
from appliance.library import catching_up, notes
from appliance.library.models import BinnedFile, Media, PreviewState, StoredFile
from appliance.places import Places
from appliance.words import N_, Message

PREVIEWS, INDEX, BIN, PAGE = "library.previews", "library.index", "library.bin", "album_page.hot"
REST = timedelta(minutes=15)  # what the last run left waiting (a drive that is not here) is not tried at once
INDEX_EVERY = timedelta(hours=20)  # at night, also when no drive came or went: what nobody told of is found
INDEX_LATE = timedelta(days=3)  # a box that is off at night does it by day, then
BIN_EVERY = timedelta(hours=20)
PAGE_EVERY = timedelta(hours=1)  # at most, however many photos arrive
PAGE_LATE = timedelta(hours=20)  # also when only titles and albums changed
SCRUB_EVERY = timedelta(hours=20)
SCRUB_LATE = timedelta(days=3)  # a box that is off at night reads by day, then
NIGHT = range(1, 5)  # hours, by the station's clock


def start(session: Session, places: Places) -> None:
    """Queue what waits."""
    start_previews(session)
    start_notes(session)
    start_index(session, places)
    start_scrub(session, places, now())
    start_bin(session, now())
    start_page(session, places, now())
    start_catching_up(session, places, now())


def start_previews(session: Session) -> None:
    """Previews, when photos wait that the last run cannot have seen: it takes the newest first."""
    waiting = Media.preview == PreviewState.WAITING
    if not session.scalar(select(exists().where(waiting))):
        return
    last = _last(session, Job.kind == PREVIEWS, now())
    if last is not None and now() - REST < last:
        begun = session.scalar(select(func.max(Job.started)).where(Job.kind == PREVIEWS, Job.finished == last)) or last
        newest = session.scalar(select(StoredFile.added).join(Media).where(waiting).order_by(Media.id.desc()).limit(1))
        if newest is None or newest < begun:
            return
    with contextlib.suppress(service.AlreadyRunning):
        service.start(session, PREVIEWS, title=Message(N_("Preparing previews")), lock=PREVIEWS)


def start_notes(session: Session) -> None:
    """What people said while its drive was not here, or in the moment in which the last job ended."""
    if notes.is_behind(session):
        notes.start_writing(session)


def start_index(session: Session, places: Places) -> None:
    """An index once for each time a HOT drive comes (people may have changed it elsewhere), and once a night."""
    here = _arrivals(session, places)
    try:
        known = json.loads(_indexed(places).read_text())
    except (OSError, ValueError):
        known = {}
    last = _last(session, Job.kind == INDEX, now())
    fresh = last is not None and now() - last < (INDEX_EVERY if _is_night(session, now()) else INDEX_LATE)
    if not here or (fresh and all(known.get(tag) == arrival for tag, arrival in here.items())):
        return
    with contextlib.suppress(service.AlreadyRunning):  # from before it came; the next look tries again
        start_index_now(session)
        write_atomically(_indexed(places), json.dumps(here).encode())


def index_since(session: Session, places: Places, moment: datetime) -> bool:
    """See to it that every HOT drive is looked through from its beginning after ``moment``.

    False while a walk that began before is under way.
    """
    begun = or_(Job.started >= moment, and_(Job.started.is_(None), Job.state.in_(ACTIVE)))
    if session.scalar(select(Job.id).where(Job.kind == INDEX, begun, Job.state.in_((*ACTIVE, JobState.DONE))).limit(1)):
        return True
    try:
        start_index_now(session)
    except service.AlreadyRunning:
        return False
    write_atomically(_indexed(places), json.dumps(_arrivals(session, places)).encode())
    return True


def _arrivals(session: Session, places: Places) -> dict[str, list[Any]]:
    """Each HOT drive that is here, by this plugging-in."""
    return {m.tag: [m.device, m.sequence, m.device_number] for m in mounts.hot_mounts(session, places)}


def _indexed(places: Places) -> Path:
    return places.run / "indexed.json"  # not needed after a reboot: every drive comes anew then


def _is_night(session: Session, moment: datetime) -> bool:
    return moment.astimezone(ZoneInfo(time_zone_name(session))).hour in NIGHT


def start_index_now(session: Session) -> Job:
    """Look through every HOT drive.  Raises AlreadyRunning."""
    return service.start(session, INDEX, title=Message(N_("Looking through the drives")), lock=INDEX)


def start_page(session: Session, places: Places, moment: datetime) -> None:
    """The page of photos on the HOT drives, after new previews or a walk, and once a day for what people said."""
    news = [ended for kind in (PREVIEWS, INDEX) if (ended := _last(session, Job.kind == kind, moment))]
    last = _last(session, Job.kind == PAGE, moment)
    if not news or (last is not None and moment - last < (PAGE_EVERY if max(news) > last else PAGE_LATE)):
        return
    if mounts.hot_mounts(session, places):
        with contextlib.suppress(service.AlreadyRunning):
            service.start(session, PAGE, title=Message(N_("Preparing the page of photos on the drives")), lock=PAGE)


def start_catching_up(session: Session, places: Places, moment: datetime) -> None:
    """A step of looking at older photos, as long as there are any that nobody has looked at."""
    if not session.scalar(select(catching_up.UNREAD_ID.limit(1).exists())):
        return
    last = _last(session, Job.kind == catching_up.JOB, moment)
    drives = [mount.drive_id for mount in mounts.hot_mounts(session, places)]
    if (last is None or moment - last > REST) and session.execute(catching_up.waiting(drives).limit(1)).first():
        with contextlib.suppress(service.AlreadyRunning):
            service.start(session, catching_up.JOB, title=Message(N_("Comparing older photos")), lock=catching_up.JOB)


def start_scrub(session: Session, places: Places, moment: datetime) -> None:
    """A slice of each HOT drive is read again each night, so that rot is found while a good copy exists."""
    night = _is_night(session, moment)
    for mount in mounts.hot_mounts(session, places):
        last = _last(session, Job.lock == backup.scrub_lock(mount.drive_id), moment)
        if last is None or moment - last > (SCRUB_EVERY if night else SCRUB_LATE):
            with contextlib.suppress(service.AlreadyRunning):
                backup.start_scrub_hot(session, mount.drive_id)


def start_bin(session: Session, moment: datetime) -> None:
    """Once a day, as long as anything lies in the bin."""
    if session.scalar(select(BinnedFile.id).limit(1)) is None:
        return
    last = _last(session, Job.kind == BIN, moment)
    if last is None or moment - last > BIN_EVERY:
        with contextlib.suppress(service.AlreadyRunning):
            service.start(session, BIN, title=Message(N_("Emptying the bin")), lock=BIN)


def _last(session: Session, which: ColumnElement[bool], moment: datetime) -> datetime | None:
    """When such a job last ended; what is dated in the future never happened."""
    return session.scalar(select(func.max(Job.finished)).where(which, Job.finished <= moment))
