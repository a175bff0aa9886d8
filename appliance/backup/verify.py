"""Reading: HOT's files while they pass for the first time, and COLD's copies back from the medium."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from appliance.backup import medium, problems
from appliance.backup.work import Batch, Item

Stopped = Callable[[], bool]


@dataclass
class Verdict:
    """What rereading a batch showed."""

    doubtful: list[Item] = field(default_factory=list)  # the copy is not what HOT's digest says
    missing: list[Item] = field(default_factory=list)  # never arrived


def read_originals(pool: ThreadPoolExecutor, batch: Batch, stopped: Stopped, parts: int = 2) -> None:
    """Give every file of a batch its digest; those that cannot be read are noted."""
    top = os.fsencode(batch.hot.path) + b"/"

    def read(items: Sequence[Item]) -> None:
        for item in items:
            if stopped():
                raise medium.Halted
            try:
                item.digest = medium.digest_of_original(top + item.path, item.size, item.modified_ns, stopped)
            except medium.Changed:
                item.problem = problems.CHANGED_MEANWHILE
            except OSError as error:
                item.problem, item.detail = _reading_problem(error)

    _spread(pool, read, [item for item in batch.good() if item.digest is None], parts)


def _reading_problem(error: OSError) -> tuple[str, str]:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return problems.CHANGED_MEANWHILE, ""
    return problems.UNREADABLE, error.strerror or str(error)


def read_copies(pool: ThreadPoolExecutor, batch: Batch, top: Path, stopped: Stopped, parts: int = 3) -> Verdict:
    """Compare what lies in the incoming folder with the digests.  Raises OSError when COLD cannot be read."""
    verdict = Verdict()
    prefix = os.fsencode(top) + b"/"

    def read(items: Sequence[Item]) -> None:
        for item in items:
            if stopped():
                raise medium.Halted
            try:
                if medium.digest_of_copy(prefix + item.place, stopped) != item.digest:
                    verdict.doubtful.append(item)
            except FileNotFoundError:
                verdict.missing.append(item)

    _spread(pool, read, list(batch.good()), parts)
    return verdict


def _spread(pool: ThreadPoolExecutor, read: Callable[[Sequence[Item]], None], items: list[Item], parts: int) -> None:
    """Run ``read`` on parts of the list at the same time; a part is contiguous, as the files lie on the medium."""
    size = max(1, -(-len(items) // parts))
    waiting = [pool.submit(read, items[at : at + size]) for at in range(0, len(items), size)]
    for future in waiting:
        future.result()
