"""Programs that root keeps running for plugins (a file server, the one who tells the network of us).

On the image each is a systemd unit ``everpx-<name>.service`` (rootfs/); a launched station has no systemd, and its
launcher keeps them (``appliance/station/guests.py``): root writes what it wants into ``RUN/services``, a folder of its
own, and the launcher writes beside it what became of that.  Nothing of this survives a reboot; boot applies anew.

A ``privileged.py`` declares its programs with :func:`declare`, and with :func:`lets_go` what it does before a drive is
taken away: a program that still holds a drive would keep it from being let go of.  Console and worker ask at the same
moment, and the daemon answers each in a thread of its own: what changes a program is done :func:`in_turn`.
"""

import json
import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from appliance.broker.protocol import at_start, verb
from appliance.drives.programs import run as program
from appliance.durable import write_atomically
from appliance.errors import ApplianceError, ProgramFailed
from appliance.words import N_

log = logging.getLogger("everpx.broker")
LAUNCHER = "launcher"  # the value of EVERPX_SERVICES in a launched station
ANSWER_WITHIN_S = 20.0
LOOK_EVERY_S = 0.05


class ServiceFailed(ApplianceError):
    """A program that a plugin needs does not run."""

    code, status, template = "service_failed", 503, N_("“{name}” could not be started: {why}")
    hint = N_("Everything else goes on. It is tried again by itself.")


@dataclass(frozen=True)
class Service:
    """One program: its unit is ``everpx-<name>.service`` unless it says so, its plugin switches it off with itself."""

    name: str
    plugin: str
    unit: str = ""

    @property
    def unit_name(self) -> str:
        """What systemd calls it."""
        return self.unit or f"everpx-{self.name}.service"


Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

SERVICES: dict[str, Service] = {}
LETTING_GO: list[Callable[[str], None]] = []
_turns = defaultdict[str, threading.RLock](threading.RLock)  # by the package whose turn it is


def declare(name: str, plugin: str, unit: str = "") -> Service:
    """A program that ``plugin`` may have running; ``unit`` where Debian's own is meant."""
    return SERVICES.setdefault(name, Service(name, plugin, unit))


def in_turn(body: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
    """Of everything in a package that is declared so, one call at a time: it looks, writes files and tells programs."""
    turn = _turns[body.__module__.rpartition(".")[0]]

    @wraps(body)
    def alone(asked: Asked) -> Answer:
        with turn:
            return body(asked)

    return alone


def lets_go(body: Callable[[str], None]) -> Callable[[str], None]:
    """Call this with a drive's tag before that drive is taken away, also when it was pulled; it may be called twice."""
    LETTING_GO.append(in_turn(body))
    return LETTING_GO[-1]


def let_go_of(tag: str) -> None:
    """Ask everybody to let go of a drive; who cannot is told of in the log, and the drive then says that it is busy."""
    for body in LETTING_GO:
        try:
            body(tag)
        except (ApplianceError, OSError) as error:
            log.error("%s does not let go of %s: %s", body.__module__, tag, error)
        except Exception:  # a mistake of one plugin must not keep a drive from being let go of
            log.exception("%s does not let go of %s", body.__module__, tag)


@dataclass(frozen=True)
class Only:
    """Plugins that are on, by name, with spaces between."""

    plugins: str


@verb("services.only")
def only(request: Only) -> dict[str, Any]:
    """End the programs of every plugin that is off."""
    others = [one for one in SERVICES.values() if one.plugin not in request.plugins.split()]
    return {"ended": [one.name for one in others if _end(one)]}


def _end(service: Service) -> bool:
    """False when it did not run; while its plugin is just starting it, afterwards."""
    with _turns[f"plugins.{service.plugin}"]:
        if not is_running(service):
            return False
        stop(service)
        return True


@dataclass(frozen=True)
class Nothing:
    """No words are needed."""


@dataclass(frozen=True)
class Named:
    """A program that was declared, by name."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in SERVICES:
            raise ValueError("no such program")


@verb("services.state")
def state(request: Nothing) -> dict[str, Any]:
    """Every program that somebody wants running, and whether it is."""
    wanted = [one for one in SERVICES.values() if _is_wanted(one)]
    return {"services": [{"name": one.name, "plugin": one.plugin, "running": is_running(one)} for one in wanted]}


@verb("services.again")
def again(request: Named) -> dict[str, Any]:
    """Start one anew that is wanted; nothing for one that nobody wants."""
    service = SERVICES[request.name]
    with _turns[f"plugins.{service.plugin}"]:
        if _is_wanted(service):
            restart(service)
    return {"running": is_running(service)}


@at_start
def end_what_nobody_declares() -> None:
    """Programs of a plugin that was removed while they ran."""
    for path in _place().glob("[a-z]*.*"):
        if path.suffix in (".json", ".env") and path.stem not in SERVICES:
            try:
                stop(Service(path.stem, plugin=""))
            except ServiceFailed as error:
                log.error("%s", error)


def _is_wanted(service: Service) -> bool:
    return (folder() / f"{service.name}.{'json' if _launched() else 'env'}").exists()


def folder() -> Path:
    """Where wishes and their fate lie; made if absent."""
    _place().mkdir(mode=0o755, exist_ok=True)
    return _place()


def _place() -> Path:
    return Path(os.environ.get("EVERPX_RUN", "/run/everpx")) / "services"


def start(service: Service, *argv: str, ports: tuple[str, ...] = (), within: tuple[str, ...] = ()) -> None:
    """Have it run with exactly these words; one that runs with others is started anew.  Raises ServiceFailed.

    ``ports`` ("tcp . 445", as nft writes them) are open to the home network while it runs: its unit sees to that.
    ``within`` are the words of a program that closes it in (bwrap, setpriv), for which a unit has settings of its own.
    """
    if _launched():
        gave_up = _fate(service).get("pid", 0) is None
        again = _wished(service).get("restarts", 0) + gave_up
        _wish(service, {"argv": [*within, *argv], "restarts": again})
        return
    words = folder() / f"{service.name}.env"
    wanted = f"ARGUMENTS={' '.join(argv[1:])}\nPORTS={', '.join(ports)}\n"
    same = words.exists() and words.read_text() == wanted
    if not same:
        write_atomically(words, wanted.encode(), mode=0o644)
    _systemctl("start" if same else "restart", service)


def reload(service: Service) -> None:
    """Have it read its configuration again (SIGHUP).  Raises ServiceFailed."""
    if _launched():
        _wish(service, {"reloads": _wished(service).get("reloads", 0) + 1})
    else:
        _systemctl("reload", service)


def restart(service: Service) -> None:
    """End it and have it run again, with the same words.  Raises ServiceFailed."""
    if _launched():
        _wish(service, {"restarts": _wished(service).get("restarts", 0) + 1})
    else:
        _systemctl("restart", service)


def stop(service: Service) -> None:
    """Have it run no longer; returns when it has ended."""
    if not _launched():
        _systemctl("stop", service)
        (folder() / f"{service.name}.env").unlink(missing_ok=True)  # nobody wants it any more
        return
    (folder() / f"{service.name}.json").unlink(missing_ok=True)
    end = time.monotonic() + ANSWER_WITHIN_S
    while _fate(service) and time.monotonic() < end:
        time.sleep(LOOK_EVERY_S)


def is_running(service: Service) -> bool:
    """Whether it runs right now."""
    if _launched():
        pid = _fate(service).get("pid")
        return pid is not None and Path(f"/proc/{pid}").exists()
    return program(["systemctl", "is-active", "--quiet", service.unit_name], fine=range(256)).returncode == 0


def pid_of(service: Service) -> int:
    """Its process; 0 when it does not run, or systemd keeps it in a way that has none."""
    if _launched():
        return int(_fate(service).get("pid") or 0)
    said = program(["systemctl", "show", "--property=MainPID", "--value", service.unit_name], fine=range(256)).stdout
    return int(said) if said.strip().isdigit() else 0


def _launched() -> bool:
    return os.environ.get("EVERPX_SERVICES") == LAUNCHER


def _systemctl(word: str, service: Service) -> None:
    try:
        program(["systemctl", word, service.unit_name], timeout=90)
    except ProgramFailed as error:
        raise ServiceFailed(name=service.name, why=str(error)) from None


def _wish(service: Service, change: dict[str, Any]) -> None:
    """Tell the launcher, and wait until it has done so.  Raises ServiceFailed."""
    wished = {"argv": [], "reloads": 0, "restarts": 0} | _wished(service) | change
    write_atomically(folder() / f"{service.name}.json", json.dumps(wished).encode())
    end = time.monotonic() + ANSWER_WITHIN_S
    while time.monotonic() < end:
        fate = _fate(service)
        if fate.get("wish") == wished:
            if fate["pid"] is None:
                raise ServiceFailed(name=service.name, why=fate["why"])
            return
        time.sleep(LOOK_EVERY_S)
    raise ServiceFailed(name=service.name, why="nobody started it")


def _wished(service: Service) -> dict[str, Any]:
    return _read(folder() / f"{service.name}.json")


def _fate(service: Service) -> dict[str, Any]:
    return _read(folder() / f"{service.name}.fate")


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found
