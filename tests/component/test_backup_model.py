"""A seeded random life: edits on HOT, kills at random steps, rot, edits of COLD elsewhere; then the invariants.

The model is small: what HOT held at every moment is known, and nothing that a finished run copied may ever be lost.
``EVERPX_SEED`` chooses the life; a failing one prints its seed.
"""

import os
import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from appliance.backup.models import ColdFile, RunState
from appliance.backup.policy import BRAKE_FILES
from appliance.db import Database, now
from appliance.places import Places
from tests.backup_bed import Bed, check_complete, check_invariants, files_below, killed_run

pytestmark = pytest.mark.component

STEPS = ("vanished", "flushed", "checked", "vacated", "placed", "committed", "manifest", "finished", "repairing")
LIVES = (int(os.environ["EVERPX_SEED"]),) if "EVERPX_SEED" in os.environ else (1, 2)
ROUNDS = 8


class Life:
    """One random life."""

    def __init__(self, bed: Bed, seed: int) -> None:
        self.bed, self.chance, self.serial = bed, random.Random(seed), 0
        self.copied: set[bytes] = set()  # every content that a finished run has seen

    def edit(self) -> None:
        """A day of the family: new, changed, deleted, moved and swapped files and folders."""
        for _ in range(self.chance.randint(1, 12)):
            present = sorted(files_below(self.bed.hot.path))
            acts: list[Callable[[list[bytes]], None]] = [self._new, self._new]
            if len(present) > 4:
                acts += [self._change, self._delete, self._move, self._swap]
            self.chance.choice(acts)(present)

    def _content(self) -> bytes:
        self.serial += 1
        return b"content %d " % self.serial * self.chance.randint(1, 4000)

    def _new(self, _: list[bytes]) -> None:
        folder = "/".join(self.chance.choices(("a", "b", "ü", "c d"), k=self.chance.randint(0, 3)))
        path = self.bed.hot.path / folder / f"{self.chance.randint(0, 20)}.txt"
        if not path.exists() and not any(parent.is_file() for parent in path.parents):
            self.bed.write(str(path.relative_to(self.bed.hot.path)), self._content())

    def _change(self, present: list[bytes]) -> None:
        self.bed.write(self.chance.choice(present), self._content())

    def _delete(self, present: list[bytes]) -> None:
        self._path(present).unlink()

    def _move(self, present: list[bytes]) -> None:
        target = self.bed.hot.path / f"moved {self.serial}" / f"{self.chance.randint(0, 99)}.txt"
        target.parent.mkdir(exist_ok=True)
        self._path(present).rename(target)

    def _swap(self, present: list[bytes]) -> None:
        """A file becomes a folder of the same name."""
        path = self._path(present)
        path.unlink()
        path.mkdir()
        (path / "inside.txt").write_bytes(self._content())

    def _path(self, present: list[bytes]) -> Path:
        return self.bed.hot.path / os.fsdecode(self.chance.choice(present))

    def elsewhere(self) -> None:
        """The COLD drive on somebody's laptop: a byte rots, a file is edited, a file is deleted."""
        copies = sorted(files_below(self.bed.cold.path / self.bed.hot.tag))
        if not copies:
            return
        path = self.bed.cold.path / self.bed.hot.tag / os.fsdecode(self.chance.choice(copies))
        facts = path.stat()
        act = self.chance.choice(("rot", "edit", "delete"))
        if act == "rot":
            content = bytearray(path.read_bytes())
            content[self.chance.randrange(len(content))] ^= 1
            path.write_bytes(content)
            os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        elif act == "edit":
            path.write_bytes(b"edited elsewhere")
            os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 10**11))
        else:
            path.unlink()
        with self.bed.db.writing() as session:
            session.execute(update(ColdFile).values(proven=now() - timedelta(days=200)))

    def whatever_happens(self) -> None:
        """Some runs end well, the others are killed somewhere."""
        before = files_below(self.bed.hot.path)
        if self.chance.random() < 0.7:
            killed_run(self.bed, f"{self.chance.choice(STEPS)}:{self.chance.randint(1, 2)}")
        else:
            self.bed.run()
        assert files_below(self.bed.hot.path) == before, "a run changed HOT"

    def settle(self) -> None:
        """Without more trouble, a few runs make everything right: the scrub finds, the next run copies."""
        for _ in range(3):
            result = self.bed.run()
            assert not result.get("braked")
        check_complete(self.bed)
        check_invariants(self.bed)
        assert self.bed.last_run().state in (RunState.NOTHING_TO_DO, RunState.PROVEN)
        self.copied |= set(files_below(self.bed.hot.path).values())


@pytest.mark.parametrize("seed", LIVES)
def test_a_random_life_loses_nothing(db: Database, places: Places, tmp_path: Path, seed: int) -> None:
    bed = Bed(db, places, tmp_path / "hot", tmp_path / "cold")
    with db.writing() as session:
        BRAKE_FILES.set(session, 100_000)
    life = Life(bed, seed)
    bed.write("always here.txt", b"so that HOT is never empty")
    damaged: set[bytes] = set()
    for number in range(ROUNDS):
        life.edit()
        life.whatever_happens()
        if number % 3 != 2:
            check_invariants(bed)  # before somebody else's hands are on the drive
        if number % 3 == 2:
            life.settle()
            everything = set(files_below(bed.cold.path, frozenset()).values())
            assert life.copied - damaged <= everything, f"seed {seed}"
            before = set(files_below(bed.cold.path / "HOT-1").values())
            life.elsewhere()
            damaged |= before - set(files_below(bed.cold.path / "HOT-1").values())
    life.settle()
