"""What a copy would do now, as a sentence, without starting one.  Reads HOT's folders; the COLD drive stays off."""

import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import fields

from appliance.backup import plan, problems, service
from appliance.backup.plan import Numbers
from appliance.db import Database
from appliance.drives.models import Drive
from appliance.drives.mounts import DriveGone, DriveMissing, mount_for
from appliance.errors import ApplianceError
from appliance.places import Places
from appliance.words import N_, Message

PATIENCE_S = 4.0  # a page waits for this; a larger library is counted by the copy itself
_one_at_a_time = threading.Lock()


class TooLong(ApplianceError):
    """There is more to compare than somebody wants to wait for."""

    code, status = "plan_takes_too_long", 503
    template = N_("There is a lot to compare. The copy itself will tell what is new.")


def numbers(db: Database, places: Places, cold_drive_id: int, patience: float = PATIENCE_S) -> Numbers:
    """How the HOT drives differ from their copy.  Raises NotFound, HotMissing, DriveGone, OSError or TooLong."""
    end = time.monotonic() + patience
    if not _one_at_a_time.acquire(timeout=patience):
        raise TooLong
    try:
        with db.reading() as session:
            service.cold(session, cold_drive_id)
            hots = service.sources(session, cold_drive_id)
        return _sum([_compare(db, places, hot, cold_drive_id, end) for hot in hots])
    finally:
        _one_at_a_time.release()


def _compare(db: Database, places: Places, hot: Drive, cold_drive_id: int, end: float) -> Numbers:
    def tick(_: Numbers) -> None:
        if time.monotonic() > end:
            raise TooLong

    try:
        mount = mount_for(places, hot)
    except (DriveMissing, DriveGone):
        raise problems.HotMissing(drive=hot.name) from None
    with closing(plan.compare(db, mount, cold_drive_id, places.data, tick)) as sheet:
        return sheet.numbers


def _sum(several: Sequence[Numbers]) -> Numbers:
    return Numbers(**{f.name: sum(getattr(one, f.name) for one in several) for f in fields(Numbers)})


def words(db: Database, places: Places, cold_drive_id: int) -> Message:
    """The sentence: what a copy would do, or why that cannot be said now.  Raises NotFound."""
    try:
        found = numbers(db, places, cold_drive_id)
    except (problems.HotMissing, DriveGone) as error:
        return Message(N_("{drive} is not connected, so there is nothing to compare."), error.fields)
    except TooLong as error:
        return error.message
    except OSError:
        return Message(N_("The drive that holds everything cannot be read right now."))
    with db.reading() as session:
        return service.plan_words(session, cold_drive_id, found)
