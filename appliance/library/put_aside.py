"""What clients of a file server deleted: the server puts it aside in its share, and here it gets into the bin.

Within seconds, when the watching hears of it (``watching/catch_up.py``); else with the file server's next chores.

A file server knows no rows, so it renames a deleted file into ``<share>/.everpx-deleted/<its old folders>/``.  From
there each goes to ``.everpx/deleted`` with a row, like what the console deletes: row first, then the rename, so that
after a pulled plug the file lies in the one place or the other, and is looked for in both.

It is not ``.everpx/bin``: of what lies there the brake believes that somebody wanted it gone, and a program that
encrypts a family's files deletes the old ones through the same door as people do.
"""

import contextlib
import os
import stat
from collections.abc import Iterator

from sqlalchemy.orm import Session

from appliance.db import Database
from appliance.drives.layout import CLIENTS_BIN, DELETED
from appliance.drives.mounts import Mount
from appliance.library import bin as bins
from appliance.library import room
from appliance.library.beneath import make_folder, open_beneath
from appliance.library.catalogue import joined
from appliance.library.models import BinnedFile

TOGETHER = 200
ASIDE = os.fsencode(CLIENTS_BIN)


def share_of(path: bytes) -> bytes | None:
    """The shared folder in whose place for deleted files this lies (or which it is); None for everything else."""
    parts = path.split(b"/")
    return b"/".join(parts[: parts.index(ASIDE)]) if ASIDE in parts[1:] else None


def gather(db: Database, mount: Mount, share: bytes, user: int) -> int:
    """Take what was put aside in a shared folder into the bin of ``user``; how many files.  Raises DriveGone.

    Folders that are empty then go as well.
    """
    if mount.read_only:
        return 0
    aside, count = joined(share, ASIDE), 0
    with room.opened(mount) as root:
        if not _is_there(root, aside):
            return 0
        batch: list[tuple[bytes, os.stat_result]] = []
        for below, facts in _files(root, aside, b""):
            batch.append((below, facts))
            if len(batch) == TOGETHER:
                count += _take(db, mount, root, share, batch, user)
                batch = []
        count += _take(db, mount, root, share, batch, user)
        _remove_empty(root, aside)
    return count


def _take(
    db: Database, mount: Mount, root: int, share: bytes, batch: list[tuple[bytes, os.stat_result]], user: int
) -> int:
    if not batch:
        return 0
    with db.writing() as session:
        rows = [bins.note(session, mount, joined(share, p), facts, user, None, DELETED) for p, facts in batch]
    done = []
    os.close(make_folder(root, DELETED.encode()))
    for row, (below, _) in zip(rows, batch, strict=True):
        source = joined(joined(share, ASIDE), below)
        with contextlib.suppress(FileNotFoundError):  # brought back by a client meanwhile
            _move(root, source, row.stored_as)
            done.append(row)
    mount.check()
    with db.writing() as session:
        for row in rows:
            if row in done:
                _forget_if_gone(session, root, row)
            else:
                bins.never_mind(session, row)
        bins.read_what_waits(session)
    return len(done)


def _forget_if_gone(session: Session, root: int, row: BinnedFile) -> None:
    """The library's rows go, unless a new file has the name already."""
    if not _is_there(root, row.path):
        bins.forget(session, row)


def _move(root: int, source: bytes, target: bytes) -> None:
    own, name = bins.split(target)
    folder, old = bins.split(source)
    with contextlib.ExitStack() as stack:
        there = stack.enter_context(bins.opened(make_folder(root, own)))
        here = stack.enter_context(bins.opened(open_beneath(root, folder, os.O_RDONLY | os.O_DIRECTORY)))
        try:
            os.rename(old, name, src_dir_fd=here, dst_dir_fd=there)
        except FileNotFoundError:
            with contextlib.suppress(OSError), bins.opened(make_folder(root, bins.split(own)[0])) as above:
                os.rmdir(bins.split(own)[1], dir_fd=above)
            raise
        os.fsync(there)
        os.fsync(here)


def _files(root: int, aside: bytes, below: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    """(path below the place, facts) of every regular file."""
    with bins.opened(
        open_beneath(root, joined(aside, below) if below else aside, os.O_RDONLY | os.O_DIRECTORY)
    ) as here:
        found = [(os.fsencode(name), os.stat(name, dir_fd=here, follow_symlinks=False)) for name in os.listdir(here)]  # noqa: PTH208
    for name, facts in found:
        path = joined(below, name)
        if stat.S_ISDIR(facts.st_mode):
            yield from _files(root, aside, path)
        elif stat.S_ISREG(facts.st_mode):
            yield path, facts


def _remove_empty(root: int, path: bytes) -> None:
    """Folders that hold nothing any more, from the inside out."""
    with contextlib.suppress(OSError), bins.opened(open_beneath(root, path, os.O_RDONLY | os.O_DIRECTORY)) as here:
        for below in os.listdir(here):  # noqa: PTH208
            if stat.S_ISDIR(os.stat(below, dir_fd=here, follow_symlinks=False).st_mode):
                _remove_empty(root, joined(path, os.fsencode(below)))
    folder, name = bins.split(path)
    with contextlib.suppress(OSError), bins.opened(open_beneath(root, folder, os.O_RDONLY | os.O_DIRECTORY)) as above:
        os.rmdir(name, dir_fd=above)


def _is_there(root: int, path: bytes) -> bool:
    try:
        os.close(open_beneath(root, path, os.O_PATH))
    except OSError as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return False
        raise
    return True
