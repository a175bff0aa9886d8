"""Several batches at a time: one is read on HOT, one is on its way, one is read back from COLD, one is recorded.

A turn moves each batch one station on.  The one flush of a turn makes the bytes that just arrived durable, and with
them the renames of the batch that was proven a turn earlier; only after that are its rows committed.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from appliance.backup import crashpoints, medium, problems, verify
from appliance.backup.doubt import Doubter
from appliance.backup.move import Carrier, Full
from appliance.backup.older import Leaving
from appliance.backup.settle import Settler
from appliance.backup.work import Batch
from appliance.jobs.progress import Progress, Stopped
from appliance.words import N_, Message

THREADS = 11  # three stations, two helpers of the second, and their parts: none may wait for one that another holds
LISTEN_S = 0.2
LOGGED = 200  # files whose trouble is told one by one
SHARE = (5, 85)  # of the whole bar, in percent


@dataclass
class Tally:
    """What a run did."""

    expected: int = 0  # bytes
    copied: int = 0
    bytes: int = 0
    skipped: int = 0


@dataclass(frozen=True)
class Crew:
    """Those who do the work of one run on one COLD drive."""

    carrier: Carrier
    settler: Settler
    doubter: Doubter
    flush: medium.Flusher
    put_away: Callable[[list[Leaving]], None]
    make_room: Callable[[int], None]  # raises ColdFull
    reuse: Callable[[Batch], None] | None  # None where nothing vanished


@dataclass
class Line:
    """Which batch is at which station; each has passed the ones before."""

    read: Batch | None = None  # on HOT
    arrived: Batch | None = None  # on COLD, durable, not proven
    placed: Batch | None = None  # proven and renamed
    flushed: Batch | None = None  # its renames are durable, too

    @property
    def is_busy(self) -> bool:
        """Whether any batch is left."""
        return any((self.read, self.arrived, self.placed, self.flushed))


class Pipeline:
    """Takes batches through their three stations."""

    def __init__(self, progress: Progress, crew: Crew, tally: Tally) -> None:
        self._progress, self._crew, self._tally = progress, crew, tally
        self._pool = ThreadPoolExecutor(THREADS)

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(self, *_: object) -> None:
        self._crew.carrier.halt()
        self._pool.shutdown(wait=True)

    def run(self, batches: Iterator[Batch]) -> None:
        """Until no batch is left.  Raises what stops a run."""
        line = Line(read=self._read(batches))
        try:
            while line.is_busy:
                line = self._turn(line, batches)
        except Stopped:
            self._finish(line)
            raise

    def _finish(self, line: Line) -> None:
        """Do not let a pause waste what is proven and at its place already."""
        self._crew.flush()
        for batch in (line.flushed, line.placed):
            if batch:
                self._commit(batch)

    def _read(self, batches: Iterator[Batch]) -> Batch | None:
        """The next batch.  Its hashes are needed before it is carried only where COLD may have the bytes already."""
        batch = next(batches, None)
        if batch is not None and self._crew.reuse is not None:
            self._hash(batch)
        return batch

    def _hash(self, batch: Batch) -> None:
        verify.read_originals(self._pool, batch, self._crew.carrier.halted)

    def _turn(self, line: Line, batches: Iterator[Batch]) -> Line:
        """Everything moves one station on."""
        crew = self._crew
        if line.read:
            line.read.hot.check()
            crew.carrier.cold.check()
            if crew.reuse is not None:
                crew.reuse(line.read)
        reading = self._pool.submit(self._read, batches)
        carrying = self._pool.submit(self._carry, line.read)
        checking = self._pool.submit(self._check, line.arrived) if line.arrived else None
        if line.flushed:
            self._commit(line.flushed)
            line.flushed = None
        self._wait([future for future in (carrying, reading, checking) if future])
        line.flushed, line.placed = line.placed, None
        crashpoints.reach("flushed")
        if line.arrived and checking:
            self._place(line.arrived, checking.result())
            line.placed, line.arrived = line.arrived, None
        if carrying.result() and line.read:
            self._carry_again(line.read)
        return Line(reading.result(), line.read, line.placed, line.flushed)

    def _carry(self, batch: Batch | None) -> bool:
        """Carry a batch, hash it on the way, and flush; whether COLD was too full for it."""
        is_full = False
        if batch:
            hashing = self._pool.submit(self._hash, batch)  # the same pages that rsync reads
            looking = self._pool.submit(self._crew.settler.look_ahead, batch)
            try:
                self._crew.carrier.carry(batch)
            except Full:
                is_full = True
            hashing.result()
            looking.result()
        self._crew.flush()
        return is_full

    def _commit(self, batch: Batch) -> None:
        self._crew.settler.commit(batch)
        self._count(batch)
        if any(batch.good()):
            self._progress.got_on()

    def _carry_again(self, batch: Batch) -> None:
        """After making room.  Raises ColdFull."""
        crew = self._crew
        shutil.rmtree(crew.carrier.top(batch).parent)
        crew.flush()
        crew.make_room(batch.bytes)
        try:
            crew.carrier.carry(batch)
        except Full:
            crew.make_room(1 << 62)
        crew.flush()

    def _check(self, batch: Batch) -> verify.Verdict:
        return verify.read_copies(self._pool, batch, self._crew.carrier.top(batch), self._crew.carrier.halted)

    def _wait(self, futures: Sequence[Future[Any]]) -> None:
        """Until all have ended, telling how far the run is.  Raises Stopped at a person's wish, or their error."""
        pending = set(futures)
        while pending:
            ended, pending = wait(pending, LISTEN_S)
            for future in ended:
                future.result()
            self._step()

    def _step(self) -> None:
        done = min(self._tally.expected, self._tally.bytes + self._crew.carrier.carried)
        self._progress.step(N_("Copying and checking"), done, self._tally.expected, share=SHARE)

    def _place(self, batch: Batch, verdict: verify.Verdict) -> None:
        for item in verdict.missing:
            item.problem = item.problem or problems.CHANGED_MEANWHILE
        for item in verdict.doubtful:
            self._crew.doubter.judge(batch, item)
        crashpoints.reach("checked")
        self._crew.put_away(self._crew.settler.leaving(batch))
        crashpoints.reach("vacated")
        self._crew.settler.place(batch, self._crew.carrier.top(batch))
        shutil.rmtree(self._crew.carrier.top(batch).parent, ignore_errors=True)

    def _count(self, batch: Batch) -> None:
        tally = self._tally
        good = list(batch.good())
        tally.copied += len(good)
        tally.bytes += batch.bytes
        for item in batch.items:
            if not item.problem:
                continue
            tally.skipped += 1
            if tally.skipped <= LOGGED:
                file = item.path.decode("utf-8", "backslashreplace")
                fields = {"file": file, "why": Message(item.problem)}
                self._progress.log(N_("“{file}” {why}"), fields)
