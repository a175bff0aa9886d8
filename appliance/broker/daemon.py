"""The process that runs as root: ``python -m appliance.broker.daemon``.

It imports the standard library, this package and ``privileged.py`` files; no web code and no database.  Who may
ask is decided by the kernel: the socket is 0660 and ``SO_PEERCRED`` must name root or the one user given with
``--user``.  Each call leaves one audit line on standard error (the journal); secrets are ``repr=False`` fields.
"""

import argparse
import grp
import importlib
import json
import logging
import os
import pwd
import select
import signal
import socket
import socketserver
import struct
import time
from pathlib import Path
from typing import Any

from appliance.broker import protocol
from appliance.errors import ApplianceError

log = logging.getLogger("everpx.broker")
REQUEST_TIMEOUT_S = 10
SYSTEMD_FIRST_SOCKET = 3


class Connection(socketserver.StreamRequestHandler):
    """One caller, one request, one answer."""

    timeout = REQUEST_TIMEOUT_S
    server: "Daemon"

    def handle(self) -> None:
        """Check who asks, run the verb, answer, leave an audit line."""
        started = time.monotonic()
        pid, uid, _ = peer(self.connection)
        name, request = "?", None
        answer: dict[str, Any]
        try:
            if uid not in self.server.allowed:
                raise protocol.BadRequest(why="this user may not ask")
            line = self.rfile.readline(protocol.LIMIT + 1)
            if len(line) > protocol.LIMIT:
                raise protocol.BadRequest(why="too long")
            name, handler, request = protocol.parse(line)
            answer = {"ok": handler(request)}
        except ApplianceError as error:
            answer = protocol.refusal(error)
        except OSError as error:  # a connection that broke, or a device that did
            answer = {"error": "system", "message": error.strerror or str(error), "hint": ""}
        except Exception:
            log.exception("bug in %s", name)
            answer = {"error": "bug", "message": "The station made a mistake; it is in its log.", "hint": ""}
        took = time.monotonic() - started
        log.info(
            "audit pid=%d uid=%d verb=%s %r -> %s %.2fs",
            pid,
            uid,
            name,
            request,
            answer.get("error", "ok"),
            took,
        )
        try:
            self.wfile.write(json.dumps(answer, default=str).encode() + b"\n")
        except OSError:
            log.info("audit pid=%d left before its answer", pid)


class Daemon(socketserver.ThreadingUnixStreamServer):
    """The listening socket: systemd's, or one of our own."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: Path, allowed: frozenset[int], group: int) -> None:
        self.allowed = allowed
        inherited = int(os.environ.get("LISTEN_FDS", "0")) > 0
        super().__init__(str(path), Connection, bind_and_activate=False)
        if inherited:
            self.socket = socket.socket(fileno=SYSTEMD_FIRST_SOCKET)
            return
        path.unlink(missing_ok=True)
        mask = os.umask(0o117)
        try:
            self.server_bind()
        finally:
            os.umask(mask)
        if os.geteuid() == 0:
            os.chown(path, 0, group)
        self.server_activate()

    def serve(self) -> None:
        """Until told to stop; wakes for calls and signals only.

        The kernel may hand a signal to any thread.  Python only notes it there, and this thread, which has to act on
        it, would sleep on: so it waits for the wake-up socket as well.
        """
        wake, woken = socket.socketpair()
        woken.setblocking(False)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        while True:
            ready = select.select([self.socket, wake], [], [])[0]
            if wake in ready:
                wake.recv(4096)
            if self.socket in ready:
                self.handle_request()


def peer(connection: socket.socket) -> tuple[int, int, int]:
    """(pid, uid, gid) of the other end, as the kernel knows it."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, gid = struct.unpack("3i", raw)
    return pid, uid, gid


def main() -> None:
    """Serve until told to stop."""
    options = argparse.ArgumentParser(description="Everpx's root daemon")
    options.add_argument("--socket", type=Path, required=True)
    options.add_argument("--user", default="everpx", help="the one user, besides root, who may ask")
    options.add_argument(
        "--load",
        action="append",
        default=[f"appliance.{room}.privileged" for room in ("drives", "health", "watching", "web")],
        help="a module of verbs (privileged.py)",
    )
    options.add_argument("--plugins", action="store_true", help="also the verbs of plugins")
    given = options.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    os.environ["EVERPX_USER"] = given.user  # whose the files are on drives that know no owners
    for module in [*given.load, *(plugins_with_verbs() if given.plugins else ())]:
        importlib.import_module(module)
    if given.plugins:
        from appliance.broker import elsewhere

        elsewhere.load_all()
    user = pwd.getpwnam(given.user)
    group = grp.getgrgid(user.pw_gid).gr_gid
    daemon = Daemon(given.socket, frozenset({0, os.geteuid(), user.pw_uid}), group)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    for begin in protocol.AT_START:
        begin()
    log.info("ready, verbs: %s", ", ".join(sorted(protocol.VERBS)))
    daemon.serve()


def plugins_with_verbs() -> list[str]:
    """The ``privileged.py`` of each plugin that lies beside this program, on or off."""
    folder = Path(__file__).parents[2] / "plugins"
    return [f"plugins.{path.parent.name}.privileged" for path in sorted(folder.glob("*/privileged.py"))]


def _stop(*_: object) -> None:
    """End the process; a program that a verb is waiting for goes on and finishes by itself."""
    raise SystemExit(0)


def answer_for(line: bytes) -> dict[str, Any]:
    """What the daemon would answer, without a socket: for tests of the protocol."""
    try:
        _, handler, request = protocol.parse(line)
        return {"ok": handler(request)}
    except ApplianceError as error:
        return protocol.refusal(error)


if __name__ == "__main__":
    main()
