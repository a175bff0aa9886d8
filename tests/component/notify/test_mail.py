"""Mail as the providers do it: encrypted both ways, a certificate of one's own, a password, and every kind of no."""

import email
import email.policy
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from appliance.db import Database, now
from appliance.people.models import User
from appliance.places import Places
from plugins.notify import mail, sending, writing
from plugins.notify.models import NotifyDelivery
from tests.component.notify.mail_server import EncryptedFromTheStart, Post, accepts, certificate
from tests.component.notify.steps import add, attempt, tell, use_mail

pytestmark = [
    pytest.mark.component,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # aiosmtpd leaves sockets to the collector
]


@pytest.fixture
def waiting(db: Database, places: Places, anna: User) -> User:
    """Anna, whom something waits for."""
    add(db, places, anna, "mail", address="anna@example.org")
    tell(db, "trouble", "Trouble.")
    return anna


def read(envelope: Any) -> EmailMessage:
    parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_encrypted_with_a_password_and_a_certificate_of_ones_own(
    security: str, db: Database, places: Places, waiting: User, post: Any, tmp_path: Path
) -> None:
    context, pem = certificate(tmp_path)
    box, auth = Post(), accepts("box", "right")
    if security == "tls":
        port = post(box, kind=EncryptedFromTheStart, ssl_context=context, authenticator=auth, auth_require_tls=False)
    else:
        port = post(box, tls_context=context, require_starttls=True, authenticator=auth, auth_required=True)
    known = {"user": "box", "password": "right", "certificate": pem}
    use_mail(db, places, port, security=security, **known)
    assert attempt(db, places) == ""
    (kept,) = box.mails
    assert read(kept)["To"] == "anna@example.org" and read(kept)["Subject"] == "Trouble."


@pytest.mark.parametrize("security", ["tls", "starttls"])
@pytest.mark.parametrize(
    ("name", "days", "trusted"), [("127.0.0.1", 30, False), ("else.example.org", 30, True), ("127.0.0.1", -1, True)]
)
def test_nothing_is_sent_to_who_cannot_prove_who_it_is(
    security: str,
    name: str,
    days: int,
    trusted: bool,
    db: Database,
    places: Places,
    waiting: User,
    post: Any,
    tmp_path: Path,
) -> None:
    """Nobody vouches for it; it is somebody else's; it has run out."""
    context, pem = certificate(tmp_path, name, days=days)
    box = Post()
    encrypted = {"kind": EncryptedFromTheStart, "ssl_context": context}
    port = post(box, **(encrypted if security == "tls" else {"tls_context": context}))
    more = {"user": "box", "password": "right", "certificate": pem if trusted else ""}
    use_mail(db, places, port, security=security, **more)
    said = attempt(db, places)
    assert said == "127.0.0.1 could not prove who it is (its certificate). Nothing was sent."
    assert box.mails == []
    with db.reading() as session:
        (row,) = session.query(NotifyDelivery)
        assert str(row.problem) == said and row.attempts == 1


def test_the_wrong_encryption_is_named(db: Database, places: Places, waiting: User, post: Any) -> None:
    use_mail(db, places, post(Post()), security="tls")
    assert attempt(db, places) == "127.0.0.1 does not speak the chosen encryption on this port."


@pytest.mark.parametrize("password", ["right", "grün und 绿色"])
def test_a_password_may_have_any_letters(password: str, db: Database, places: Places, waiting: User, post: Any) -> None:
    box = Post()
    port = post(box, authenticator=accepts("box", password), auth_require_tls=False)
    use_mail(db, places, port, user="box", password="wrong" if password.isascii() else f"{password}!")
    assert attempt(db, places) == "127.0.0.1 does not accept the user name or the password."
    use_mail(db, places, port, user="box", password=password)
    assert attempt(db, places, now() + timedelta(minutes=5)) is None  # not asked again soon: accounts are locked by it
    assert attempt(db, places, now() + timedelta(hours=7)) == ""
    assert len(box.mails) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("550 no such user", "127.0.0.1 says that this address does not exist or may not be written to."),
        ("452 mailbox full", "127.0.0.1 asks to try again later."),
        ("421 closing", "127.0.0.1 asks to try again later."),
    ],
)
def test_a_no_is_told_in_words(answer: str, said: str, db: Database, places: Places, waiting: User, post: Any) -> None:
    use_mail(db, places, post(Post(answer)))
    assert attempt(db, places) == said


@pytest.fixture
def trickling() -> Iterator[int]:
    """A server that says a letter every 0.2 s and never ends a line: no single wait of ours is ever too long."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            with server.accept()[0] as connection:
                connection.sendall(b"220-")
                while not over.wait(0.2):
                    connection.sendall(b"x")

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        over.set()
        thread.join(5)


def test_a_server_that_trickles_is_left_as_well(
    db: Database, places: Places, waiting: User, trickling: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "WHOLE_WITHIN_S", 1.0)
    use_mail(db, places, trickling)
    began = time.monotonic()
    assert attempt(db, places) == "anna@example.org does not answer in time."
    assert time.monotonic() - began < 5


def test_a_server_that_hangs_up_in_the_middle(db: Database, places: Places, waiting: User) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            with server.accept()[0] as connection:
                connection.sendall(b"220 hello\r\n")
                connection.recv(1024)

        threading.Thread(target=talk, daemon=True).start()
        use_mail(db, places, server.getsockname()[1])
        assert attempt(db, places) == "127.0.0.1 ended the conversation."


def test_no_name_becomes_a_header(db: Database, places: Places, anna: User, post: Any) -> None:
    """A drive is called anything; so is a sender.  Line breaks, other letters, half a character, an emoji."""
    box = Post()
    port = post(box, decode_data=False, enable_SMTPUTF8=False)
    use_mail(db, places, port, sender_name='Böx "quoted", 盒子 📦')
    add(db, places, anna, "mail", address="anna@münchen.example")
    tell(db, "trouble", "Drive “a\r\nBcc: evil@example.org\r\n\r\nHello \udcff \x00 📷 " + "x" * 5000 + "” is full.")
    assert attempt(db, places) == ""
    (kept,) = box.mails
    assert kept.rcpt_tos == ["anna@xn--mnchen-3ya.example"]
    arrived = read(kept)
    assert arrived["Bcc"] is None and arrived.get_all("To") == ["anna@xn--mnchen-3ya.example"]
    assert "Bcc: evil@example.org Hello ?" in arrived["Subject"] and "📷" in arrived["Subject"]
    assert arrived["From"].addresses[0].display_name == 'Böx "quoted", 盒子 📦'
    assert all(len(line) <= 998 for line in kept.content.splitlines())  # RFC 5322


def test_html_in_a_name_stays_text(post: Any, db: Database, places: Places, anna: User) -> None:
    box = Post()
    use_mail(db, places, post(box))
    add(db, places, anna, "mail", address="anna@example.org")
    tell(db, "trouble", "<img src=http://evil.example/x> & co.")
    assert attempt(db, places) == ""
    html = read(box.mails[0]).get_body(("html",))
    assert html is not None and "&lt;img" in html.get_content() and "<img" not in html.get_content()


def test_an_address_that_is_none_cannot_be_entered(db: Database, places: Places, anna: User) -> None:
    from appliance.errors import Invalid

    for wrong in (
        "a@b\r\nBcc: c@d",
        "a@b, c@d",
        "<a@b>",
        "a b@c",
        "a@",
        "@b",
        "a@b@c",
        "a..b@c",
        '"a b"@c',
        "a@b..c",
        "ü@b",
        "a:b@c",
    ):
        with pytest.raises(Invalid):
            add(db, places, anna, "mail", address=wrong)


def test_the_same_message_carries_the_same_id(db: Database, places: Places, waiting: User, post: Any) -> None:
    """The first try was taken, but its answer was lost: a mailbox can tell that the second is the same."""

    class Forgetful(Post):
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            self.mails.append(envelope)
            return "451 lost my memory" if len(self.mails) == 1 else "250 kept"

    box = Forgetful()
    use_mail(db, places, post(box))
    assert attempt(db, places) == "127.0.0.1 asks to try again later."
    assert attempt(db, places, now() + timedelta(minutes=2)) == ""
    first, second = (read(kept)["Message-ID"] for kept in box.mails)
    assert first == second


def test_what_is_too_long_for_a_phone_is_cut_between_letters() -> None:
    from appliance.words import Message
    from console.translations.speaking import Speaker
    from plugins.notify.texts import Part, Text

    text = Text(Message("S"), tuple(Part((Message("硬盘满了" * 200),)) for _ in range(50)))
    cut = writing.short(text, Speaker("en"))
    assert len(cut.encode()) < 4096 and cut.endswith("The rest stands in the station’s console.")
    assert mail.TLS == "tls" and "�" not in cut
