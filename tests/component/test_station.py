"""A whole station started by the launcher: it answers, survives deaths, and leaves nothing behind."""

import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.places import Places
from appliance.station import loop_drives, mount_table
from appliance.station.home import APP, run_folder
from appliance.web import certificate
from plugins.discovery import multicast
from tests.component.front_door import can_connect, free_port, wait_for
from tests.component.home_network import home_network
from tests.component.loop_drives import until
from tests.signals import hand_to_thread, other_threads

pytestmark = pytest.mark.component
needs_root = pytest.mark.skipif(os.geteuid() != 0 and not os.environ.get("CI"), reason="needs root")


class Launched:
    """A launcher and what it said so far."""

    def __init__(
        self, data: Path, port: int, *more: str, user: str | None = None, python: str = sys.executable
    ) -> None:
        self.data, self.port, self.tls = data, port, free_port()
        argv = [python, "-m", "appliance.station", "--data", str(data), "--port", str(port)]
        argv += ["--tls-port", str(self.tls)]
        self.process = subprocess.Popen(
            [*argv, "--drive-size", "300M", *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=APP,
            user=user,
            group=user,
            extra_groups=[] if user else None,
        )
        self.words = ""

    def read_until(self, wanted: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.words += line
            if re.search(wanted, line):
                return
        logs = "\n".join(f"{p}:\n{p.read_text()[-2000:]}" for p in self.data.glob("log/*.log"))
        raise AssertionError(f"it never said {wanted!r}:\n{self.words}\n{logs}")

    def get(self, path: str = "/") -> int:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)

    def children(self) -> dict[str, int]:
        """Process id of each child by a word of its command line."""
        found = {}
        for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            line = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
            for word in ("broker.daemon", "jobs.worker", "console.serve", "nginx"):
                if word in line:
                    found[word] = int(pid)
        return found


@contextmanager
def station(
    data: Path, *more: str, user: str | None = None, port: int = 0, python: str = sys.executable
) -> Iterator[Launched]:
    """A station until the block ends; it must stop by itself and in time."""
    launched = Launched(data, port or free_port(), *more, user=user, python=python)
    try:
        launched.read_until("Everpx is ready")
        launched.read_until("Stop it with")
        yield launched
    finally:
        launched.process.terminate()
        try:
            launched.words += launched.process.communicate(timeout=60)[0]
        except subprocess.TimeoutExpired:
            launched.process.kill()
            raise


def traces(data: Path) -> list[str]:
    """Whatever a station left behind."""
    run = run_folder(data, os.geteuid())
    left = [str(place) for place in mount_table.below(run)] + ([str(run)] if run.exists() else [])
    for image in data.glob("loop-drives/*.img"):
        left += [d for d in [loop_drives.device_of(image)] if d]
    for line in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"EVERPX_RUN={run}\0".encode() in line.read_bytes():
                left.append((line.parent / "cmdline").read_bytes().decode().replace("\0", " "))
        except OSError:
            continue
    return left


@pytest.fixture
def data(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]) -> Path:
    program("nginx")
    return tmp_path_factory.mktemp("station") / "data"


@needs_root
def test_a_station_starts_with_two_drives_answers_and_leaves_nothing(data: Path) -> None:
    with station(data) as launched:
        assert re.search(r"Claim code: ([2-9A-Z]{5}-){3}[2-9A-Z]{5}\n", launched.words)
        assert launched.get() == 200
        assert sorted(i.name for i in data.glob("loop-drives/*.img")) == ["Blue-drive.img", "Green-drive.img"]
        assert set(launched.children()) == {"broker.daemon", "jobs.worker", "console.serve", "nginx"}
        assert launched.process.poll() is None
    assert launched.process.returncode == 0
    assert traces(data) == []


def by_https(launched: Launched) -> tuple[str, str]:
    """TLS version and status line, as somebody sees them who trusts this home's authority and nobody else."""
    found = until(lambda: certificate.load(Places(launched.data, launched.data)), 60)
    context = ssl.create_default_context(cadata=found.authority)
    until(lambda: can_connect(launched.tls), 30)
    with (
        socket.create_connection(("127.0.0.1", launched.tls), 20) as plain,
        context.wrap_socket(plain, server_hostname="everpx.local") as line,
    ):
        line.sendall(b"GET /sign-in HTTP/1.0\r\nHost: everpx.local\r\n\r\n")
        return line.version() or "", line.makefile("rb").readline().decode().split(" ", 1)[1].strip()


@needs_root
@pytest.mark.parametrize("more", [(), ("--folders",)])
def test_it_answers_by_https_with_an_authority_that_only_root_can_use(data: Path, more: tuple[str, ...]) -> None:
    for start in range(2):
        with station(data, *more) as launched:
            if start == 0:
                assert by_https(launched) == ("TLSv1.3", "302 FOUND")
                before = certificate.place(Places(data, data)).read_bytes()
            assert by_https(launched) == ("TLSv1.3", "302 FOUND")
    assert certificate.place(Places(data, data)).read_bytes() == before, "a start is no reason for another one"
    key = data / "identity" / "authority.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert (key.stat().st_uid == 0) is (not more), "where root is the broker, it is root's"
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700


def rests(pid: int) -> int:
    """How often any thread of a process went to sleep so far."""
    status = "".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status"))
    return sum(int(count) for count in re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE))


@needs_root
def test_nobody_wakes_the_console_that_has_nothing_to_do(data: Path) -> None:
    with station(data) as launched:
        assert launched.get() == 200
        time.sleep(3)
        console = launched.children()["console.serve"]
        before = rests(console)
        time.sleep(5)
        assert rests(console) == before
        began = time.monotonic()
        assert launched.get() == 200
        assert time.monotonic() - began < 2
        hand_to_thread(console, other_threads(console)[0], signal.SIGTERM)  # the kernel may choose any thread
        wait_for(lambda: launched.children().get("console.serve") != console)


@needs_root
def test_only_the_broker_runs_as_root(data: Path) -> None:
    with station(data) as launched:
        owners = {name: os.stat(f"/proc/{pid}").st_uid == 0 for name, pid in launched.children().items()}  # noqa: PTH116
    assert owners == {"broker.daemon": True, "jobs.worker": False, "console.serve": False, "nginx": False}


@needs_root
def test_the_claim_code_stays_until_somebody_claims_and_the_identity_for_ever(data: Path) -> None:
    with station(data) as first:
        identity = (data / "station.json").read_bytes()
    with station(data) as second:
        assert (data / "station.json").read_bytes() == identity
    code = re.compile(r"Claim code: (.*)")
    assert code.findall(first.words) == code.findall(second.words)
    assert (data / "claim-code.txt").stat().st_mode & 0o777 == 0o600


@needs_root
@pytest.mark.parametrize("name", ["broker.daemon", "jobs.worker", "console.serve", "nginx"])
def test_a_killed_process_is_started_again(data: Path, name: str) -> None:
    with station(data) as launched:
        before = launched.children()
        os.kill(before[name], signal.SIGKILL)
        launched.read_until("is started again")
        wait_for(lambda: launched.children().get(name) not in (None, before[name]))
        wait_for(lambda: status(launched) == 200, 20)
        assert {n: p for n, p in launched.children().items() if n != name} == {
            n: p for n, p in before.items() if n != name
        }
    assert traces(data) == []


def status(launched: Launched) -> int:
    try:
        return launched.get()
    except OSError:
        return 0


@needs_root
def test_a_killed_launcher_takes_its_processes_along_and_the_next_start_works(data: Path) -> None:
    port = free_port()
    with station(data, port=port) as launched:
        mount_something(data)
        (run_folder(data, 0) / "services/smb/private").mkdir(parents=True, exist_ok=True)  # as Samba leaves it
        launched.process.kill()
        launched.process.wait(10)
        with station(data, port=port) as again:
            assert again.get() == 200
            assert mount_table.below(run_folder(data, 0) / "drives") == []
    assert traces(data) == []


def mount_something(data: Path) -> None:
    """What a HOT drive in use looks like when the launcher dies."""
    image = data / "loop-drives" / "Blue-drive.img"
    place = run_folder(data, 0) / "drives" / "HOT-9"
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", str(loop_drives.device_of(image)), str(place)], check=True, timeout=30)


@needs_root
def test_a_second_launcher_on_the_same_data_is_told_so(data: Path) -> None:
    with station(data) as first:
        second = Launched(data, free_port())
        words = second.process.communicate(timeout=30)[0]
        assert "already running" in words
        assert second.process.returncode == 1
        assert first.get() == 200


@needs_root
def test_a_taken_port_is_told_in_a_sentence_and_leaves_nothing(data: Path, tmp_path: Path) -> None:
    with station(data) as first:
        other = tmp_path / "other"
        second = Launched(other, first.port)
        words = second.process.communicate(timeout=60)[0]
        assert f"Port {first.port} cannot be used" in words
        assert "Traceback" not in words
    assert traces(other) == []


@needs_root
def test_pulling_a_drive_ends_writing_at_once_and_plugging_it_in_brings_back_what_was_flushed(data: Path) -> None:
    with station(data):
        image = data / "loop-drives" / "Blue-drive.img"
        mount_something(data)
        place = run_folder(data, 0) / "drives" / "HOT-9"
        (place / "flushed").write_text("safe")
        os.sync()
        fd = os.open(place / "open", os.O_WRONLY | os.O_CREAT)
        try:
            assert loop_drives.unplug(image)
            with pytest.raises(OSError, match="Input/output error"):
                os.write(fd, b"x")
        finally:
            os.close(fd)
        wait_for(lambda: loop_drives.device_of(image) is None)
        assert not loop_drives.unplug(image)
        loop_drives.attach(image)
        mount_something(data)
        assert (place / "flushed").read_text() == "safe"
        mount_table.release(place)


@pytest.mark.skipif(os.geteuid() != 0 and not os.environ.get("CI"), reason="needs root to become somebody else")
def test_without_root_folders_are_the_drives(tmp_path_factory: pytest.TempPathFactory, data: Path) -> None:
    subprocess.run(["useradd", "--system", "--user-group", "everpx-test"], check=False, capture_output=True, timeout=30)
    place = Path("/tmp") / f"everpx-test-{os.getpid()}"
    place.mkdir()
    subprocess.run(["chown", "everpx-test:everpx-test", str(place)], check=True, timeout=10)
    try:
        with station(place / "data", user="everpx-test") as launched:
            assert launched.get() == 200
            assert sorted(p.name for p in (place / "data" / "folder-drives").iterdir()) == ["Blue-drive", "Green-drive"]
            assert all(os.stat(f"/proc/{pid}").st_uid != 0 for pid in launched.children().values())  # noqa: PTH116
    finally:
        subprocess.run(["rm", "-rf", str(place)], check=True, timeout=30)


@needs_root
def test_a_machine_that_may_not_mount_gets_folders_and_nothing_runs_as_root(data: Path) -> None:
    with station(data, "--folders") as launched:
        assert launched.get() == 200
        assert all(os.stat(f"/proc/{pid}").st_uid != 0 for pid in launched.children().values())  # noqa: PTH116
    assert traces(data) == []


@needs_root
def test_a_station_that_listens_to_the_network_is_found_there_and_takes_its_name_back(
    data: Path, program: Callable[[str], str]
) -> None:
    """Launched as people launch it; another computer hears of it, and is told when it ends."""
    program("avahi-daemon")
    with home_network() as (me, other):
        where = [multicast.Interface(other.address)]

        def heard() -> list[multicast.Seen]:
            found: list[multicast.Seen] = other.do(lambda: multicast.browse("_everpx._tcp", where, 1.0))
            return found

        launched = me.do(lambda: Launched(data, 8080, "--listen", "0.0.0.0"))
        try:
            launched.read_until("Everpx is ready")
            launched.read_until("Stop it with")
            end = time.monotonic() + 60
            while not ((found := heard()) and found[0].port):  # its name first, the rest within a second
                assert time.monotonic() < end
            assert (found[0].host, found[0].port) == ("everpx.local", 8080)
            assert found[0].addresses == [me.address]
        finally:
            launched.process.terminate()
            launched.process.communicate(timeout=60)
        assert heard() == []
    assert traces(data) == []
