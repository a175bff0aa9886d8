"""The restore drill: a few random files are brought back and compared.

A copy that was never restored from is a hope.  A run does it once a month by itself, while the drive is on anyway.
"""

import os
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from appliance import events
from appliance.backup import catalogue
from appliance.backup.bring_back import bring
from appliance.backup.models import ColdFile, ColdFolder, Drill
from appliance.backup.run import Target
from appliance.drives.mounts import Mount
from appliance.jobs.progress import Progress
from appliance.library.models import Folder
from appliance.words import N_

FILES = 25
LARGEST = 1 << 30  # bytes; larger files are proven by the scrub


def drill(
    progress: Progress,
    target: Target,
    hots: Sequence[Mount],
    open_cold: Callable[[], AbstractContextManager[Mount]],
    *,
    share: tuple[int, int] = (0, 100),
) -> dict[str, Any]:
    """Bring files back into a temporary folder on HOT, compare, throw away; the job's result."""
    chosen = _choose(progress, target.drive_id)
    mounts = {hot.drive_id: hot for hot in hots}
    good = tried = 0
    with open_cold() as cold:
        for file, folder_place, hot_id in chosen:
            hot = mounts.get(hot_id)
            if hot is None:
                continue
            tried += 1
            place = catalogue.joined(folder_place, file.stored_as or file.name)
            good += _comes_back(cold, hot, place, file)
            progress.step(N_("Bringing back a few files"), tried, len(chosen), unit=N_("files"), share=share)
    with progress.db.writing() as session:
        session.add(Drill(cold_drive_id=target.drive_id, tried=tried, good=good))
        template = N_("Restore practised: {good} of {tried} files came back from {drive} unharmed.")
        events.record(session, "backup.drill", template, drive=target.name, good=good, tried=tried)
    return {"tried": tried, "good": good}


def _choose(progress: Progress, cold_id: int) -> list[tuple[ColdFile, bytes, int]]:
    """Random files of a COLD drive: random places in the ids, so that a million rows are not sorted."""
    with progress.db.reading() as session:
        ends = select(func.min(ColdFile.id), func.max(ColdFile.id)).where(ColdFile.cold_drive_id == cold_id)
        lowest, highest = (number or 0 for number in session.execute(ends).one())
        found: dict[int, tuple[ColdFile, bytes, int]] = {}
        for _ in range(FILES * 4):
            row = session.execute(
                select(ColdFile, Folder.path, ColdFolder.stored_as, Folder.drive_id)
                .join(Folder, Folder.id == ColdFile.folder_id)
                .join(ColdFolder, (ColdFolder.folder_id == Folder.id) & (ColdFolder.cold_drive_id == cold_id))
                .where(ColdFile.cold_drive_id == cold_id, ColdFile.id >= random.randint(lowest, highest))
                .where(ColdFile.size <= LARGEST)
                .order_by(ColdFile.id)
                .limit(1)
            ).first()
            if row is not None:
                found[row.ColdFile.id] = (row.ColdFile, row.stored_as or row.path, row.drive_id)
            if len(found) == FILES:
                break
    return list(found.values())


def _comes_back(cold: Mount, hot: Mount, place: bytes, file: ColdFile) -> bool:
    source = Path(os.fsdecode(os.fsencode(cold.path / hot.tag) + b"/" + place))
    try:
        fresh = bring(source, hot, file.digest, file.modified_ns)
    except OSError:
        cold.check()
        hot.check()
        return False
    if fresh is None:
        return False
    fresh.unlink()
    return True
