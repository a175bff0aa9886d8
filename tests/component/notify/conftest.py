"""Servers that messages go to, and Anna, who is told."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from appliance import identity
from appliance.db import Database
from appliance.people import service as people
from appliance.people.audit import By
from appliance.people.models import Role, User
from appliance.places import Places
from plugins.notify.models import NotifyRules
from tests.callers import PASSWORD
from tests.component.notify import mail_server


@pytest.fixture
def post() -> Iterator[Any]:
    """``post(handler, **options)`` starts a mail server and gives its port."""
    running = []

    def start(handler: mail_server.Post, **options: Any) -> int:
        running.append(mail_server.run(handler, **options))
        return int(running[-1].port)

    yield start
    for controller in running:
        controller.stop()


@pytest.fixture
def web_server() -> Iterator[Any]:
    """A web server that keeps requests and answers ``status``."""
    seen: list[tuple[str, str, dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        status = 200

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.append((self.command, self.path, dict(self.headers.items()), body))
            self.send_response(self.status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_PUT = do_POST

        def log_message(self, *_: object) -> None:
            """Quietly."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server, seen, Handler
    server.shutdown()
    server.server_close()


@pytest.fixture
def anna(db: Database, places: Places, quick_passwords: None) -> User:
    identity.create(places)
    with db.writing() as session:
        user = people.add(session, By(), name="Anna", password=PASSWORD, role=Role.ADMIN)
        session.add(NotifyRules(user_id=user.id))  # told at any hour: tests run at night as well
        return user
