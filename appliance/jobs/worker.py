"""The idle supervisor: ``python -m appliance.jobs.worker``.  One per station, and small, because it is always there.

It imports no ORM and does no work itself.  It hears of drives, of commits and of news on the drives, and starts a
process whenever there is something to do: ``appliance.jobs.runner ID`` per job, ``appliance.jobs.tick`` for chores
(schedules, mounting, health), ``appliance.watching.catch_up`` for files that came around the console.  Killed, it takes
its jobs with it, and the next start finds rows that nobody works on.
"""

import fcntl
import logging
import math
import os
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from appliance.broker.client import SocketBroker
from appliance.folder_news import ONCE, WRITTEN, FolderNews
from appliance.jobs.drive_watch import DriveWatch
from appliance.jobs.outside_news import CATCH_UP, OutsideNews
from appliance.places import Places, places
from appliance.upgrade import trial

log = logging.getLogger("everpx.worker")

#: Kinds whose work begins while the runner is still being imported, each with the module that then becomes the runner.
HEAD_STARTS = {"backup.run": ("appliance.backup.head_start",)}
POLL_S = 1.0  # how long a new job may wait while there is work
GLANCE_S = 0.1  # between looks for a commit that was just heard of
GLANCE_FOR_S = 1.0
SETTLE_S = 10.0  # a commit is heard of when it is written and seen when it is durable; drives may be slow
LOOK_ANYWAY_S = 60.0  # a clock may be set, and not every filesystem tells
TICK_EVERY_S = 30 * 60  # chores, when nothing else asked for them
FIRST_TICK_S = 30  # after the start's own: signing in comes first
TICK_AGAIN_S = 60  # the least time between two ticks for the same reason
AGAIN_S = {"previews": 15}  # photos arrive one by one, and somebody waits for their pictures
TICK_LIMIT_S = 15 * 60  # a tick that takes longer hangs on a drive
FIRST_SCAN_S = 10  # how long the start waits for the first list of drives
STOP_S = 25  # how long jobs get to let go of their drives
LONGEST_REST_S = 300.0
AGAIN = os.EX_TEMPFAIL  # a tick's status: a drive could not be brought into use or let go of yet
NEVER = float("-inf")

QUEUE = "select id, kind from job where state in ('WAITING', 'INTERRUPTED') and wish = 'RUN' order by id"
STATE = "select state from job where id = ?"
NEXT_DUE = "select min(next_due) from schedule where enabled"
PREVIEWS_WAIT = """select exists(select 1 from media where preview = 'WAITING') and not exists(
    select 1 from job where kind = 'library.previews' and state in ('WAITING', 'RUNNING', 'PAUSED', 'INTERRUPTED'))"""


@dataclass
class Child:
    """A process that was started: a job's, or a tick (``job_id`` 0)."""

    process: subprocess.Popen[bytes]
    job_id: int
    lane: str
    started: float


def lane_of(kind: str) -> tuple[str, int]:
    """Which jobs share slots, and how many there are.

    Work behind the scenes runs one of a kind; what a person is waiting for is never behind four COLD drives that
    wait to be switched on.  Nor is a plugin's work, or nobody would be told to switch them on.
    """
    room = kind.partition(".")[0]
    if room in ("library", "album_page"):
        return kind, 1
    return ("work", 4) if room in ("backup", "adoption", "people") else (room, 2)


class AnotherWorker(SystemExit):
    """There is one already."""


class Worker:
    """The supervisor's loop; everything it knows is in here, and all of it may be lost."""

    def __init__(self, here: Places) -> None:
        self.here = here
        self.lock = _only_one(here)
        self.rows = sqlite3.connect(f"{here.database.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        self.rows.execute("pragma busy_timeout=2000")
        self.wake, self.woken = _wakeup()
        self.commits = FolderNews()
        self.outside = OutsideNews(here)
        self.heard = self.seen = NEVER  # when a commit was last heard of, and seen
        self.drives = DriveWatch(here, SocketBroker(here.broker_socket), self._drives_changed)
        self.children: dict[int, Child] = {}
        self.failures: dict[int, int] = {}  # job id -> deaths in a row
        self.rest_until: dict[int, float] = {}  # job id -> when it may start again
        self.version = -1
        self.on_trial = trial.is_on(here)  # then only drives are minded, and no job is started
        self.stopping = self.drives_changed = self.previews_wait = False
        self.last_tick: dict[str, float] = {}  # reason -> when
        self.unsettled = 0  # ticks in a row that left a drive for the next
        self.again = math.inf  # when the next one is due for it
        self.next_due: str | None = None

    def run(self) -> None:
        """Until told to stop."""
        self.drives.start()
        self._first_tick()
        log.info("ready")
        while not self.stopping:
            rest = POLL_S
            try:
                self._round()
                rest = self._rest()
            except sqlite3.OperationalError as error:  # locked for long, or the disk has a bad moment
                log.warning("database: %s", error)
            except sqlite3.DatabaseError as error:
                self._give_up(error)
            self._sleep(rest)
        self._stop_children()

    def _give_up(self, error: sqlite3.DatabaseError) -> None:
        """A damaged page: the next start of the station reads the whole database, and replaces it."""
        from appliance.recovery import suspect_stamp

        log.error("the database is damaged: %s", error)
        suspect_stamp(self.here).touch()
        self._stop_children()
        sys.exit(1)

    def stop(self, *_: object) -> None:
        """Signal handler: end the loop."""
        self.stopping = True

    def _first_tick(self) -> None:
        """Before any job: what the last power cut left is put in order, and HOT is there."""
        self.drives.scanned.wait(FIRST_SCAN_S)
        self.drives_changed = False  # what was found so far is what this tick looks at
        self._tick("start", "--start")
        while self._ticking() and not self.stopping:
            self._sleep(POLL_S)
            self._reap()
        self.last_tick["usual"] = time.monotonic() - TICK_EVERY_S + FIRST_TICK_S

    def _round(self) -> None:
        """Whenever something may have happened.  Nothing new: one pragma and a few comparisons."""
        self._reap()
        self.on_trial = self.on_trial and trial.is_on(self.here)
        if self.on_trial:
            self._mind_drives()
            return
        version = self._data_version()
        if version != self.version or self.rest_until:
            self.version, self.seen = version, time.monotonic()
            self._start_jobs()
            (self.next_due,) = self.rows.execute(NEXT_DUE).fetchone()
            self.previews_wait = bool(self.rows.execute(PREVIEWS_WAIT).fetchone()[0])
        if self.previews_wait and self._tick("previews", "--standing"):
            self.previews_wait = False  # until something else happens: their drive may not be here
        if not self._busy(CATCH_UP) and self.outside.rest() == 0:
            self._spawn([CATCH_UP], 0, CATCH_UP)
        self._mind_drives()
        if self.next_due is not None and self.next_due <= f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}":
            self._tick("due")
        if time.monotonic() >= self._next_usual():
            self._tick("usual")

    def _mind_drives(self) -> None:
        if (self.drives_changed or time.monotonic() >= self.again) and not self._ticking():
            self.unsettled = 0 if self.drives_changed else self.unsettled
            self.drives_changed, self.again = False, math.inf
            self.last_tick.pop("drives", None)
            self._tick("drives")

    def _rest(self) -> float:
        """How long there is nothing to look at unless somebody tells; 0 when something came while this was asked.

        As long as there is work, looking once a second costs less than hearing of every commit.
        """
        moment = time.monotonic()
        if self.seen < self.heard and moment - self.heard < GLANCE_FOR_S:
            return GLANCE_S
        waits = self.on_trial or self.children or self.rest_until or self.drives_changed or self.previews_wait
        if waits or moment - max(self.heard, self.seen) < SETTLE_S:
            return POLL_S
        if not self.commits.listen(self.here.data, WRITTEN | ONCE):
            return POLL_S
        if self._data_version() != self.version:
            return 0.0
        until = min(LOOK_ANYWAY_S, self.again - moment, self._next_usual() - moment, self.outside.rest())
        if self.next_due is not None:
            due = datetime.fromisoformat(self.next_due).replace(tzinfo=UTC) - datetime.now(UTC)
            until = min(until, due.total_seconds())
        return max(until, POLL_S)

    def _data_version(self) -> int:
        """Another number after each commit of another process."""
        version: int = self.rows.execute("pragma data_version").fetchone()[0]
        return version

    def _start_jobs(self) -> None:
        moment = time.monotonic()
        running = {child.job_id for child in self.children.values()}
        for job_id, kind in self.rows.execute(QUEUE).fetchall():
            lane, most = lane_of(kind)
            busy = sum(child.lane == lane for child in self.children.values())
            if job_id in running or busy >= most or self.rest_until.get(job_id, 0) > moment:
                continue
            self.rest_until.pop(job_id, None)
            self._spawn([*HEAD_STARTS.get(kind, ()), "appliance.jobs.runner", str(job_id)], job_id, lane)

    def _tick(self, why: str, *flags: str) -> bool:
        """Start the chores, unless they are being done or were just done for this reason."""
        if self._ticking() or time.monotonic() - self.last_tick.get(why, NEVER) < AGAIN_S.get(why, TICK_AGAIN_S):
            return False
        self.last_tick[why] = time.monotonic()
        self._spawn(["appliance.jobs.tick", *flags], 0, "tick")
        return True

    def _next_usual(self) -> float:
        return TICK_EVERY_S + max(self.last_tick.get(why, NEVER) for why in ("drives", "due", "usual"))

    def _ticking(self) -> bool:
        return self._busy("tick")

    def _busy(self, lane: str) -> bool:
        return any(child.lane == lane for child in self.children.values())

    def _spawn(self, module: list[str], job_id: int, lane: str) -> None:
        process = subprocess.Popen(  # runs until it ends by itself; a tick that hangs is killed in _reap
            [sys.executable, "-m", *module],
            stdin=subprocess.DEVNULL,
            env=os.environ | {"EVERPX_WORKER": str(os.getpid())},
        )
        self.children[process.pid] = Child(process, job_id, lane, time.monotonic())

    def _reap(self) -> None:
        """Notice children that ended; a job whose row does not say how it ended is interrupted."""
        for pid, child in list(self.children.items()):
            status = child.process.poll()
            if status is None:
                if child.lane == "tick" and time.monotonic() - child.started > TICK_LIMIT_S:
                    log.error("the chores hang and are stopped")
                    child.process.kill()
                continue
            del self.children[pid]
            self.version = -1  # there may be room for the next job
            if child.lane == CATCH_UP:
                self.outside.ended(status)
            elif child.job_id:
                self._ended(child.job_id, status)
            elif status == AGAIN:
                self.unsettled += 1
                self.again = time.monotonic() + min(2.0**self.unsettled, LONGEST_REST_S)
            elif status != 0:
                log.error("chores ended with status %d", status)

    def _ended(self, job_id: int, status: int) -> None:
        row = self.rows.execute(STATE, (job_id,)).fetchone()
        state = row[0] if row else "gone"
        if state != "RUNNING" and (status == 0 or state not in ("WAITING", "INTERRUPTED")):
            self.failures.pop(job_id, None)
            return
        log.warning("job %d died (status %d) as %s", job_id, status, state)
        self.failures[job_id] = self.failures.get(job_id, 0) + 1
        self.rest_until[job_id] = time.monotonic() + min(2.0 ** self.failures[job_id], LONGEST_REST_S)
        self._spawn(["appliance.jobs.tick", "--interrupted", str(job_id)], 0, "aftermath")

    def _drives_changed(self) -> None:
        """Called from the watching thread."""
        self.drives_changed = True
        self.woken.send(b"d")

    def _sleep(self, seconds: float) -> None:
        """Until a signal, a drive, a commit, or the time."""
        news = [source for source in (self.commits, self.outside) if source.fileno() >= 0]
        sources: list[socket.socket | FolderNews | OutsideNews] = [self.wake, *news]
        ready = select.select(sources, [], [], seconds)[0]
        if self.wake in ready:
            self.wake.recv(4096)
        if self.outside in ready:
            self.outside.heard()
        if self.commits in ready and self.commits.heard():
            self.heard = time.monotonic()

    def _stop_children(self) -> None:
        """Jobs get some seconds to let go of their drives; then this process ends, and they with it."""
        for child in self.children.values():
            child.process.terminate()
        end = time.monotonic() + STOP_S
        for child in self.children.values():
            try:
                child.process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("pid %d did not stop in time", child.process.pid)
                child.process.kill()
                child.process.wait()


def _only_one(here: Places) -> int:
    """Hold ``run/worker.lock`` until this process ends.  Raises AnotherWorker."""
    fd = os.open(here.run / "worker.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise AnotherWorker("another worker is running on this station") from None
    os.truncate(fd, 0)
    os.write(fd, f"{os.getpid()}\n".encode())
    return fd


def _wakeup() -> tuple[socket.socket, socket.socket]:
    """A pair of sockets; signals (a child that ended, too) and drives write into the second."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    return ours, theirs


def main() -> None:
    """Supervise until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    worker = Worker(places())
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, worker.stop)
    signal.signal(signal.SIGCHLD, _notice)
    worker.run()


def _notice(*_: object) -> None:
    """A signal handler that does nothing, but without one the wake-up socket hears nothing."""


if __name__ == "__main__":
    main()
