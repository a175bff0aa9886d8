"""The front door, with the real nginx: where bodies land, who may send them, and what can never get out."""

import http.client
import json
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from appliance.drives import records
from appliance.drives.layout import INCOMING
from appliance.drives.records import FOLDER_MARK, FOLDER_PREFIX, Record
from appliance.errors import ProgramFailed
from appliance.places import Places
from appliance.web import service
from tests.component.front_door import Application, Request, application, free_port, nginx, told, wait_for

pytestmark = pytest.mark.component
Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Door:
    """A running front door."""

    port: int
    places: Places
    app: Application

    @property
    def top(self) -> Path:
        return self.places.folder_drives / "HOT-1"

    @property
    def incoming(self) -> Path:
        return self.top / INCOMING

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
        finally:
            connection.close()


def drive(places: Places, tag: str, **facts: bool) -> Path:
    """A folder drive in use."""
    top = places.folder_drives / tag
    (top / INCOMING).mkdir(parents=True)
    note(places, tag, **facts)
    return top


def note(places: Places, tag: str, *, read_only: bool = False) -> None:
    """What root writes down about a drive in use."""
    top = places.folder_drives / tag
    (top / FOLDER_MARK).write_text(tag)
    facts = {"device": FOLDER_PREFIX + tag, "sequence": 0, "filesystem": "folder", "filesystem_uuid": tag}
    number = top.stat().st_dev
    records.write(
        places.mounts,
        Record(tag=tag, path=str(top), device_number=number, read_only=read_only, boot=records.boot_id(), **facts),  # type: ignore[arg-type]
    )


@pytest.fixture
def door(places: Places, program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    program("nginx")
    port = free_port()
    monkeypatch.setenv("EVERPX_LISTEN", f"127.0.0.1:{port}")
    drive(places, "HOT-1")
    app = Application(answer=lambda request: (200, {"Content-Type": "text/plain"}, b"fine"))
    with application(places.run / "console.sock", app), nginx(places, port):
        yield Door(port, places, app)


def body_file(request: Request) -> Path:
    return Path(request.headers["x-everpx-body-file"])


def test_an_upload_lands_on_the_drive_and_the_application_gets_only_its_name(door: Door) -> None:
    sent, kept = os.urandom(3_000_000), door.top / "kept.jpg"
    modes: list[int] = []

    def take(request: Request) -> Answer:
        spool = body_file(request)
        modes.append(stat.S_IMODE(spool.stat().st_mode))
        assert spool.parent == door.incoming
        spool.rename(kept)
        return 201, {}, b"{}"

    door.app.answer = take
    status, _, _ = door.ask("PUT", "/api/v1/files/a%20b.jpg", sent, X_Everpx_Body_File="/etc/passwd")
    assert status == 201
    assert kept.read_bytes() == sent
    assert modes == [0o600]
    assert door.app.seen[-1].body == b""
    assert door.app.seen[-1].headers["content-length"] == "0"
    assert [r.path for r in door.app.seen] == ["/internal/upload-allowed", "/api/v1/files/a%20b.jpg"]
    wait_for(lambda: not list(door.incoming.iterdir()))


def test_the_tidying_after_a_request_never_takes_a_file_that_was_renamed(door: Door) -> None:
    """`clean` unlinks by the old path when the request ends; what was renamed must outlive thousands of those."""
    kept = door.top / "kept"
    kept.mkdir()

    def take(request: Request) -> Answer:
        body_file(request).rename(kept / request.path.rsplit("/", 1)[1])
        return 201, {}, b""

    door.app.answer = take
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=20)
    for number in range(300):
        connection.request("PUT", f"/api/v1/files/{number}", b"%d" % number)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 201
    connection.close()
    assert sorted(int(f.read_bytes()) for f in kept.iterdir()) == list(range(300))
    wait_for(lambda: not list(door.incoming.iterdir()))


@pytest.mark.parametrize("status", [400, 401, 403, 409, 422, 500, 507])
def test_what_the_application_did_not_take_is_gone_after_its_answer(door: Door, status: int) -> None:
    door.app.answer = lambda request: (status, {"Content-Type": "application/json"}, b'{"error":"mine"}')
    got, _, body = door.ask("PATCH", "/api/v1/uploads/HOT-1/abc", b"x" * 100_000)
    assert (got, told(body)) == (status, "mine")
    wait_for(lambda: not list(door.incoming.iterdir()))


def test_a_client_that_breaks_off_leaves_nothing_on_the_drive(door: Door) -> None:
    with socket.create_connection(("127.0.0.1", door.port)) as client:
        client.sendall(
            b"PUT /api/v1/files/a.jpg HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 2_000_000
        )
        wait_for(lambda: list(door.incoming.iterdir()))
    wait_for(lambda: not list(door.incoming.iterdir()))
    assert [r.path for r in door.app.seen] == ["/internal/upload-allowed"]


def test_a_client_that_leaves_while_the_file_is_hashed_does_not_pull_it_away(door: Door) -> None:
    taken: list[bytes] = []

    def slow(request: Request) -> Answer:
        spool = body_file(request)
        time.sleep(1)
        taken.append(spool.read_bytes())
        return 201, {}, b""

    door.app.answer = slow
    with socket.create_connection(("127.0.0.1", door.port)) as client:
        client.sendall(b"PUT /api/v1/files/a.jpg HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nabcd")
        wait_for(lambda: len(door.app.seen) == 2)
    wait_for(lambda: taken == [b"abcd"])


@pytest.mark.parametrize(
    ("status", "told_status", "code"),
    [(401, 401, "not_signed_in"), (403, 403, "not_claimed"), (507, 507, "out_of_space"), (500, 503, "not_ready")],
)
def test_a_refused_upload_is_refused_before_its_first_byte_in_the_applications_words(
    door: Door, status: int, told_status: int, code: str
) -> None:
    door.app.allowed = (status, json.dumps({"error": code, "message": "Nein – 不", "hint": ""}))
    with socket.create_connection(("127.0.0.1", door.port), 10) as client:
        client.sendall(
            b"PUT /api/v1/files/a.jpg HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000000000\r\n\r\n" + b"x" * 1000
        )
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert answer.status == told_status
        assert told(answer.read()) == code
    assert not list(door.incoming.iterdir())
    assert len(door.app.seen) == 1


def test_the_application_hears_what_is_asked_for_before_it_says_yes(door: Door) -> None:
    door.ask("PATCH", "/api/v1/uploads/HOT-1/abc?x=1", b"x", Authorization="Bearer key", Cookie="everpx=1")
    asked = door.app.seen[0].headers
    assert asked["x-everpx-method"] == "PATCH"
    assert asked["x-everpx-path"] == "/api/v1/uploads/HOT-1/abc?x=1"
    assert asked["x-everpx-length"] == "1"
    assert (asked["authorization"], asked["cookie"]) == ("Bearer key", "everpx=1")


def asked(door: Door) -> int:
    return sum(request.path == "/internal/upload-allowed" for request in door.app.seen)


def test_a_yes_to_a_small_file_is_not_asked_for_again_at_once(door: Door) -> None:
    for number in range(5):
        assert door.ask("PUT", f"/api/v1/files/{number}", b"x", Authorization="Bearer a")[0] == 200
    assert asked(door) == 1
    time.sleep(3.2)  # nginx counts whole seconds
    assert door.ask("PUT", "/api/v1/files/x", b"x", Authorization="Bearer a")[0] == 200
    assert asked(door) == 2


def test_a_yes_is_nobody_elses_and_no_other_drives_and_not_for_a_large_file(door: Door) -> None:
    drive(door.places, "HOT-2")
    service.refresh(door.places)
    wait_for(lambda: door.ask("PATCH", "/api/v1/uploads/HOT-2/a", b"x", Cookie="everpx=other") and asked(door) > 1)
    door.app.seen.clear()
    assert door.ask("PUT", "/api/v1/files/a", b"x", Authorization="Bearer a")[0] == 200
    door.app.allowed = (401, "{}")
    assert door.ask("PUT", "/api/v1/files/a", b"x", Authorization="Bearer b")[0] == 401
    assert door.ask("PUT", "/api/v1/files/a", b"x")[0] == 401
    assert door.ask("PUT", "/api/v1/files/a", b"x", Authorization="Bearer a", Cookie="everpx=1")[0] == 401
    assert door.ask("PATCH", "/api/v1/uploads/HOT-2/a", b"x", Authorization="Bearer a")[0] == 401
    assert door.ask("PUT", "/api/v1/files/a", b"x", Authorization="Bearer a")[0] == 200
    with socket.create_connection(("127.0.0.1", door.port), 10) as client:
        client.sendall(
            b"PUT /api/v1/files/a HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a\r\n"
            b"Content-Length: 100000000\r\n\r\n"
        )
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert answer.status == 401


def test_a_no_is_asked_for_every_time(door: Door) -> None:
    door.app.allowed = (507, "{}")
    for _ in range(3):
        assert door.ask("PUT", "/api/v1/files/a", b"x")[0] == 507
    door.app.allowed = (204, "")
    assert door.ask("PUT", "/api/v1/files/a", b"x")[0] == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "POST"])
def test_a_full_drive_still_answers_everything_but_an_upload(door: Door, method: str) -> None:
    door.app.allowed = (507, "{}")
    status, _, _ = door.ask(method, "/api/v1/uploads/HOT-1/abc", X_Everpx_Body_File="/etc/passwd")
    assert status == 200
    assert [r.method for r in door.app.seen] == [method]
    assert "x-everpx-body-file" not in door.app.seen[0].headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("POST", "/photos"),
        ("PUT", "/api/v1/known"),
        ("PATCH", "/api/v1/uploads/HOT-9/abc"),
        ("GET", "/live"),
    ],
)
def test_no_header_of_ours_gets_in_from_outside(door: Door, method: str, path: str) -> None:
    door.ask(
        method,
        path,
        X_Everpx_Body_File="/etc/passwd",
        X_Everpx_Front="somebody",
        X_Forwarded_For="10.0.0.1",
        X_Forwarded_Host="evil.example",
        Forwarded="for=10.0.0.1",
    )
    seen = door.app.seen[-1].headers
    assert "x-everpx-body-file" not in seen
    assert seen["x-everpx-front"] == "nginx"
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert "x-forwarded-host" not in seen
    assert "forwarded" not in seen


def test_what_is_internal_cannot_be_asked_for(door: Door) -> None:
    (door.top / "secret.jpg").write_bytes(b"secret")
    for path in ("/internal/upload-allowed", "/internal/", "/protected/HOT-1/secret.jpg", "/everpx-starting.html"):
        status, _, body = door.ask("GET", path)
        assert (status, b"secret" in body) == (404, False), path
    assert door.app.seen == []


def handing_out(path: str, **headers: str) -> Callable[[Request], Answer]:
    more = {k.replace("_", "-"): v for k, v in headers.items()}
    return lambda request: (200, {"X-Accel-Redirect": path, "Content-Type": "image/jpeg"} | more, b"")


def test_a_file_that_the_application_names_is_sent_with_ranges_and_its_headers(door: Door) -> None:
    name = "a b #100% – 😀.jpg"
    (door.top / name).write_bytes(b"0123456789")

    door.app.answer = handing_out(
        "/protected/" + quote(f"HOT-1/{name}"),
        Content_Disposition="attachment",
        Content_Security_Policy="default-src 'none'; sandbox",
        X_Content_Type_Options="nosniff",
        Cache_Control="private, no-cache",
    )
    status, headers, body = door.ask("GET", "/photos/1/original", Range="bytes=2-4")
    assert (status, body) == (206, b"234")
    assert headers["content-type"] == "image/jpeg"
    assert headers["content-disposition"] == "attachment"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize(
    "path", ["HOT-1/link", "HOT-1/folder/passwd", "HOT-1/../../secret", "HOT-1/%2e%2e/%2e%2e/secret"]
)
def test_no_symlink_and_no_dots_lead_out_of_a_drive(door: Door, path: str) -> None:
    (door.places.data / "secret").write_text("secret")
    top = door.top
    (top / "link").symlink_to("/etc/passwd")
    (top / "folder").symlink_to("/etc")
    door.app.answer = handing_out(f"/protected/{path}")
    status, _, body = door.ask("GET", "/photos/1/original")
    assert status in (403, 404, 500, 503)
    assert b"secret" not in body
    assert b"root:" not in body


def test_static_files_are_kept_for_a_year_when_their_address_has_a_version(door: Door) -> None:
    status, headers, _ = door.ask("GET", "/static/everpx.css?v=12", Accept_Encoding="gzip")
    assert (status, headers["content-encoding"]) == (200, "gzip")
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert headers["content-type"] == "text/css; charset=utf-8"
    assert door.ask("GET", "/static/everpx.css")[1]["cache-control"] == "no-cache"
    assert door.ask("POST", "/static/everpx.css")[0] in (403, 405)
    assert door.app.seen == []


def test_a_form_that_is_too_large_is_told_so_in_words(door: Door) -> None:
    for path, wanted in (("/photos", b"64 MB"), ("/api/v1/known", b"too_large")):
        with socket.create_connection(("127.0.0.1", door.port), 10) as client:
            client.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000000\r\n\r\n".encode())
            answer = http.client.HTTPResponse(client)
            answer.begin()
            assert answer.status == 413
            assert wanted in answer.read()


def test_a_stream_passes_at_once(door: Door) -> None:
    door.app.answer = lambda request: (200, {"Content-Type": "text/event-stream"}, b"event: drives\ndata: 1\n\n")
    assert door.ask("GET", "/live")[2] == b"event: drives\ndata: 1\n\n"


def test_while_the_console_is_away_people_and_programs_get_words(
    places: Places, program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program("nginx")
    port = free_port()
    monkeypatch.setenv("EVERPX_LISTEN", f"127.0.0.1:{port}")
    drive(places, "HOT-1")
    with nginx(places, port):
        away = Door(port, places, Application(answer=lambda request: (200, {}, b"")))
        status, headers, body = away.ask("GET", "/")
        assert (status, headers["retry-after"]) == (503, "3")
        assert b"Everpx is starting" in body
        assert told(away.ask("GET", "/api/v1/jobs")[2]) == "starting"
        status, _, body = away.ask("PUT", "/api/v1/files/a.jpg", b"x")
        assert (status, told(body)) == (503, "not_ready")


def test_a_drive_that_comes_gets_its_door_and_one_that_goes_loses_it(door: Door) -> None:
    second = drive(door.places, "HOT-2")
    spools: list[str] = []

    def remember(request: Request) -> Answer:
        spools.append(request.headers.get("x-everpx-body-file", ""))
        return 200, {}, b""

    door.app.answer = remember
    assert service.refresh(door.places)
    assert not service.refresh(door.places)

    def lands_on(tag: str) -> bool:
        door.ask("PATCH", f"/api/v1/uploads/{tag}/abc", b"x")
        return spools[-1].startswith(str(door.places.folder_drives / tag))

    wait_for(lambda: lands_on("HOT-2"))
    second.rename(door.places.run / "pulled")
    assert service.refresh(door.places)
    wait_for(lambda: not lands_on("HOT-2"))
    assert lands_on("HOT-1")


def test_only_a_writable_hot_drive_with_a_real_folder_takes_uploads(places: Places) -> None:
    elsewhere = places.run / "elsewhere"
    elsewhere.mkdir()
    for tag in ("HOT-1", "HOT-2"):
        (places.folder_drives / tag).mkdir(parents=True)
        note(places, tag)
    (places.folder_drives / "HOT-1" / INCOMING).parent.mkdir()
    (places.folder_drives / "HOT-1" / INCOMING).symlink_to(elsewhere)
    (places.folder_drives / "HOT-2" / INCOMING).parent.symlink_to(elsewhere)
    drive(places, "HOT-3", read_only=True)
    drive(places, "COLD-1")
    drive(places, "HOT-12")
    found = {shelf.tag: shelf.uploads for shelf in service.shelves(places.mounts)}
    assert found == {"HOT-12": True, "COLD-1": False, "HOT-1": False, "HOT-2": False, "HOT-3": False}
    assert service.shelves(places.mounts)[0].tag == "HOT-12"


def test_a_configuration_that_nginx_refuses_is_never_put_in_place(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (door.places.run / "nginx" / "nginx.conf").read_bytes()
    monkeypatch.setenv("EVERPX_LISTEN", "no-such-address:x")
    with pytest.raises(ProgramFailed, match="nginx failed"):
        service.refresh(door.places)
    assert (door.places.run / "nginx" / "nginx.conf").read_bytes() == before
    assert [p.name for p in (door.places.run / "nginx").glob("*.conf")] == ["nginx.conf"]
    assert door.ask("GET", "/")[0] == 200
