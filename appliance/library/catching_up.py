"""What is noted when a preview is made, for previews that were made before it was: likeness, and a Live Photo's halves.

In small steps, the newest first; what has been looked at is never looked at again (``Media.content_id`` is no longer
NULL).  The likeness comes from the preview, the identifier from the original, both read in the sandbox.
"""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, select, text, update
from sqlalchemy.orm import Session

from appliance.db import Database
from appliance.drives.mounts import Mount, hot_mounts
from appliance.jobs.progress import Progress
from appliance.library import likeness, previews, room, stacks
from appliance.library.beneath import open_beneath
from appliance.library.catalogue import joined
from appliance.library.formats import HEAD, format_of
from appliance.library.models import Folder, Media, MediaKind, StoredFile
from appliance.library.sandbox import Sandbox
from appliance.words import N_

JOB = "library.catch_up"
STEP, BATCH = 2000, 32
UNREAD = text("media.content_id IS NULL AND media.preview = 'READY'")  # as its partial index says it
UNREAD_ID = select(Media.id).where(UNREAD)
NEWEST = 2**62


class Old(NamedTuple):
    """A photo or video whose preview was made before."""

    id: int
    kind: MediaKind
    camera: str
    seconds: float | None
    likeness: int | None
    drive_id: int
    folder: bytes
    name: bytes
    digest: bytes | None


class Found(NamedTuple):
    """What was noted of one."""

    old: Old
    content_id: str
    likeness: int | None


def waiting(drives: Sequence[int]) -> Select[Any]:
    """Those on drives that are here."""
    columns: list[Any] = [getattr(Media, name) for name in Old._fields[:5]]
    columns += [Folder.drive_id, Folder.path, StoredFile.name, StoredFile.digest]
    return (
        select(*columns)
        .join(StoredFile, StoredFile.id == Media.file_id)
        .join(Folder, Folder.id == StoredFile.folder_id)
        .where(UNREAD, Folder.drive_id.in_(drives))
        .order_by(Media.id.desc())
    )


def run(progress: Progress) -> int:
    """One step; how many were looked at.  Raises DriveGone."""
    with progress.db.reading() as session:
        mounts = {mount.drive_id: mount for mount in hot_mounts(session, progress.places)}
    done, before = 0, NEWEST
    with Sandbox() as sandbox:
        while done < STEP:
            progress.step(N_("Comparing older photos"), done, STEP, unit="photos")
            with progress.db.reading() as session:
                rows = session.execute(waiting(list(mounts)).where(Media.id < before).limit(BATCH))
                batch = [Old(*row) for row in rows]
            if not batch:
                break
            found = [_look(sandbox, mounts[old.drive_id], old) for old in batch]
            for mount in mounts.values():
                mount.check()
            _note_all(progress.db, found)
            progress.got_on()
            done, before = done + len(batch), batch[-1].id
    return done


def _look(sandbox: Sandbox, mount: Mount, old: Old) -> Found:
    """What cannot be read counts as looked at: it is no worse than it was."""
    identifier, bits = "", old.likeness
    with room.opened(mount) as root:
        if _may_be_live(old):
            identifier = _identified(sandbox, root, joined(old.folder, old.name))
        if bits is None and old.digest is not None:
            bits = _likeness(sandbox, root, previews.path_of(old.digest, previews.SIZES[0]))
    return Found(old, identifier, bits)


def _may_be_live(old: Old) -> bool:
    if old.kind is MediaKind.VIDEO:
        return (old.seconds or 0) <= stacks.LONGEST_LIVE_S
    return old.camera.startswith("Apple")


def _identified(sandbox: Sandbox, root: int, path: bytes) -> str:
    try:
        fd = open_beneath(root, path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        found = format_of(os.pread(fd, HEAD, 0))
        return sandbox.identify(fd, found) if found else ""
    except OSError:
        return ""
    finally:
        os.close(fd)


def _likeness(sandbox: Sandbox, root: int, path: bytes) -> int | None:
    try:
        fd = open_beneath(root, path, os.O_RDONLY)
    except OSError:
        return None
    try:
        found = format_of(os.pread(fd, HEAD, 0))
        made = sandbox.make(fd, found) if found else None
        return made.likeness if made else None
    except OSError:
        return None
    finally:
        os.close(fd)


def _note_all(db: Database, found: Sequence[Found]) -> None:
    with db.writing() as session:
        for one in found:
            _note(session, one)


def _note(session: Session, one: Found) -> None:
    values = {"content_id": one.content_id, "likeness": one.likeness}
    session.execute(update(Media).where(Media.id == one.old.id).values(**values))
    if one.likeness != one.old.likeness:
        likeness.note(session, one.old.id)
    if one.content_id or one.likeness != one.old.likeness:
        stacks.join(session, one.old.id)
