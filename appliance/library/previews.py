"""Previews: small WebP pictures on the HOT drive, made in batches by the sandboxed worker.

``.everpx/previews/<first two digits>/<digest>-320.webp`` and ``-1600.webp``.  They can be made again at any time, so a
batch is flushed once, renamed, and only then written down: after a power cut a preview is whole or waits again.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from appliance.db import Database
from appliance.drives.layout import PREVIEWS
from appliance.drives.mounts import Mount
from appliance.durable import flush_filesystem
from appliance.errors import ApplianceError
from appliance.library import likeness, locating, room, stacks
from appliance.library.beneath import make_folder, open_beneath
from appliance.library.catalogue import joined
from appliance.library.contents import digest_of
from appliance.library.formats import HEAD, format_of
from appliance.library.models import Folder, Media, PreviewState, StoredFile
from appliance.library.sandbox import Preview, Sandbox

BATCH = 32
SIZES = (320, 1600)


@dataclass(frozen=True)
class Waiting:
    """A photo or video without a preview."""

    media_id: int
    file_id: int
    drive_id: int
    path: bytes
    digest: bytes | None


@dataclass(frozen=True)
class Made:
    """What became of one; ``preview`` None means that there can be none."""

    waiting: Waiting
    digest: bytes
    preview: Preview | None


def path_of(digest: bytes, pixels: int) -> bytes:
    """Where a preview lies, relative to its drive."""
    name = digest.hex()
    return f"{PREVIEWS}/{name[:2]}/{name}-{pixels}.webp".encode()


def waiting(session: Session, drives: Sequence[int], before: int) -> list[Waiting]:
    """The next batch, newest first, among drives that are here; ``before`` is the last id that was tried."""
    rows = session.execute(
        select(Media.id, StoredFile.id, Folder.drive_id, Folder.path, StoredFile.name, StoredFile.digest)
        .join(StoredFile, StoredFile.id == Media.file_id)
        .join(Folder, Folder.id == StoredFile.folder_id)
        .where(Media.preview == PreviewState.WAITING, Media.id < before, Folder.drive_id.in_(drives))
        .order_by(Media.id.desc())
        .limit(BATCH)
    )
    return [
        Waiting(media, file, drive, joined(folder, name), digest) for media, file, drive, folder, name, digest in rows
    ]


def make(sandbox: Sandbox, mount: Mount, items: Sequence[Waiting]) -> list[Made]:
    """Make the previews of one drive's items and put them there.  Raises DriveGone, OutOfSpace, NotWritable.

    An original that cannot be read now (it was renamed, or its sector is bad) is left waiting.
    """
    made = []
    with room.opened(mount) as root:
        for item in items:
            try:
                fd = open_beneath(root, item.path, os.O_RDONLY | os.O_NONBLOCK)
            except OSError:
                mount.check()
                continue
            try:
                digest = item.digest or digest_of(fd)
                found = format_of(os.pread(fd, HEAD, 0))
                made.append(Made(item, digest, sandbox.make(fd, found) if found else None))
            except OSError:
                mount.check()
            finally:
                os.close(fd)
        _keep(mount, root, made)
    return made


def _keep(mount: Mount, root: int, made: Sequence[Made]) -> None:
    """Write all under temporary names, flush once, rename."""
    names = []
    for done in made:
        if done.preview is None:
            continue
        for pixels, content in zip(SIZES, (done.preview.small, done.preview.large), strict=True):
            folder, _, name = path_of(done.digest, pixels).rpartition(b"/")
            fd = make_folder(root, folder)
            try:
                _write(fd, name + b".new", content)
            finally:
                os.close(fd)
            names.append(folder + b"/" + name)
    if names:
        flush_filesystem(mount.path)
    for path in names:
        os.rename(path + b".new", path, src_dir_fd=root, dst_dir_fd=root)


def _write(folder: int, name: bytes, content: bytes) -> None:
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=folder)
    with os.fdopen(fd, "wb") as out:
        out.write(content)


def record(db: Database, made: Sequence[Made]) -> None:
    """Commit what a batch has shown."""
    with db.writing() as session:
        for done in made:
            facts: dict[str, object] = {"preview": PreviewState.NONE}
            if preview := done.preview:
                facts = {"preview": PreviewState.READY, "width": preview.width, "height": preview.height}
                facts |= {"seconds": preview.seconds, "camera": preview.camera, "placeholder": preview.placeholder}
                facts |= {"likeness": preview.likeness, "content_id": preview.content_id}
                if preview.latitude is not None:  # else what somebody said of the place stays
                    facts |= {"latitude": preview.latitude, "longitude": preview.longitude, "told_place": False}
                    facts |= locating.named(preview.latitude, preview.longitude)
            session.execute(update(Media).where(Media.id == done.waiting.media_id).values(**facts))
            if done.waiting.digest is None:
                same = (StoredFile.id == done.waiting.file_id, StoredFile.digest.is_(None))
                session.execute(update(StoredFile).where(*same).values(digest=done.digest))
            likeness.note(session, done.waiting.media_id)
            stacks.join(session, done.waiting.media_id)


def make_all(sandbox: Sandbox, mounts: Sequence[Mount], items: Sequence[Waiting]) -> list[Made]:
    """A batch that may be spread over several drives; a drive that fails leaves its items waiting."""
    made: list[Made] = []
    for mount in mounts:
        mine = [item for item in items if item.drive_id == mount.drive_id]
        try:
            made += make(sandbox, mount, mine) if mine else []
        except ApplianceError:
            continue
    return made
