"""A station that is told to stop at the worst moment still ends all that it started."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.station.processes import Service, Stop, Supervisor, stoppable

pytestmark = pytest.mark.component
ASKED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LIVES = Service("one", [sys.executable, "-c", "import time; time.sleep(60)"], patience=5)
DIES = Service("one", [sys.executable, "-c", "raise SystemExit(1)"])


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Supervisor]:
    kept = {number: signal.getsignal(number) for number in ASKED}
    supervisor = Supervisor(tmp_path, os.environ, tmp_path)
    yield supervisor
    for number, handler in kept.items():
        signal.signal(number, handler)
    supervisor.stop()


def handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").exists()


def test_one_that_has_just_been_started_is_known_before_the_station_stops(
    house: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, started = os.pidfd_open, []

    def told_to_stop(pid: int) -> int:
        started.append(pid)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)  # the signal's handler runs before this ends
        return known(pid)

    monkeypatch.setattr(os, "pidfd_open", told_to_stop)
    with pytest.raises(Stop), stoppable():
        house.start(LIVES)
    assert lives(started[0])
    house.stop()
    assert not lives(started[0])


def test_stopping_while_one_waits_to_be_started_again_ends_the_others(
    house: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told_to_stop(_: float) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    house.start(Service("other", LIVES.argv, patience=5))
    other = house.running["other"].process.pid
    house.start(DIES)
    monkeypatch.setattr("appliance.station.processes.time.sleep", told_to_stop)
    with pytest.raises(Stop), stoppable():
        house.watch()
    monkeypatch.undo()
    house.stop()
    assert not lives(other)
    assert house.running == {}


def test_many_deaths_and_starts_leave_no_handle_open(house: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    house.start(LIVES)
    before = handles()
    monkeypatch.setattr("appliance.station.processes.time.sleep", lambda _: None)
    for _ in range(3):
        house.running["one"].process.kill()
        house.wait_for(lambda: False, 0.05)
        house._again(house.running["one"])
    assert handles() == before
