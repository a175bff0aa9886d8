"""Every finding with a real cause: on the health page when the cause is there, gone with it.

The rows are in ``findings_of_*.py``; findings of plugins with servers of their own are marked in those tests.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.component import (  # noqa: F401 - their rows
    findings_of_copied_cards,
    findings_of_copies,
    findings_of_drives,
    findings_of_station,
    findings_of_strangers,
    findings_of_upgrades,
)
from tests.component.finding_bed import ROWS, FindingBed

pytestmark = pytest.mark.component


class Beds:
    """A bed for all rows; a new one after a row that failed, so that one fault is one failure."""

    def __init__(self, folder: Path, database: Path) -> None:
        self.folder, self.database, self.number = folder, database, 0
        self.patch: pytest.MonkeyPatch | None = None
        self.bed: FindingBed | None = None

    def get(self) -> FindingBed:
        """The clean one."""
        if self.bed is None:
            self.number += 1
            self.patch = pytest.MonkeyPatch()
            self.bed = FindingBed(self.folder / str(self.number), self.database, self.patch)
        return self.bed

    def drop(self) -> None:
        """Away with it."""
        if self.bed is not None and self.patch is not None:
            self.bed.close()
            self.patch.undo()
        self.bed = None


@pytest.fixture(scope="module")
def beds(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path, program: Callable[[str], str]
) -> Iterator[Beds]:
    for name in ("losetup", "mkfs.ext4", "mkfs.exfat", "rsync"):
        program(name)
    made = Beds(tmp_path_factory.mktemp("beds"), empty_database)
    yield made
    made.drop()


@pytest.mark.parametrize("row", ROWS)
def test_a_finding_is_on_the_page_while_its_cause_is_there(beds: Beds, row: str) -> None:
    bed = beds.get()
    try:
        bed.try_row(row)
    except BaseException:
        beds.drop()
        raise
