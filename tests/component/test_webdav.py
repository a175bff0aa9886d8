"""WebDAV with real clients against a whole station: litmus, rclone, and what a power cut or a pulled drive may do."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.component.phone_station import PhoneStation, phone_station

pytestmark = pytest.mark.component


@pytest.fixture(scope="module")
def phones(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]) -> Iterator[PhoneStation]:
    for name in ("nginx", "litmus", "rclone"):
        program(name)
    with phone_station(tmp_path_factory.mktemp("phones") / "data") as running:
        yield running


@pytest.mark.parametrize("address", ["/dav/", "/remote.php/dav/files/Anna/"])
def test_litmus_passes_whole(phones: PhoneStation, tmp_path: Path, address: str) -> None:
    done = subprocess.run(
        ["litmus", "-k", f"{phones.url}{address}", phones.name, phones.password],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
    )
    summaries = [line for line in done.stdout.splitlines() if line.startswith("<- summary")]
    assert len(summaries) == 5, done.stdout
    assert all("0 failed" in line for line in summaries) and "WARNING" not in done.stdout, done.stdout
