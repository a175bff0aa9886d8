"""Each way on the wire: what arrives there, and what is said when it does not."""

import json
import socket
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from appliance.db import Database, now
from appliance.health import service as health
from appliance.jobs import service as jobs
from appliance.jobs.models import Job, JobState
from appliance.people import service as people
from appliance.people.audit import By
from appliance.people.models import Role, User
from appliance.places import Places
from plugins.notify import mail, service, web, whole_station
from plugins.notify.models import NotifyStation
from tests.callers import PASSWORD
from tests.component.notify.mail_server import Post, accepts
from tests.component.notify.steps import add, attempt, tell, use_mail

pytestmark = [
    pytest.mark.component,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # aiosmtpd leaves sockets to the collector
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Apprise asks for imghdr where there is one
]


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
    port = post(Post(), authenticator=accepts("box", "right"), auth_require_tls=False)
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
        whole_station.save_signal(session, places, By(), {"signal": f"{at}/alive", "signal_hours": "6"})
        job_id = next(job.id for job in jobs.active(session) if job.kind == "notify.send")
    runner = [sys.executable, "-m", "appliance.jobs.runner", str(job_id)]
    subprocess.run(runner, check=True, capture_output=True, timeout=60)
    assert sorted((method, path) for method, path, _, _ in seen) == [("GET", "/alive"), ("POST", "/hook")]
    with db.reading() as session:
        assert session.get_one(Job, job_id).state is JobState.DONE
        assert session.get_one(NotifyStation, 1).signal_arrived is not None
