"""Programs that root keeps running for plugins, by a real launcher's hands."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.broker import grounds, services
from appliance.drives import attaching, records
from appliance.station.processes import Supervisor
from tests.component.guest_house import guest_house

pytestmark = pytest.mark.component
SLEEPER = services.declare("sleeper", plugin="trial")
#: writes a line whenever it starts or is told to read anew
LISTENER = (
    "import signal, sys, time\n"
    "def tell(word):\n"
    "    with open(sys.argv[1], 'a') as out: out.write(word + '\\n')\n"
    "signal.signal(signal.SIGHUP, lambda *_: tell('anew'))\n"
    "tell('started')\n"
    "while True: time.sleep(60)\n"
)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    with guest_house(tmp_path, monkeypatch) as supervisor:
        yield supervisor


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def pid_of(house: Supervisor) -> int:
    return house.running["sleeper"].process.pid


def test_it_runs_is_told_to_read_anew_and_ends(house: Supervisor, tmp_path: Path) -> None:
    words = tmp_path / "words"
    argv = (sys.executable, "-c", LISTENER, str(words))
    services.start(SLEEPER, *argv)
    assert services.is_running(SLEEPER)
    until(lambda: words.exists() and words.read_text() == "started\n")
    first = pid_of(house)
    services.start(SLEEPER, *argv)  # the same wish again
    services.reload(SLEEPER)
    until(lambda: words.read_text() == "started\nanew\n")
    assert pid_of(house) == first
    services.restart(SLEEPER)
    assert pid_of(house) != first
    services.stop(SLEEPER)
    assert not services.is_running(SLEEPER)
    until(lambda: "sleeper" not in house.running)


def test_one_that_is_killed_runs_again_and_one_that_cannot_start_says_why(house: Supervisor) -> None:
    services.start(SLEEPER, "/bin/sleep", "1000")
    first = pid_of(house)
    os.kill(first, signal.SIGKILL)
    until(lambda: "sleeper" in house.running and pid_of(house) != first)
    until(lambda: services.is_running(SLEEPER))
    with pytest.raises(services.ServiceFailed, match="no-such-file"):
        services.start(SLEEPER, "/bin/cat", "/no-such-file")
    assert not services.is_running(SLEEPER)
    with pytest.raises(services.ServiceFailed, match="not-there"):
        services.start(SLEEPER, "/not-there")
    services.start(SLEEPER, "/bin/sleep", "1000")
    assert services.is_running(SLEEPER)


def test_one_that_keeps_dying_is_given_up_and_the_others_go_on(house: Supervisor) -> None:
    services.start(SLEEPER, "/bin/sleep", "0.5")
    until(lambda: not services.is_running(SLEEPER) and "sleeper" not in house.running, 60)
    assert "end" in house.running
    with pytest.raises(services.ServiceFailed):  # asked for again it is tried again, and dies at once this time
        services.start(SLEEPER, "/bin/false")
    services.start(SLEEPER, "/bin/sleep", "1000")
    assert services.is_running(SLEEPER)


def test_programs_of_a_plugin_that_is_off_end(house: Supervisor) -> None:
    services.start(SLEEPER, "/bin/sleep", "1000")
    assert services.only(services.Only("other trial"))["ended"] == []
    assert services.is_running(SLEEPER)
    assert services.only(services.Only("other"))["ended"] == ["sleeper"]
    assert not services.is_running(SLEEPER)


def note(root: Path, tag: str, path: Path) -> None:
    """As root notes a drive that is in use."""
    uuid = f"uuid-of-{tag}"
    (path / records.FOLDER_MARK).write_text(uuid)
    records.write(root, records.Record(tag, f"folder:{tag}", 0, "folder", uuid, str(path), path.stat().st_dev, False,
                                       records.boot_id()))  # fmt: skip


def test_a_folder_is_found_on_a_drive_that_is_here_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVERPX_RUN", str(tmp_path))
    root, drive = attaching.mount_root(tmp_path / "drives"), tmp_path / "drive"
    (drive / "Anna/Photos").mkdir(parents=True)
    (drive / "link").symlink_to("/etc")
    (drive / "file").write_text("")
    note(root, "HOT-1", drive)
    assert grounds.folder("HOT-1", "Anna/Photos") == drive / "Anna/Photos"
    assert grounds.folder("HOT-1", "") == drive
    for wrong in ("link", "file", "none", "../x", "Anna/../Anna", "/etc", "Anna//Photos", "a\nb", ".everpx/bin"):
        with pytest.raises(grounds.FolderNotHere):
            grounds.folder("HOT-1", wrong)
    for tag in ("HOT-2", "../HOT-1", "GUEST-1"):
        with pytest.raises(grounds.DriveNotHere):
            grounds.folder(tag, "Anna")
    (drive / records.FOLDER_MARK).unlink()  # another folder lies there now: the drive was pulled
    with pytest.raises(grounds.DriveNotHere):
        grounds.folder("HOT-1", "Anna")


def test_a_configuration_that_cannot_be_put_in_force_leaves_the_old_one(tmp_path: Path) -> None:
    path, in_force = tmp_path / "conf", []
    assert grounds.swap(path, "one", lambda: in_force.append(path.read_text()))
    assert not grounds.swap(path, "one", lambda: in_force.append(path.read_text()))

    def refuse(trial: Path) -> None:
        assert trial.read_text() == "two"
        raise grounds.DriveNotHere(tag="HOT-1")

    with pytest.raises(grounds.DriveNotHere):
        grounds.swap(path, "two", lambda: in_force.append("never"), refuse)

    def fails_with_two() -> None:
        in_force.append(path.read_text())
        if path.read_text() == "two":
            raise services.ServiceFailed(name="x", why="no")

    with pytest.raises(services.ServiceFailed):
        grounds.swap(path, "two", fails_with_two)
    assert in_force == ["one", "two", "one"] and path.read_text() == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["conf"]


def test_a_drive_is_taken_away_only_after_everybody_was_asked_to_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def cannot(tag: str) -> None:
        told.append(f"first {tag}")
        raise services.ServiceFailed(name="x", why="no")

    monkeypatch.setattr(services, "LETTING_GO", [cannot, told.append])
    services.let_go_of("HOT-1")
    assert told == ["first HOT-1", "HOT-1"]
