"""A real Samba server on a free port, with one account and one share."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

USER, PASSWORD = "nobody", "three green kettles"


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody answers there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def samba(home: Path, share: Path, *, writable: bool = False) -> Iterator[int]:
    """Its port, as long as it runs; everything of it lies in ``home``."""
    port = free_port()
    for name in ("private", "lock", "state", "cache", "pid", "ncalrpc"):
        (home / name).mkdir(parents=True, exist_ok=True)
    (home / "smb.conf").write_text(
        f"""[global]
        server role = standalone server
        interfaces = 127.0.0.1
        bind interfaces only = yes
        smb ports = {port}
        disable netbios = yes
        private dir = {home}/private
        lock directory = {home}/lock
        state directory = {home}/state
        cache directory = {home}/cache
        pid directory = {home}/pid
        ncalrpc dir = {home}/ncalrpc
        passdb backend = tdbsam:{home}/private/passdb.tdb
        log file = {home}/log
        load printers = no
        printing = bsd
        printcap name = /dev/null
        [photos]
        path = {share}
        read only = {"no" if writable else "yes"}
        force user = root
        """
    )
    config = str(home / "smb.conf")
    entered = f"{PASSWORD}\n{PASSWORD}\n"
    words = ["smbpasswd", "-c", config, "-L", "-s", "-a", USER]
    subprocess.run(words, input=entered, text=True, check=True, capture_output=True, timeout=30)
    with (home / "out").open("wb") as out:
        server = subprocess.Popen(["smbd", "-F", "--no-process-group", "-s", config], stdout=out, stderr=out)
    try:
        end = time.monotonic() + 60
        while not listens(port):
            assert server.poll() is None and time.monotonic() < end, (home / "out").read_text()
            time.sleep(0.05)
        yield port
    finally:
        stop(server)


def stop(server: "subprocess.Popen[bytes]") -> None:
    """End it, and what it has started."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    for child in children.read_text().split() if children.exists() else []:
        with suppress(ProcessLookupError):  # a session that was just ending
            os.kill(int(child), 9)
    server.kill()
    server.wait(10)
