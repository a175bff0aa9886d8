"""From nothing to a station that answers, and back to nothing that lies around.

Order: folders, user, drives; root's broker; identity and database (as the station's user); worker, console, nginx.
A launcher that was killed takes its processes with it (the kernel tells them); mounts and loop devices that it left
are found and used, or let go, by the next start.
"""

import compileall
import fcntl
import json
import os
import pwd
import shlex
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.errors import ProgramFailed
from appliance.station import account, loop_drives, mount_table
from appliance.station.guests import Guests
from appliance.station.home import APP, CannotStart, Home, make, run_folder
from appliance.station.processes import Service, Stop, Supervisor, answers, stoppable
from appliance.web import service as web

READY_WITHIN_S = 60.0
PORT_FREE_WITHIN_S = 4.0
LONGEST_LOG = 5_000_000  # bytes; an older log is kept once


@dataclass(frozen=True)
class Wish:
    """What the person who starts a station asks for."""

    data: Path
    listen: str
    drive_size: int
    folders: bool = False
    tls: str = ""


def launch(wish: Wish) -> None:
    """Run a station until somebody stops it.  Raises CannotStart."""
    with suppress(Stop), stoppable(), alone(wish.data):
        home, note = furnish(wish)
        try:
            run(home, note)
        finally:
            tidy(home)


def run(home: Home, note: str) -> None:
    """Start the processes and watch them; ends them whatever happens.  Raises Stop or CannotStart."""
    shown = account.show(home) if os.geteuid() == 0 else home
    supervisor = Supervisor(account.program_folder(shown), environment(home, shown), home.log)
    try:
        code = start(shown, supervisor)
        tell(home, code, note)
        supervisor.watch()
    finally:
        print("Stopping …", flush=True)
        supervisor.stop()


@contextmanager
def alone(data: Path) -> Iterator[None]:
    """One launcher a data folder.  Raises CannotStart."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = (data / "launcher.lock").open("w")
    except OSError as error:
        raise CannotStart(why=f"{data} cannot be used ({error.strerror}). Choose another place with --data.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(why=f"A station is already running in {data}.") from None
        yield


def furnish(wish: Wish) -> tuple[Home, str]:
    """Folders, user and drives; the note says in a sentence what the drives are."""
    root = os.geteuid() == 0
    user = account.station_user() if root else pwd.getpwuid(os.geteuid())
    home = Home(wish.data, run_folder(wish.data, os.geteuid()), user, root and not wish.folders, wish.listen, wish.tls)
    if home.rooted:
        mount_table.release(home.run)  # what a launcher that was killed left mounted
        make(home)
        try:
            return home, plug_in(home, wish.drive_size)
        except ProgramFailed as error:
            print(f"This machine does not let us mount drives ({error}).", flush=True)
            home = replace(home, rooted=False)
    make(home)
    for name in loop_drives.NAMES:
        folder = home.places.folder_drives / name
        folder.mkdir(exist_ok=True)
        if root:
            os.chown(folder, user.pw_uid, user.pw_gid)
    return home, f"Drives: folders in {home.places.folder_drives}; renaming one is unplugging it."


def plug_in(home: Home, size: int) -> str:
    """Make and attach the test drives.  Raises ProgramFailed where a machine has no loop devices or may not mount."""
    loop_drives.create(home.loop_drives, size)
    images = loop_drives.images(home.loop_drives)
    for image in images:
        loop_drives.attach(image)
    loop_drives.try_mounting(images[0], home.run / "try")
    names = ", ".join(image.stem for image in images)
    pull = f"./run-station.sh --data {shlex.quote(str(home.data))} unplug {images[0].stem}"
    return f"Drives: {names} (images in {home.loop_drives}). Pull one: {pull}"


def environment(home: Home, shown: Home) -> dict[str, str]:
    """What every process of the station is told."""
    return os.environ | {
        "EVERPX_DATA": str(shown.data),
        "EVERPX_RUN": str(home.run),
        "EVERPX_LISTEN": home.doors,
        "EVERPX_FRONT": "nginx",
        "EVERPX_USER": home.user.pw_name,
        "EVERPX_LOOP_DRIVES": str(home.loop_drives),
        "EVERPX_SERVICES": "launcher",
        "HOME": str(shown.data),
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": str(account.program_folder(shown)),
        "PYTHONUNBUFFERED": "1",
        "MALLOC_ARENA_MAX": "1",  # threads must not each keep a heap of their own on a small machine
        "PYTHONNODEBUGRANGES": "1",  # half a megabyte a process, for carets in tracebacks
    }


def start(home: Home, supervisor: Supervisor) -> str | None:
    """Start everything; returns the claim code if nobody owns the station.  Raises CannotStart."""
    for address in filter(None, (home.listen, home.tls)):
        check_port(address)
    if shutil.which("nginx", path=supervisor.environment["PATH"]) is None:
        raise CannotStart(
            why="nginx is not installed. Install it (apt-get install nginx), or start ./run-station.sh as root."
        )
    turn_logs(home.log)
    if os.geteuid() == 0:  # the station's user cannot write beside the program, and should not compile at each start
        for room in ("appliance", "console", "plugins"):
            compileall.compile_dir(APP / room, quiet=2)
    python = account.interpreter(home) if os.geteuid() == 0 else sys.executable
    broker, *others = services(home, python)
    supervisor.guests = Guests(home.run / "services", supervisor, broker.user)
    supervisor.start(broker)
    code = prepare(home, supervisor, python)
    for service in others:
        supervisor.start(service)
    sockets = (home.places.broker_socket, home.run / "console.sock")
    if not supervisor.wait_for(lambda: all(s.exists() for s in sockets) and answers(home.listen), READY_WITHIN_S):
        name = (supervisor.dead() or ["console"])[0]
        raise CannotStart(why=f"The station does not answer. The last words of {name}:\n{supervisor.words_of(name)}")
    return code


def services(home: Home, python: str) -> list[Service]:
    """The processes of a station, as in rootfs/."""
    user = home.user
    socket_of = ["--socket", str(home.places.broker_socket), "--user", user.pw_name]
    daemon = ["-m", "appliance.broker.daemon", *socket_of, "--plugins"]
    return [
        Service("broker", [python, *daemon], None if home.rooted else user),
        Service("worker", [python, "-m", "appliance.jobs.worker"], user, patience=30, orphaned=signal.SIGKILL),
        Service("console", [python, "-m", "console.serve"], user, patience=15),
        Service("nginx", web.command(home.places), user),
    ]


def prepare(home: Home, supervisor: Supervisor, python: str) -> str | None:
    """Identity and database, made by the station's user.  Raises CannotStart."""
    done = supervisor.once([python, "-m", "appliance.station.prepare"], home.user, "prepare")
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise CannotStart(why=f"The station could not be prepared:\n{supervisor.words_of('prepare')}") from None
    if "error" in answer:
        raise CannotStart(why=f"{answer['message']} {answer['hint']}".strip())
    code: str | None = answer["claim_code"]
    return code


def check_port(listen: str) -> None:
    """Wait for the last station's nginx to let go.  Raises CannotStart when somebody else is there."""
    host, _, port = listen.rpartition(":")
    end = time.monotonic() + PORT_FREE_WITHIN_S
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, int(port)))
            except OSError as error:
                if time.monotonic() > end:
                    raise CannotStart(
                        why=f"Port {port} cannot be used ({error.strerror}). Choose another with --port or --tls-port."
                    ) from None
            else:
                return
        time.sleep(0.1)


def turn_logs(folder: Path) -> None:
    """Keep logs from growing without end."""
    for log in folder.glob("*.log"):
        if log.stat().st_size > LONGEST_LOG:
            log.replace(log.with_suffix(".old"))


def tell(home: Home, code: str | None, note: str) -> None:
    """What a person needs to know."""
    host, _, port = home.listen.rpartition(":")
    print(f"\nEverpx is ready: http://{'localhost' if host in ('127.0.0.1', '0.0.0.0') else host}:{port}")
    if home.tls:
        print(f"The same by a safe line (https), once this computer trusts it: port {home.tls.rpartition(':')[2]}")
    if code:
        print(f"Claim code: {code}")
    print(f"{note}\nStop it with Ctrl-C; what it knows is kept in {home.data}.\n", flush=True)


def tidy(home: Home) -> None:
    """Leave no mount, no loop device and no socket behind.  Nothing is deleted while anything is mounted there."""
    if os.geteuid() == 0:
        mount_table.release(home.run)
    if home.rooted:
        for image in loop_drives.images(home.loop_drives):
            loop_drives.detach(image)
    if not mount_table.below(home.run):
        shutil.rmtree(home.run, ignore_errors=True)
