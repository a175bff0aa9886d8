"""What must not happen: a key in the log, a message that holds up the others, one that goes where it may not."""

import logging
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from appliance import identity, reach, sealed
from appliance.db import Database, now
from appliance.jobs import service as jobs
from appliance.jobs import worker
from appliance.people import service as people
from appliance.people.audit import By
from appliance.people.models import Role, User
from appliance.places import Places
from plugins.notify import service
from plugins.notify.models import NotifyChannel, NotifyRules
from tests.backup_bed import Bed, check_complete
from tests.callers import PASSWORD
from tests.component.notify.mail_server import Post
from tests.component.notify.steps import add, attempt, tell, use_mail
from tests.photos import jpeg
from tests.root import need_root

pytestmark = [
    pytest.mark.component,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # aiosmtpd leaves sockets to the collector
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Apprise asks for imghdr where there is one
]
TOKEN = "tk_nobody_may_read_this"


def test_what_nobody_foresaw_holds_up_no_other_message_and_tells_no_secret(
    db: Database, places: Places, anna: User, post: Any, caplog: pytest.LogCaptureFixture
) -> None:
    box = Post()
    use_mail(db, places, post(box))
    broken = add(db, places, anna, "telegram", token="123456789:AAEabcdefghijklmnopqrstuvwxyz012345", chat="987654321")
    add(db, places, anna, "mail", address="anna@example.org")
    with db.writing() as session:  # as a version wrote it that nobody remembers
        session.get_one(NotifyChannel, broken).sealed = sealed.seal(places, service.PURPOSE, f'{{"{TOKEN}": ""}}')
    tell(db, "trouble", "Trouble.")
    moment = now()
    assert attempt(db, places, moment) == "The station could not send this. The fault is its own."
    assert attempt(db, places, moment) == "" and len(box.mails) == 1
    assert "a message failed: KeyError in services.py" in caplog.text and TOKEN not in caplog.text


def test_no_key_gets_into_the_log_or_the_database(
    db: Database,
    places: Places,
    anna: User,
    web_server: Any,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    server, _, handler = web_server
    at = f"http://127.0.0.1:{server.server_port}"
    add(db, places, anna, "ntfy", server=at, topic=TOKEN, token=f"{TOKEN}2")
    add(db, places, anna, "webhook", address=f"{at}/{TOKEN}?key={TOKEN}", secret=f"{TOKEN}3")
    add(db, places, anna, "other", address=f"json://box:{TOKEN}@127.0.0.1:{server.server_port}/{TOKEN}")
    tell(db, "trouble", "Trouble.")
    moment = now()
    for status in (500, 401, 404, 200):
        handler.status = status
        for _ in range(3):
            attempt(db, places, moment)
        moment += timedelta(hours=7)
    kept = "".join(
        (places.data / name).read_bytes().decode("latin-1")
        for name in ("everpx.db", "everpx.db-wal")
        if (places.data / name).exists()
    )
    ours = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("urllib3"))
    told = "".join(record.getMessage() for record in caplog.records if record.levelno >= logging.INFO)
    printed = capfd.readouterr()
    assert TOKEN not in ours + told + printed.out + printed.err and TOKEN not in kept


@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "0.0.0.0", "[::ffff:169.254.1.1]"])
def test_nobody_reaches_where_machines_keep_their_keys(host: str, db: Database, places: Places, anna: User) -> None:
    """Not even an admin, and at once: no connection is tried."""
    for way, form in (
        ("webhook", {"address": f"http://{host}/latest", "secret": "sixteen letters!"}),
        ("ntfy", {"server": f"http://{host}", "topic": "topic"}),
        ("other", {"address": f"json://{host}/latest"}),
    ):
        add(db, places, anna, way, **form)
    tell(db, "trouble", "Trouble.")
    began, moment = time.monotonic(), now()
    said = [attempt(db, places, moment) for _ in range(3)]
    assert "is a place where no messages are sent" in str(said[0])
    assert all(said) and time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("1.1.1.1", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd12::1", False),
        ("::ffff:192.168.1.1", False),
        ("64:ff9b::c0a8:101", False),  # 192.168.1.1 by a translator
        ("64:ff9b::101:101", True),
        ("2002:c0a8:101::1", False),  # 192.168.1.1 by a tunnel
        ("224.0.0.1", False),
    ],
)
def test_what_is_public(address: str, public: bool) -> None:
    assert reach.is_public(address) is public


def test_the_households_own_network_is_inside_although_it_is_public(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "if_inet6"
    own.write_text("2a02123456789a010000000000000001 02 40 00 80     eth0\n")
    monkeypatch.setattr(reach, "OWN_ADDRESSES", own)
    assert not reach.is_public("2a02:1234:5678:9a01::99") and not reach.is_public("2a02:1234:5678:9aff::1")
    assert reach.is_public("2a02:1234:5678:9b01::1")


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "localhost", "localhost.", "[::1]", "10.0.0.1"])
def test_a_place_at_home_is_seen_through_every_disguise(host: str) -> None:
    assert reach.is_inside(host.strip("[]"))


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A memory card of 24 MB."""
    need_root()
    place = tmp_path / "card"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "card", str(place)], check=True, timeout=10)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True, timeout=10)


def fill(card: Path, db: Database) -> None:
    """To the last byte."""
    with db.engine.connect() as connection:
        connection.exec_driver_sql("pragma wal_checkpoint(truncate)")
    with (card / "filler").open("ab", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(b"x" * 4096)


def test_a_full_card_repeats_no_message_and_loses_none(
    small: Path, places: Places, empty_database: Path, quick_passwords: None, web_server: Any
) -> None:
    server, seen, handler = web_server
    here = Places(data=small / "data", run=places.run)
    here.data.mkdir()
    shutil.copy(empty_database, here.database)
    db = Database(here.database)
    identity.create(here)
    with db.writing() as session:
        user = people.add(session, By(), name="Anna", password=PASSWORD, role=Role.ADMIN)
        session.add(NotifyRules(user_id=user.id))
    at = f"http://127.0.0.1:{server.server_port}/hook"
    add(db, here, user, "webhook", address=at, secret="sixteen letters!")
    tell(db, "trouble", "Trouble.")
    fill(small, db)
    moment = now()
    for _ in range(3):
        with pytest.raises(OperationalError, match="full"):
            attempt(db, here, moment)
    assert seen == []  # what cannot be counted is not sent
    (small / "filler").unlink()

    class Filling(handler):  # type: ignore[misc,valid-type]
        """The card fills up while the message is under way."""

        def do_POST(self) -> None:
            fill(small, db)
            super().do_POST()

    server.RequestHandlerClass = Filling
    with pytest.raises(OperationalError, match="full"):
        attempt(db, here, moment)
    assert len(seen) == 1
    server.RequestHandlerClass = handler
    (small / "filler").unlink()
    assert attempt(db, here, moment) is None  # not at once: nobody knows that it arrived, but it was counted
    assert attempt(db, here, moment + timedelta(minutes=2)) == ""
    assert len(seen) == 2 and seen[0][2]["Everpx-Delivery"] == seen[1][2]["Everpx-Delivery"]
    db.close()


def test_a_server_that_hangs_holds_up_no_copy(db: Database, places: Places, anna: User, tmp_path: Path) -> None:
    bed = Bed(db, places, tmp_path / "hot", tmp_path / "cold")
    bed.write("Anna/Photos/1.jpg", jpeg(1))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use_mail(db, places, silent.getsockname()[1])
        add(db, places, anna, "mail", address="anna@example.org")
        tell(db, "trouble", "Trouble.")
        with db.reading() as session:
            job_id = next(job.id for job in jobs.active(session) if job.kind == "notify.send")
        sender = subprocess.Popen([sys.executable, "-m", "appliance.jobs.runner", str(job_id)])
        with silent.accept()[0]:  # it is connected, and waits for a word
            assert bed.run()["copied"] == 1
            assert sender.poll() is None and worker.lane_of("notify.send") != worker.lane_of("backup.run")
        sender.terminate()
        sender.wait(30)
    check_complete(bed)
