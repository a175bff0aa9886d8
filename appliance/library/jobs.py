"""The library's long work: previews, the walk over HOT (both clear away unfinished uploads), and the bin."""

from typing import Any
from urllib.parse import unquote_to_bytes

from sqlalchemy import func, select

from appliance.drives.mounts import hot_mounts, mount_of
from appliance.jobs.kinds import job_kind
from appliance.jobs.progress import Progress
from appliance.library import (
    burying,
    carrying,
    catching_up,
    emptying,
    index,
    locating,
    note_files,
    previews,
    reading,
    uploads,
)
from appliance.library.carried_plan import Errand
from appliance.library.models import Media, PreviewState
from appliance.library.sandbox import Sandbox
from appliance.words import N_, Message

NEWEST = 2**62
NAMED = 100  # files that stayed; the rest is counted
SETTLE_S = 2.0  # somebody who gives one star gives another


@job_kind("library.previews", N_("Preparing previews"), nice=15)
def make_previews(progress: Progress) -> dict[str, Any]:
    """Make what is missing, the newest first.  Resumable: what is done is no longer waiting."""
    done = ready = 0
    with Sandbox() as sandbox:
        while made := _preview_all(progress, sandbox, done):  # once more: others arrived meanwhile
            done += made[0]
            ready += made[1]
    locating.name_rest(progress)
    return {"made": ready, "without": done - ready, "cleared": uploads.clean(progress.db, progress.places)}


def _preview_all(progress: Progress, sandbox: Sandbox, before: int) -> tuple[int, int] | None:
    """All that wait now: how many were looked at, and got previews.  None when nothing could be done."""
    with progress.db.reading() as session:
        missing = select(func.count()).select_from(Media).where(Media.preview == PreviewState.WAITING)
        total = before + (session.scalar(missing) or 0)
    done = ready = 0
    oldest = NEWEST
    while True:
        progress.step(N_("Preparing previews"), before + done, max(total, before + done), unit="photos")
        with progress.db.reading() as session:
            mounts = [mount for mount in hot_mounts(session, progress.places) if not mount.read_only]
            batch = previews.waiting(session, [mount.drive_id for mount in mounts], oldest)
        if not batch:
            return (done, ready) if done else None
        made = previews.make_all(sandbox, mounts, batch)
        previews.record(progress.db, made)
        if made:
            progress.got_on()
        oldest = batch[-1].media_id
        done += len(made)
        ready += sum(item.preview is not None for item in made)


@job_kind("library.index", N_("Looking through the drives"), nice=10)
def look_through(progress: Progress) -> dict[str, Any]:
    """Bring the rows in step with what lies on the HOT drives, and clear away uploads that nobody continued."""
    return index.run(progress) | {"cleared": uploads.clean(progress.db, progress.places)}


@job_kind("library.read", N_("Reading new files"), nice=10)
def read_new(progress: Progress) -> dict[str, Any]:
    """Hash what nobody has read, and what went into the bin before that.  Resumable: what was read has its hash."""
    with progress.db.reading() as session:
        mounts = hot_mounts(session, progress.places)
    hashed = sum(reading.hash_rest(progress, mount) for mount in mounts)
    for mount in mounts:
        after = 0
        while after := burying.read_some(progress.db, mount, after):
            progress.step(Message(N_("Reading new files on {drive}"), {"drive": mount.name}))
            progress.got_on()
    return {"hashed": hashed}


@job_kind("library.bin", N_("Emptying the bin"), nice=15)
def empty_bin(progress: Progress) -> dict[str, Any]:
    """Remove what has expired.  Resumable: what went has no row."""
    progress.step(N_("Emptying the bin"))
    return {"removed": emptying.clean(progress.db, progress.places)}


@job_kind("library.catch_up", N_("Comparing older photos"), nice=15)
def catch_up(progress: Progress) -> dict[str, Any]:
    """A step of what was not yet noted when previews were made.  Resumable: nothing is looked at twice."""
    return {"looked": catching_up.run(progress)}


@job_kind("library.carry", N_("Moving files"))
def carry(
    progress: Progress, *, user_id: int, source_id: int, target_id: int, paths: list[str], into: str, keep: bool
) -> dict[str, Any]:
    """Copy or move files between places.  Resumable: what a batch has brought is no longer to do."""
    with progress.db.reading() as session:
        source, target = (mount_of(session, progress.places, drive_id) for drive_id in (source_id, target_id))
    sources = tuple(unquote_to_bytes(path) for path in paths)
    errand = Errand(user_id, source, target, sources, unquote_to_bytes(into), keep)
    done = carrying.carry(progress.db, errand, progress)
    for name in done.left[:NAMED]:
        progress.log(N_("“{name}” could not be read as it was stored, and stayed where it is."), {"name": name})
    return {"files": done.files, "bytes": done.size, "left": len(done.left)}


@job_kind("library.notes", N_("Writing down titles, tags and albums"), nice=10)
def write_notes(progress: Progress) -> dict[str, Any]:
    """Bring the files beside photos and the albums' files in step with what people said."""
    progress.wait(SETTLE_S)
    with progress.db.reading() as session:
        mounts = hot_mounts(session, progress.places)
    return note_files.write_all(progress, mounts)
