"""Moving bytes: rsync copies an explicit list from HOT into the COLD drive's incoming folder, never anywhere else.

Nothing in the incoming folder has a final name, so rsync may write in place and needs no temporary names; a run that
is cut off leaves there what the next run throws away.
"""

import contextlib
import errno
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from appliance.backup import medium, problems
from appliance.backup.work import Batch, Item
from appliance.drives import layout
from appliance.drives.mounts import Mount

NO_SPACE = re.compile(rb"No space left on device|Disk quota exceeded")
TOLD_PROGRESS = re.compile(rb"\r\s*([\d,.]+)\s")
FINE = frozenset({0, 23, 24})  # 23, 24: some files could not be read or vanished; each file is checked afterwards


class Full(Exception):
    """COLD has no room for this batch."""


def command(hot: Path, target: Path) -> list[str]:
    """rsync's words: a list of names on standard input, times kept, no owners or modes, nothing ever deleted."""
    quick = ["--whole-file", "--inplace", "--omit-dir-times", "--no-implied-dirs", "--files-from=-", "--from0"]
    return ["rsync", "--times", *quick, "--info=progress2", "--outbuf=N", "--", f"{hot}/", f"{target}/"]


class Carrier:
    """Carries batches of one run to one COLD drive."""

    def __init__(self, cold: Mount) -> None:
        self.cold = cold
        self.incoming = cold.path / layout.INCOMING
        self.carried = 0  # bytes of the batch under way
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._halted = False

    def halted(self) -> bool:
        """Whether :meth:`halt` was called."""
        return self._halted

    def halt(self) -> None:
        """Stop as soon as possible; safe from another thread."""
        with self._lock:
            self._halted = True
            if self._process is not None:
                self._process.kill()

    def clear(self) -> None:
        """Throw away what an earlier run left half-done."""
        if self.incoming.exists():
            shutil.rmtree(self.incoming)
        self.incoming.mkdir(parents=True)

    def top(self, batch: Batch) -> Path:
        """Where a batch lies until it is proven."""
        return self.incoming / str(batch.number) / batch.hot.tag

    def carry(self, batch: Batch) -> None:
        """Copy a batch's files.  Raises Full, ColdFailing, DriveGone or medium.Halted."""
        self.carried = 0
        top = self.top(batch)
        top.mkdir(parents=True, exist_ok=True)
        plain = [item for item in batch.good() if item.is_plain and not self._arrived(top, item)]
        try:
            if plain:
                self._rsync(batch.hot, plain, top)
            for item in batch.good():
                if not item.is_plain and not self._arrived(top, item):
                    self.copy_one(batch.hot, item, top)
        except OSError as error:
            raise self._translated(error) from None

    @staticmethod
    def _arrived(top: Path, item: Item) -> bool:
        """Whether an equal file of COLD's own was put there instead of a copy."""
        return item.is_reused and (top / os.fsdecode(item.place)).exists()

    def _rsync(self, hot: Mount, items: Sequence[Item], top: Path) -> None:
        with self._lock:
            if self._halted:
                raise medium.Halted
            self._process = process = subprocess.Popen(
                command(hot.path, top),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            )
        feeder = threading.Thread(target=_feed, args=(process, b"".join(item.path + b"\0" for item in items)))
        complaints: list[bytes] = []
        listener = threading.Thread(target=_collect, args=(process, complaints))
        feeder.start()
        listener.start()
        self._follow(process)
        status = process.wait()
        feeder.join()
        listener.join()
        with self._lock:
            self._process = None
            if self._halted:
                raise medium.Halted
        if status not in FINE:
            self._complain(hot, b"".join(complaints), status)

    def _follow(self, process: subprocess.Popen[bytes]) -> None:
        """Read how far rsync is until it closes its output."""
        assert process.stdout is not None
        with process.stdout as stdout:
            while said := os.read(stdout.fileno(), 4096):
                if numbers := TOLD_PROGRESS.findall(said):
                    self.carried = int(re.sub(rb"\D", b"", numbers[-1]))

    def _complain(self, hot: Mount, complaints: bytes, status: int) -> None:
        """Raise what rsync's end means."""
        hot.check()
        self.cold.check()
        if NO_SPACE.search(complaints):
            raise Full
        lines = complaints.decode("utf-8", "replace").strip().splitlines()
        raise problems.ColdFailing(drive=self.cold.name, why=lines[0] if lines else f"rsync {status}")

    def _translated(self, error: OSError) -> Exception:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return Full()
        self.cold.check()
        return problems.ColdFailing(drive=self.cold.name, why=error.strerror or str(error))

    def copy_one(self, hot: Mount, item: Item, top: Path) -> None:
        """Copy a file under the name COLD can hold; its own trouble is noted, COLD's is raised (OSError)."""
        target = os.fsencode(top) + b"/" + item.place
        os.makedirs(target.rpartition(b"/")[0], exist_ok=True)
        try:
            source = os.open(os.fsencode(hot.path) + b"/" + item.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            item.problem, item.detail = problems.UNREADABLE, error.strerror or ""
            return
        with (
            contextlib.closing(os.fdopen(source, "rb", buffering=0)) as reading,
            open(target, "wb", buffering=0) as out,
        ):
            shutil.copyfileobj(reading, out, 1 << 20)
        os.utime(target, ns=(item.modified_ns, item.modified_ns))


def _feed(process: subprocess.Popen[bytes], names: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
        stdin.write(names)


def _collect(process: subprocess.Popen[bytes], into: list[bytes]) -> None:
    """Keep what rsync says first; drop the rest, however much it is."""
    assert process.stderr is not None
    kept = 0
    with process.stderr as stderr:
        while said := stderr.read(4096):
            if kept < 1 << 16:
                into.append(said)
                kept += len(said)
