"""Root's thread that hears of every HOT drive in use, and says of each by a file whether there is news.

``RUN/drives/.news/HOT-1`` is there as long as there is something to look at on HOT-1; the worker sleeps until one
appears.  Nothing happens while nothing is told.  A drive is heard from when its note (``records``) is written until it
is removed; no file of it is kept open meanwhile, so it can be unmounted at any time.  Standard library only.
"""

import logging
import select
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from appliance.drives import records
from appliance.drives.records import Record
from appliance.folder_news import NAMES, FolderNews
from appliance.watching.folders import Folders
from appliance.watching.marks import Marks
from appliance.watching.store import News

log = logging.getLogger("everpx.watching")

HOT = "HOT-"
GATHER_S = 0.7  # a burst is read at once; and a file that is renamed right after it was written has its name
UNHEARD_EVERY_S = 3600.0  # a drive of which not every folder can be heard is looked through so often


class Source(Protocol):
    """Where news comes from: see ``marks`` and ``folders``."""

    complete: bool

    def fileno(self) -> int:
        """Readable when there is news."""

    def heard(self) -> Any:
        """What happened since the last time."""

    def close(self) -> None:
        """Hear nothing more."""


@dataclass
class Watched:
    """A drive in use."""

    record: Record
    noted: tuple[int, int]  # which writing of its note: a drive that was unmounted and mounted again looks the same
    source: Source | None
    news: News
    again: float  # when it is looked through unasked; never, where everything is told


class Eyes(threading.Thread):
    """All drives below ``root``, the folder of mount points; in ``flags`` is a file for each that has news."""

    def __init__(self, root: Path, flags: Path) -> None:
        super().__init__(name="eyes", daemon=True)
        self.root = root
        self._drives: dict[str, Watched] = {}
        self._turn = threading.Lock()
        self._mounts = FolderNews()
        self._flags = flags
        self._flags.mkdir(mode=0o755, exist_ok=True)
        self._flags.chmod(0o755)
        for flag in self._flags.iterdir():
            flag.unlink()

    def run(self) -> None:
        """For ever; the process's end ends it."""
        while True:
            try:
                self._mounts.listen(self.root, NAMES)
                self._meet()
                self._wait()
            except Exception:
                log.exception("listening to the drives failed; they are looked through")
                time.sleep(UNHEARD_EVERY_S / 60)
                self._lost_all()

    def hand_out(self, tag: str, done: int, looked: int) -> dict[str, Any]:
        """The next part of a drive's news; see :meth:`News.hand_out`.  A drive that is not here has none."""
        with self._turn:
            watched = self._drives.get(tag)
            if watched is None:
                return {"number": 0, "since": 0, "folders": [], "trees": []}
            answer = watched.news.hand_out(done, looked)
            self._say(tag, watched.news, fresh=False)
            return answer

    def _meet(self) -> None:
        """Begin to hear of drives that came into use, and leave those that are not any more."""
        usable = [r for r in records.all_records(self.root) if r.tag.startswith(HOT) and not r.read_only]
        here = {record.tag: (record, self._noted(record.tag)) for record in usable if record.is_live(self.root)}
        with self._turn:
            for tag, watched in list(self._drives.items()):
                if here.get(tag) != (watched.record, watched.noted):
                    if watched.source is not None:
                        watched.source.close()
                    del self._drives[tag]
                    (self._flags / tag).unlink(missing_ok=True)
        for tag, (record, noted) in here.items():
            if tag not in self._drives:
                watched = _watched(record, noted)
                with self._turn:
                    self._drives[tag] = watched
                    self._say(tag, watched.news)

    def _noted(self, tag: str) -> tuple[int, int]:
        try:
            facts = (self.root / f"{tag}.json").stat()
        except FileNotFoundError:
            return 0, 0
        return facts.st_ino, facts.st_mtime_ns

    def _wait(self) -> None:
        """Until there is news; then a moment for more, and tell."""
        drives = [(watched.source, watched) for watched in self._drives.values() if watched.source is not None]
        again = min((watched.again for watched in self._drives.values()), default=float("inf"))
        seconds = None if again == float("inf") else max(0.0, again - time.monotonic())
        sources: list[FolderNews | Source] = [self._mounts, *(source for source, _ in drives)]
        ready = select.select(sources, [], [], seconds)[0]
        if self._mounts in ready:
            self._mounts.heard()
        heard = [(source, watched) for source, watched in drives if source in ready]
        if heard:
            time.sleep(GATHER_S)
        for source, watched in heard:
            self._hear(source, watched)
        for watched in self._drives.values():
            if watched.again <= time.monotonic():
                watched.again = time.monotonic() + UNHEARD_EVERY_S
                self._lost(watched)

    def _hear(self, source: Source, watched: Watched) -> None:
        tag = watched.record.tag
        try:
            told = list(source.heard())
        except OSError as error:  # it is just being unmounted, or was pulled
            log.info("%s: %s", tag, error)
            self._lost(watched)
            time.sleep(GATHER_S)  # until its note is gone
            return
        with self._turn:
            for one in told:
                watched.news.tell(one)
            if told:
                self._say(tag, watched.news)
        if not source.complete and watched.again == float("inf"):
            watched.again = time.monotonic() + UNHEARD_EVERY_S

    def _lost(self, watched: Watched) -> None:
        with self._turn:
            watched.news.lost()
            self._say(watched.record.tag, watched.news)

    def _lost_all(self) -> None:
        for watched in self._drives.values():
            self._lost(watched)

    def _say(self, tag: str, news: News, *, fresh: bool = True) -> None:
        """The file is there exactly when there is news, and is touched when more comes."""
        flag = self._flags / tag
        if not news:
            flag.unlink(missing_ok=True)
        elif fresh or not flag.exists():
            flag.touch(0o644)


def _watched(record: Record, noted: tuple[int, int]) -> Watched:
    """A drive, by the best that the kernel has for it."""
    source: Source | None = None
    path, device = Path(record.path), record.device_number
    try:
        if record.device.startswith(records.FOLDER_PREFIX):
            source = Folders(path, device)  # a mark would be one of the whole machine
        else:
            try:
                source = Marks(path, device)
            except OSError as error:
                log.info("%s (%s) is heard of folder by folder: %s", record.tag, record.filesystem, error)
                source = Folders(path, device)
    except OSError as error:
        log.warning("%s is not heard of: %s", record.tag, error)
    complete = source is not None and source.complete
    return Watched(record, noted, source, News(), float("inf") if complete else time.monotonic() + UNHEARD_EVERY_S)
