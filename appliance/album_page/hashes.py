"""``everpx-manifest.b3`` on a HOT drive: the files whose hash is known, as they were when the list was written.

A HOT drive changes all day, so its list is true for its own date: each line was compared with the file's size and time
when it was written.  What was changed, moved or deleted since then is named by ``b3sum --check`` as well, and is no
damage; READ ME FIRST says so.

A COLD drive's list is another one (``backup.manifest``): what is listed there is proven.
"""

import os
from collections.abc import Iterator

from sqlalchemy import select

from appliance.backup.manifest import line
from appliance.db import Database
from appliance.drives import layout
from appliance.drives.mounts import Mount
from appliance.durable import flush_folder
from appliance.library.catalogue import joined
from appliance.library.models import Folder, StoredFile
from appliance.library.scan import listing_of


def write(db: Database, hot: Mount) -> int:
    """Replace the list whole, by a rename; the number of files in it.  Raises DriveGone, OSError."""
    lines = 0
    temporary = hot.path / layout.PRIVATE / "manifest.new"
    temporary.parent.mkdir(exist_ok=True)
    hot.check()
    with temporary.open("wb") as out:
        for path, digest in _known(db, hot):
            out.write(line(path, digest))
            lines += 1
        out.flush()
        os.fsync(out.fileno())
    hot.check()
    temporary.replace(hot.path / layout.MANIFEST)
    flush_folder(hot.path)
    return lines


def _known(db: Database, hot: Mount) -> Iterator[tuple[bytes, bytes]]:
    """(path, digest) of what is on the drive as it was when its bytes were read."""
    with db.reading() as session:
        folders = session.execute(select(Folder.id, Folder.path).where(Folder.drive_id == hot.drive_id)).all()
    for folder_id, path in sorted(folders, key=lambda folder: folder[1]):
        with db.reading() as session:
            known = {
                name: (size, modified_ns, digest)
                for name, size, modified_ns, digest in session.execute(
                    select(StoredFile.name, StoredFile.size, StoredFile.modified_ns, StoredFile.digest)
                    .where(StoredFile.folder_id == folder_id, StoredFile.damaged.is_(False))
                    .where(StoredFile.digest.is_not(None))
                )
            }
        if not known or not _is_text(path):
            continue
        try:
            listing = listing_of(hot.path, path)
        except OSError:
            hot.check()
            continue  # the folder is gone, and the next walk sees it
        for name, size, modified_ns, _ in listing.files:
            facts = known.get(name)
            if facts and facts[:2] == (size, modified_ns) and facts[2] and _is_text(name):
                yield joined(path, name), facts[2]


def _is_text(name: bytes) -> bool:
    """``b3sum`` gives up at a list that is not UTF-8."""
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True
