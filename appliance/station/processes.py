"""Starting processes, noticing when one dies, and stopping them in order: what systemd does on the image."""

import contextlib
import ctypes
import os
import pwd
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from appliance.station.guests import Guests
from appliance.station.home import CannotStart

PR_SET_PDEATHSIG = 1
DEATHS = 5  # of one process ...
WITHIN_S = 60.0  # ... within which the station is given up
_libc = ctypes.CDLL(None)


@dataclass(frozen=True)
class Service:
    """One long-running process."""

    name: str
    argv: list[str]
    user: pwd.struct_passwd | None = None  # None: as the launcher
    patience: float = 10.0  # seconds between asking it to stop and killing it
    orphaned: signal.Signals = signal.SIGTERM  # what it gets when the launcher is killed
    guest: bool = False  # a plugin's: when it keeps dying, the station goes on


@dataclass
class Running:
    """A started service."""

    service: Service
    process: subprocess.Popen[bytes]
    watch: int  # pidfd
    deaths: list[float] = field(default_factory=list)


class Stop(BaseException):
    """Somebody asked the station to stop."""


class Supervisor:
    """The processes of one station, in the order in which they were started."""

    def __init__(self, folder: Path, environment: Mapping[str, str], log: Path) -> None:
        self.folder, self.environment, self.log = folder, dict(environment), log
        self.running: dict[str, Running] = {}
        self.guests: Guests | None = None

    def start(self, service: Service) -> None:
        """Start a process; its words go to ``log/<name>.log``."""
        uid, gid, groups = _credentials(service.user)
        with undisturbed(), self._log_of(service.name).open("ab") as log:
            process = subprocess.Popen(
                service.argv,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with(os.getpid(), service.orphaned),
                user=uid,
                group=gid,
                extra_groups=groups,
            )
            dead = self.running.get(service.name)
            deaths = dead.deaths if dead else []
            self.running[service.name] = Running(service, process, os.pidfd_open(process.pid), deaths)
            if dead:
                os.close(dead.watch)

    def once(self, argv: list[str], user: pwd.struct_passwd | None, name: str) -> subprocess.CompletedProcess[bytes]:
        """Run something to its end."""
        uid, gid, groups = _credentials(user)
        with self._log_of(name).open("ab") as log:
            return subprocess.run(
                argv,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                timeout=600,
                check=False,
                user=uid,
                group=gid,
                extra_groups=groups,
            )

    def watch(self) -> None:
        """Start again whatever dies, until :class:`Stop` is raised by a signal.  Raises CannotStart."""
        while True:
            sources: list[int] = [one.watch for one in self.running.values()]
            news = self.guests.fileno() if self.guests else -1
            ready = select.select(sources + [news] * (news >= 0), [], [])[0]
            for one in [one for one in self.running.values() if one.watch in ready]:
                self._again(one)
            if self.guests and news in ready:
                self.guests.look()

    def wait_for(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Whether the condition came true in time, all processes being alive meanwhile."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end or self._ended(0.01):
                return False
        return True

    def stop(self) -> None:
        """End everything, the last started first; what does not listen is killed."""
        for name in reversed(list(self.running)):
            self.end(name)

    def end(self, name: str) -> None:
        """End one process; killed when it does not listen."""
        with undisturbed():
            one = self.running.pop(name)
            one.process.terminate()
            try:
                one.process.wait(one.service.patience)
            except subprocess.TimeoutExpired:
                one.process.kill()
                one.process.wait()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.process.pid, signal.SIGKILL)  # what it left behind, if it was killed
            os.close(one.watch)

    def words_of(self, name: str, lines: int = 12) -> str:
        """The end of a process's log."""
        path = self._log_of(name)
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def dead(self) -> list[str]:
        """Names of processes that have ended."""
        return [name for name, one in self.running.items() if one.process.poll() is not None]

    def _ended(self, seconds: float | None) -> list[int]:
        return select.select([one.watch for one in self.running.values()], [], [], seconds)[0]

    def _again(self, one: Running) -> None:
        name, status = one.service.name, one.process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(one.process.pid, signal.SIGKILL)  # its children, if it was killed
        moment = time.monotonic()
        ended = status != 0 or one.service.guest  # the console ends by itself when an admin wants it anew
        died = [moment] if ended else []
        one.deaths[:] = [at for at in one.deaths if moment - at < WITHIN_S] + died
        print(f"{name} ended (status {status}) and is started again; see {self._log_of(name)}", flush=True)
        if len(one.deaths) > DEATHS:
            self.end(name)
            if self.guests and one.service.guest:
                return self.guests.died(one, self.words_of(name, 3))
            raise CannotStart(why=f"{name} keeps ending. Its last words:\n{self.words_of(name)}")
        time.sleep(min(2.0, 0.1 * 2 ** len(one.deaths)))
        self.start(one.service)
        if self.guests and one.service.guest:
            self.guests.again(name)

    def _log_of(self, name: str) -> Path:
        return self.log / f"{name}.log"


def _credentials(user: pwd.struct_passwd | None) -> tuple[int | None, int | None, list[int] | None]:
    """What a child changes to: nothing, unless root starts it for somebody else."""
    if user is None or os.geteuid() != 0:
        return None, None, None
    return user.pw_uid, user.pw_gid, []


def _die_with(parent: int, number: signal.Signals) -> Callable[[], None]:
    """A child that gets a signal when the launcher is killed, however that happens."""

    def arrange() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:
            os._exit(1)

    return arrange


@dataclass
class _Asked:
    """Whether somebody asked the station to stop while it could not."""

    busy: int = 0
    stop: bool = False


_asked = _Asked()


@contextmanager
def stoppable() -> Iterator[None]:
    """SIGTERM, SIGINT and SIGHUP raise :class:`Stop` inside, once, and never in what is :func:`undisturbed`."""

    def stop(*_: object) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        _asked.stop = bool(_asked.busy)
        if not _asked.stop:
            raise Stop

    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for number in numbers:
        signal.signal(number, stop)
    yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """Stop waits for the end of this: a process that was started and is not yet known would outlive the station."""
    _asked.busy += 1
    try:
        yield
    finally:
        _asked.busy -= 1
        if _asked.stop and not _asked.busy:
            _asked.stop = False
            raise Stop


def answers(address: str, path: str = "/") -> bool:
    """Whether the console answers through the front door (any status but "not yet")."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), 1) as connection:
            connection.settimeout(10)
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            status = connection.recv(12)
    except OSError:
        return False
    return len(status) == 12 and status[9:12] not in (b"502", b"503", b"504")
