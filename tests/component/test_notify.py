"""Messages on the wire: a real mail server (aiosmtpd), real web servers, and what becomes of a message that fails."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from appliance import identity, sealed
from appliance.db import Database, now
from appliance.health import service as health
from appliance.health.models import Severity
from appliance.health.service import Finding
from appliance.jobs import service as jobs
from appliance.jobs.models import Job, JobState
from appliance.people import service as people
from appliance.people.audit import By
from appliance.people.models import Role, User
from appliance.places import Places
from appliance.words import Message
from plugins.notify import mail, outbox, service, web
from plugins.notify.failures import NotDelivered
from plugins.notify.models import NotifyStation
from plugins.notify.sending import Sender
from plugins.notify.ways import WAYS
from tests.callers import PASSWORD

pytestmark = [
    pytest.mark.component,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # aiosmtpd leaves sockets to the collector
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Apprise asks for imghdr where there is one
]


class Post:
    """Keeps what arrives; may answer something else first."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.mails = list(answers), []  # type: ignore[var-annotated]

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if self.answers:
            return self.answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(envelope)
        return "250 kept"


def _auth(server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"box", b"right"), handled=False)


@pytest.fixture
def post() -> Iterator[Any]:
    """``post(handler, **options)`` starts a mail server and gives its port."""
    running = []

    def start(handler: Post, **options: Any) -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        running.append(Controller(handler, hostname="127.0.0.1", port=port, **options))
        running[-1].start()
        return port

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
        return people.add(session, By(), name="Anna", password=PASSWORD, role=Role.ADMIN)


def use_mail(db: Database, places: Places, port: int, **more: Any) -> None:
    fields = {"user": "", "password": "", "security": "plain", "certificate": ""} | more
    made = mail.Server("127.0.0.1", port, sender="box@example.org", sender_name="Everpx", **fields)
    with db.writing() as session:
        row = session.merge(NotifyStation(id=1, mail_shown="mail", mail=None, signal_shown="", signal_hours=6))
        row.mail = sealed.seal(places, service.PURPOSE, made.as_text())


def add(db: Database, places: Places, user: User, way: str, **form: str) -> int:
    with db.writing() as session:
        given = {"least": "warning", "solved": "on", "letter": "on"} | form
        return service.save(session, places, By(user.id), user, WAYS[way], given, None).id


def tell(db: Database, code: str, words: str) -> None:
    with db.writing() as session:
        health.tell(session, Finding(code, Severity.WARNING, Message(words), Message("Look at it.")))


def attempt(db: Database, places: Places, moment: Any = None) -> str | None:
    """One try, as the job makes it: None when nothing was due, "" when it arrived, else why not."""
    moment = moment or now()
    with db.writing() as session:
        outbox.plan(session, moment)
        envelope = outbox.take(session, moment)
        station = session.get(NotifyStation, 1)
    if envelope is None:
        return None
    try:
        Sender(places, station, identity.load(places).station_id).send(envelope)
    except NotDelivered as why:
        with db.writing() as session:
            outbox.failed(session, envelope, why.message, slow=why.slow, moment=moment)
        return str(why.message)
    with db.writing() as session:
        outbox.arrived(session, envelope, moment)
    return ""


def test_what_came_up_is_one_mail_and_is_not_told_again(db: Database, places: Places, anna: User, post: Any) -> None:
    box = Post()
    use_mail(db, places, post(box))
    add(db, places, anna, "mail", address="anna@example.org")
    for number in range(5):
        tell(db, f"trouble_{number}", f"Trouble {number}.")
    assert attempt(db, places) == ""
    assert attempt(db, places, now() + timedelta(hours=1)) is None
    (kept,) = box.mails
    text = kept.content.decode()
    assert kept.rcpt_tos == ["anna@example.org"] and "5 things need you" in text and "Trouble 4." in text
    assert "text/html" in text and "Auto-Submitted: auto-generated" in text and "http" not in text


def test_a_greylisting_server_gets_it_the_second_time(db: Database, places: Places, anna: User, post: Any) -> None:
    box = Post("451 try again later")
    use_mail(db, places, post(box))
    add(db, places, anna, "mail", address="anna@example.org")
    tell(db, "trouble", "Trouble.")
    assert attempt(db, places) == "127.0.0.1 asks to try again later."
    assert attempt(db, places) is None  # not at once
    assert attempt(db, places, now() + timedelta(minutes=2)) == ""
    assert len(box.mails) == 1


def test_a_sign_in_that_is_refused_and_a_server_without_encryption_say_so(
    db: Database, places: Places, anna: User, post: Any
) -> None:
    port = post(Post(), authenticator=_auth, auth_require_tls=False)
    use_mail(db, places, port, user="box", password="wrong")
    add(db, places, anna, "mail", address="anna@example.org")
    tell(db, "trouble", "Trouble.")
    assert attempt(db, places) == "127.0.0.1 does not accept the user name or the password."
    use_mail(db, places, port, security="starttls")
    assert "does not offer encryption" in str(attempt(db, places, now() + timedelta(hours=7)))


def test_a_server_that_says_nothing_is_left(
    db: Database, places: Places, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "ANSWER_WITHIN_S", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        use_mail(db, places, silent.getsockname()[1])
        add(db, places, anna, "mail", address="anna@example.org")
        tell(db, "trouble", "Trouble.")
        assert attempt(db, places) == "127.0.0.1 does not answer in time."


def test_what_was_solved_before_it_could_be_told_is_not_told(db: Database, places: Places, anna: User) -> None:
    use_mail(db, places, 1)  # nobody is there
    add(db, places, anna, "mail", address="anna@example.org")
    tell(db, "trouble", "Trouble.")
    assert attempt(db, places) == "127.0.0.1 cannot be reached."
    with db.writing() as session:
        health.settle(session, "trouble")
    assert attempt(db, places, now() + timedelta(hours=1)) is None


def test_a_webhook_is_signed(db: Database, places: Places, anna: User, web_server: Any) -> None:
    server, seen, _ = web_server
    secret = "sixteen letters!"
    add(db, places, anna, "webhook", address=f"http://127.0.0.1:{server.server_port}/hook?a=1", secret=secret)
    tell(db, "trouble", "Trouble.")
    assert attempt(db, places) == ""
    ((method, path, headers, body),) = seen
    told = json.loads(body)
    at = int(headers["Everpx-Signature"].partition(",")[0].removeprefix("t="))
    moment = now().fromtimestamp(at, now().tzinfo)
    assert (method, path, told["subject"]) == ("POST", "/hook?a=1", "Trouble.")
    assert headers["Everpx-Signature"] == web.sign(secret, moment, body)


def test_ntfy_by_apprise(db: Database, places: Places, anna: User, web_server: Any) -> None:
    server, seen, handler = web_server
    add(db, places, anna, "ntfy", server=f"http://127.0.0.1:{server.server_port}", topic="our-secret-topic")
    tell(db, "trouble", "Trouble.")
    handler.status = 403
    assert attempt(db, places) == "127.0.0.1 does not accept the key or the name it was given."
    handler.status = 200
    assert attempt(db, places, now() + timedelta(hours=7)) == ""
    assert b"Trouble." in seen[-1][3] and b"our-secret-topic" in seen[-1][3]


def test_a_member_does_not_reach_into_the_home(db: Database, places: Places, anna: User, web_server: Any) -> None:
    server, seen, _ = web_server
    channel = add(db, places, anna, "ntfy", server=f"http://127.0.0.1:{server.server_port}", topic="topic")
    with db.writing() as session:
        people.add(session, By(), name="Ben", password=PASSWORD, role=Role.ADMIN)
        session.get_one(User, anna.id).role = Role.MEMBER
        service.test(session, anna, channel)
    assert attempt(db, places) not in (None, "")
    assert seen == []


def test_telegram_by_apprise(
    db: Database, places: Places, anna: User, web_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apprise.plugins.telegram import NotifyTelegram

    server, seen, _ = web_server
    monkeypatch.setattr(NotifyTelegram, "notify_url", f"http://127.0.0.1:{server.server_port}/bot")
    token = "123456789:AAEabcdefghijklmnopqrstuvwxyz012345"
    add(db, places, anna, "telegram", token=token, chat="987654321")
    tell(db, "trouble", "Trouble.")
    assert attempt(db, places) == ""
    assert seen[-1][1] == f"/bot{token}/sendMessage" and b"Trouble." in seen[-1][3]


def test_the_job_in_a_process_of_its_own_sends_and_gives_the_sign_of_life(
    db: Database, places: Places, anna: User, web_server: Any
) -> None:
    server, seen, _ = web_server
    at = f"http://127.0.0.1:{server.server_port}"
    add(db, places, anna, "webhook", address=f"{at}/hook", secret="sixteen letters!")
    tell(db, "trouble", "Trouble.")
    with db.writing() as session:
        service.save_signal(session, places, By(), {"signal": f"{at}/alive", "signal_hours": "6"})
        job_id = next(job.id for job in jobs.active(session) if job.kind == "notify.send")
    runner = [sys.executable, "-m", "appliance.jobs.runner", str(job_id)]
    subprocess.run(runner, check=True, capture_output=True, timeout=60)
    assert sorted((method, path) for method, path, _, _ in seen) == [("GET", "/alive"), ("POST", "/hook")]
    with db.reading() as session:
        assert session.get_one(Job, job_id).state is JobState.DONE
        assert session.get_one(NotifyStation, 1).signal_arrived is not None
