"""A real nginx with our configuration, and behind it an application that remembers what reached it."""

import http.server
import json
import os
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from appliance.places import Places
from appliance.web import service


@dataclass
class Request:
    """What reached the application."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Application:
    """An application on the console's socket; ``answer`` decides, ``seen`` remembers."""

    answer: Callable[[Request], tuple[int, dict[str, str], bytes]]
    seen: list[Request] = field(default_factory=list)
    allowed: tuple[int, str] = (204, "")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def application(path: Path, made: Application) -> Iterator[None]:
    """Serve ``made`` on a Unix socket."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            made.seen.append(request)
            if self.path == "/internal/upload-allowed":
                status, refusal = made.allowed
                self.reply(status, {"X-Everpx-Refusal": refusal} if refusal else {}, b"")
            else:
                self.reply(*made.answer(request))

        def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_PATCH = do_POST = do_HEAD = do_DELETE = serve

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def address_string(self) -> str:
            return "unix"

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that left is not news."""

    with Server(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
    path.unlink(missing_ok=True)


@contextmanager
def nginx(places: Places, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Our nginx on that port until the block ends."""
    (places.run / "nginx").mkdir()
    service.refresh(places)
    log = (places.run / "nginx.log").open("wb")
    process = subprocess.Popen(
        [*service.command(places), *service.as_root(places)],
        stderr=log,
        env=os.environ | {"PATH": os.environ["PATH"] + ":/usr/sbin"},
    )
    try:
        wait_for(lambda: can_connect(port))
        yield process
    finally:
        process.terminate()
        process.wait(10)
        log.close()


def can_connect(port: int) -> bool:
    """Whether somebody listens."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def wait_for(condition: Callable[[], object], seconds: float = 10) -> None:
    """Until ``condition`` holds; fails after that many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def told(body: bytes) -> str:
    """The error code in an answer."""
    return str(json.loads(body)["error"])
