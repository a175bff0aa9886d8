"""Brings the rows in step with what root was told of: ``python -m appliance.watching.catch_up``, started by the worker.

One process goes on as long as there is news and some seconds longer; then it ends, and the station carries nothing of
it.  Names are written down first, the bytes are read when nothing new waits; large files, and what was lost, become
jobs.  What was handed out is said to be done only when it is committed, so a death at any line costs nothing but time.

The exit status is ``AGAIN`` when something could not be looked at yet (a drive that was pulled).
"""

import contextlib
import logging
import os
import select
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

from appliance.broker.client import Broker, SocketBroker
from appliance.db import Database
from appliance.drives.mounts import Mount, hot_mounts
from appliance.errors import ApplianceError
from appliance.folder_news import FolderNews
from appliance.jobs import standing
from appliance.jobs.life import die_with_worker
from appliance.jobs.outside_news import MADE_OR_TOUCHED
from appliance.jobs.schedule import zone
from appliance.jobs.worker import AGAIN
from appliance.library import index, put_aside, reading, scan, told
from appliance.library.sighting import Owners
from appliance.places import Places, places

log = logging.getLogger("everpx.catch_up")

LINGER_S = 15.0  # after the last news: starting anew costs a second of CPU


@dataclass
class CatchUp:
    """What the process knows; all of it may be lost."""

    db: Database
    broker: Broker
    places: Places
    settled: bool = True
    unread: dict[int, int] = field(default_factory=dict)  # drive -> id of the last file that was read

    def run(self) -> None:
        """Until there has been nothing to do for a while."""
        with contextlib.closing(FolderNews()) as flags:
            quiet = time.monotonic()
            while (left := quiet + LINGER_S - time.monotonic()) > 0:
                flags.listen(self.places.news, MADE_OR_TOUCHED)
                if self.round():
                    quiet = time.monotonic()
                else:
                    select.select([flags], [], [], left)
                    flags.heard()
        self.settled = not waiting(self.places)

    def round(self) -> bool:
        """One look at the news, or a few files read; False when there was nothing to do."""
        with self.db.reading() as session:
            mounts = {mount.tag: mount for mount in hot_mounts(session, self.places)}
            owners, here = Owners(session), zone(session)
        worked = False
        for tag in waiting(self.places):
            try:
                worked |= tag in mounts and self._take(mounts[tag], owners, here)
            except ApplianceError as error:
                log.warning("%s: %s", tag, error)
        return worked or self._read_some(list(mounts.values()))

    def _take(self, mount: Mount, owners: Owners, here: tzinfo) -> bool:
        """Look at all that there is news of on one drive; False when nothing could be done.  Raises DriveGone."""
        done = since = looked = 0
        worked = False
        while True:
            news = self.broker("watching.news", {"tag": mount.tag, "done": done, "looked": looked})
            done, looked = news["number"], 0
            if news["since"] != since:
                since = news["since"]
                looked = since if since and self._look_through(since) else 0
            if news["folders"] or news["trees"]:
                self._look(mount, news, owners, here)
                self.unread.setdefault(mount.drive_id, 0)
            elif not looked:
                return worked
            worked = True

    def _look(self, mount: Mount, news: dict[str, Any], owners: Owners, here: tzinfo) -> None:
        """What is gone first: what was said of a photo that was renamed is then kept for its bytes.

        What clients deleted goes into the bin before that, while the rows still say what it was.
        """
        trees = [os.fsencode(path) for path in news["trees"]]
        folders = [(os.fsencode(folder), names) for folder, names in news["folders"]]
        self._into_bin(mount, {*trees, *(folder for folder, _ in folders)}, owners)
        trees = [path for path in trees if put_aside.share_of(path) is None]
        folders = [(folder, names) for folder, names in folders if put_aside.share_of(folder) is None]
        trees.sort(key=lambda path: os.path.lexists(os.fsencode(mount.path) + b"/" + path))
        named = [(folder, [os.fsencode(name) for name in names]) for folder, names in folders if names is not None]
        new = gone = 0
        for folder, names in named:
            gone += told.forget(self.db, mount, folder, names)
        for path in trees:
            told.look_below(self.db, mount, path, owners, here)
        for folder, names in named:
            new += told.take(self.db, mount, folder, names, owners, here)
        for folder, names in folders:
            if names is None:
                self._whole(mount, folder, owners, here)
        log.info("%s: %d new or changed, %d gone, %d folders", mount.tag, new, gone, len(trees))

    def _into_bin(self, mount: Mount, told_of: set[bytes], owners: Owners) -> None:
        for share in {share for path in told_of if (share := put_aside.share_of(path)) is not None}:
            if (owner := owners.of(share)) is not None:
                count = put_aside.gather(self.db, mount, share, owner)
                log.info("%s: %d deleted by clients are in the bin", mount.tag, count)

    def _whole(self, mount: Mount, folder: bytes, owners: Owners, here: tzinfo) -> None:
        found = scan.folder_of(os.fsencode(mount.path), mount.device_number, folder)
        if found is None:
            told.look_below(self.db, mount, folder, owners, here)
        elif found[0].problem is None:
            index.compare(self.db, mount, found[0], owners, here, {"new": 0, "gone": 0, "unreadable": 0})

    def _look_through(self, since: int) -> bool:
        """Something was lost before this moment, and all has to be looked at; whether that is arranged."""
        with self.db.writing() as session:
            return standing.index_since(session, self.places, datetime.fromtimestamp(since / 1000, UTC))

    def _read_some(self, mounts: list[Mount]) -> bool:
        """Read a few small files that are new; large ones are a job."""
        for mount in mounts:
            after = self.unread.get(mount.drive_id)
            if after is None:
                continue
            try:
                last = reading.hash_some(self.db, mount, after)
                if last:
                    self.unread[mount.drive_id] = last
                    return True
                if reading.any_unread(self.db, mount):
                    with self.db.writing() as session:
                        reading.start(session)
            except ApplianceError as error:
                log.warning("%s: %s", mount.tag, error)
            del self.unread[mount.drive_id]
        return False


def waiting(here: Places) -> list[str]:
    """The tags of the drives that have news."""
    try:
        return sorted(flag.name for flag in (here.news).iterdir())
    except FileNotFoundError:
        return []


def main() -> None:
    """Catch up."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    die_with_worker()
    os.nice(5)
    here = places()
    db = Database(here.database)
    process = CatchUp(db, SocketBroker(here.broker_socket), here)
    process.run()
    db.close()
    sys.exit(0 if process.settled else AGAIN)


if __name__ == "__main__":
    main()
