"""Uploads through the real nginx into the real console, which is killed while they come."""

import base64
import http.client
import io
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from blake3 import blake3
from sqlalchemy import select
from tusclient.client import TusClient

from appliance import identity
from appliance.db import Database
from appliance.drives.layout import INCOMING
from appliance.drives.mounts import Mount
from appliance.library.models import Folder, StoredFile, Upload
from appliance.people import service, tokens
from appliance.people.audit import By
from appliance.people.models import Role
from appliance.places import Places
from tests.component.front_door import can_connect, free_port, nginx, wait_for
from tests.hot_drive import hand_over

pytestmark = pytest.mark.component
ROOT = Path(__file__).parents[2]


@dataclass
class Running:
    """A station's front: nginx all the time, the console as long as nobody kills it."""

    places: Places
    hot: Mount
    port: int
    token: str
    console: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the console and wait until it answers."""
        door = self.places.run / "console.sock"
        door.unlink(missing_ok=True)
        self.console = subprocess.Popen([sys.executable, "-m", "console.serve"], cwd=ROOT, env=dict(os.environ))
        wait_for(door.exists, 30)

    def kill(self) -> None:
        """As a power cut would."""
        if self.console:
            self.console.kill()
            self.console.wait()

    def put(self, name: str, content: bytes, token: str | None = None) -> tuple[int, dict[str, object]]:
        """One file in one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            headers = {"Authorization": f"Bearer {token or self.token}"}
            connection.request("PUT", f"/api/v1/files/{name}", content, headers)
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, json.loads(body) if body.startswith(b"{") else {}
        finally:
            connection.close()

    def files(self) -> dict[str, bytes]:
        """Everything of Anna's on the drive: path -> hash."""
        top = self.hot.path / "Anna"
        found = (path for path in top.rglob("*") if path.is_file())
        return {str(path.relative_to(self.hot.path)): blake3(path.read_bytes()).digest() for path in found}

    def spool(self) -> list[str]:
        """What is left on its way in."""
        return [path.name for path in (self.hot.path / INCOMING).iterdir()]


@pytest.fixture
def place(places: Places, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Where the HOT drive is: a folder, or a real ext4 drive of so many megabytes."""
    path = places.mounts / "HOT-1"
    path.mkdir()
    if not (megabytes := getattr(request, "param", 0)):
        yield path
        return
    device = request.getfixturevalue("loops").make("small", "ext4", megabytes)
    subprocess.run(["mount", f"/dev/{device}", str(path)], check=True, timeout=60)
    yield path
    subprocess.run(["umount", str(path)], check=True, timeout=60)


@pytest.fixture
def station(
    db: Database,
    places: Places,
    place: Path,
    program: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    quick_passwords: None,
) -> Iterator[Running]:
    """nginx and the console of a station with one HOT drive and Anna."""
    program("nginx")
    identity.create(places)
    port = free_port()
    monkeypatch.setenv("EVERPX_LISTEN", f"127.0.0.1:{port}")
    monkeypatch.setenv("EVERPX_FRONT", "nginx")
    with db.writing() as session:
        anna = service.add(session, By(), name="Anna", password="four quiet red bicycles", role=Role.ADMIN)
        token = tokens.create(session, By(), anna, "test")[1]
    running = Running(places, hand_over(db, places, place), port, token)
    running.start()
    try:
        with nginx(places, port):
            yield running
    finally:
        running.kill()


@contextmanager
def nagged(running: Running, times: int) -> Iterator[None]:
    """Kill the console again and again while the block runs."""
    over = threading.Event()

    def nag() -> None:
        for _ in range(times):
            if over.wait(random.uniform(0.3, 1.2)):
                return
            running.kill()
            running.start()

    thread = threading.Thread(target=nag)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_tus_client_goes_on_after_the_console_was_killed(station: Running) -> None:
    content = os.urandom(21_000_000)
    client = TusClient(f"http://127.0.0.1:{station.port}/api/v1/uploads")
    client.set_headers({"Authorization": f"Bearer {station.token}"})
    file = io.BytesIO(content)
    upload = client.uploader(file_stream=file, chunk_size=4_000_000, metadata={"filename": "film.bin"})
    upload.upload(stop_at=12_000_000)
    assert upload.url and "/HOT-1/" in upload.url
    station.kill()
    station.start()
    again = client.uploader(file_stream=file, chunk_size=4_000_000, url=upload.url)
    assert again.get_offset() == 12_000_000
    again.upload()
    assert station.files() == {"Anna/Files/film.bin": blake3(content).digest()} and station.spool() == []


def test_a_body_is_renamed_where_nginx_put_it(station: Running) -> None:
    content = os.urandom(5_000_000)
    status, said = station.put("a.bin", content)
    assert (status, said["path"]) == (201, "Anna/Files/a.bin") and station.spool() == []
    status, said = station.put("b.bin", content)
    assert (status, said["known"]) == (200, True)
    assert station.files() == {"Anna/Files/a.bin": blake3(content).digest()}
    wait_for(lambda: station.spool() == [])


def test_a_stranger_is_turned_away_before_a_byte_is_kept(station: Running) -> None:
    status, said = station.put("a.bin", b"x" * 100_000, token="everpx_wrong")
    assert (status, said["error"]) == (401, "not_signed_in")
    assert station.files() == {} and station.spool() == []


def begin(running: Running, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
    """Say what would come, send no more of it than ``body``, and wait for the answer."""
    given = {"Authorization": f"Bearer {running.token}"} | {name.replace("_", "-"): headers[name] for name in headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    with socket.create_connection(("127.0.0.1", running.port), 10) as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}\r\n".encode() + body)
        with http.client.HTTPResponse(connection) as answer:
            answer.begin()
            return answer.status, str(json.loads(answer.read())["error"])


@pytest.mark.parametrize("place", [64], indirect=True)
def test_20_gb_for_a_full_drive_are_refused_before_the_first_byte(station: Running, db: Database, place: Path) -> None:
    kept = os.urandom(30_000_000)
    assert station.put("kept.bin", kept)[0] == 201
    wait_for(lambda: station.spool() == [])
    before, huge = os.statvfs(place).f_bfree, "20000000000"
    name = "filename " + base64.b64encode(b"huge.mp4").decode()
    tus = {"Tus_Resumable": "1.0.0", "Upload_Length": huge, "Upload_Metadata": name}
    refused = (507, "out_of_space")
    assert begin(station, "PUT", "/api/v1/files/huge.mp4", Content_Length=huge) == refused
    assert begin(station, "POST", "/api/v1/uploads", Content_Length="0", **tus) == refused
    piece = {"Content_Length": "8000000", "Content_Type": "application/offset+octet-stream"}
    for _ in range(5):  # the answer comes before the body was read, and must not be lost over it
        assert begin(station, "POST", "/api/v1/uploads", bytes(8_000_000), **piece, **tus) == refused
    assert station.spool() == [] and os.statvfs(place).f_bfree == before
    assert station.files() == {"Anna/Files/kept.bin": blake3(kept).digest()}
    with db.reading() as session:
        assert session.scalars(select(Upload)).all() == []
    assert station.put("small.bin", b"there is room for this")[0] == 201


def test_what_was_acknowledged_survives_every_kill(station: Running, db: Database) -> None:
    acknowledged: dict[str, bytes] = {}
    sent: set[bytes] = set()

    def phone(number: int) -> None:
        for photo in range(12):
            content = b"\xff\xd8\xff\xe0" + os.urandom(random.randint(1_000, 800_000))
            sent.add(blake3(content).digest())
            for _ in range(60):  # as a client does: again until it is answered
                try:
                    status, said = station.put(f"IMG_{photo}.jpg", content)
                except OSError:
                    status = 0
                if status in (200, 201):
                    acknowledged[str(said["path"])] = blake3(content).digest()
                    break
                time.sleep(0.2)

    phones = [threading.Thread(target=phone, args=(number,)) for number in range(4)]
    with nagged(station, 4):
        for thread in phones:
            thread.start()
        for thread in phones:
            thread.join()
    station.kill()
    assert len(acknowledged) == 48
    on_drive = station.files()
    for path, digest in acknowledged.items():
        assert on_drive[path] == digest
    assert set(on_drive.values()) == sent  # nothing half, nothing strange
    assert len(on_drive) == 48  # what was sent again after a kill was recognised
    with db.reading() as session:
        rows = session.execute(select(Folder.path, StoredFile.name, StoredFile.digest).join_from(StoredFile, Folder))
        known = {(path + b"/" + name).decode(): digest for path, name, digest in rows}
    assert {path: known.get(path) for path in acknowledged} == acknowledged
    assert can_connect(station.port)
