"""Bringing a version: pieces that arrive, addresses that are asked, and what has to be so before anything happens."""

import contextlib
import fcntl
import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest

from appliance.errors import Invalid, NotFound
from appliance.places import Places
from plugins.upgrade import checks, fetching, incoming, place
from plugins.upgrade.source import LARGEST, Folder, Web

CONTENT = bytes(range(256)) * 4096


def test_a_bundle_arrives_in_pieces_and_goes_on_where_it_stopped(places: Places) -> None:
    part = incoming.create(places, len(CONTENT))
    assert incoming.append(places, part.name, 0, BytesIO(CONTENT[:1000]).read).arrived == 1000
    with pytest.raises(incoming.WrongOffset) as caught:
        incoming.append(places, part.name, 999, BytesIO(CONTENT).read)
    assert caught.value.fields["offset"] == 1000
    assert not incoming.find(places, part.name).is_whole
    whole = incoming.append(places, part.name, 1000, BytesIO(CONTENT[1000:] + b"more than announced").read)
    assert whole.is_whole and whole.path.name == part.name and whole.path.read_bytes() == CONTENT
    assert incoming.append(places, part.name, len(CONTENT), BytesIO(b"late").read).path.read_bytes() == CONTENT


def test_one_that_is_complete_but_was_not_named_is_named_when_it_is_asked_for(places: Places) -> None:
    part = incoming.create(places, 3)
    part.path.write_bytes(b"all")  # and then the console was killed
    assert incoming.finish(places, part.name).path.name == part.name


def test_a_new_one_takes_the_place_of_what_was_brought_before(places: Places) -> None:
    first = incoming.create(places, 3)
    second = incoming.create(places, 3)
    with pytest.raises(NotFound):
        incoming.find(places, first.name)
    incoming.append(places, second.name, 0, BytesIO(b"all").read)
    incoming.clear(places)
    assert list(incoming.folder(places).iterdir()) == []
    for strange in ("../../etc/passwd", "", "x", second.name + "/"):
        with pytest.raises(NotFound):
            incoming.find(places, strange)


def test_what_is_too_large_or_has_no_room_is_not_begun(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (0, -1, place.LARGEST + 1):
        with pytest.raises(Invalid):
            incoming.create(places, size)
    free = shutil.disk_usage(places.data).free
    monkeypatch.setattr(incoming, "SPARE", free - 1000)
    with pytest.raises(place.NoRoom) as caught:
        incoming.create(places, 10_000_000)
    assert 10_000_000 < caught.value.fields["needed_bytes"] < 60_000_000
    assert list(incoming.folder(places).iterdir()) == []


@dataclass
class Server:
    """What an address answers, by path: status, headers, content, and how much of it is really sent."""

    answers: dict[str, Callable[["http.server.BaseHTTPRequestHandler"], None]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    address: str = ""

    def serve(self, path: str, content: bytes, *, sent: int | None = None, ranges: bool = True) -> None:
        """A file; ``sent``: hang up after so many bytes, the first time."""
        cut = [sent]

        def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
            since = int((handler.headers.get("Range") or "bytes=0-")[6:-1]) if ranges else 0
            handler.send_response(206 if since else 200)
            handler.send_header("Content-Length", str(len(content) - since))
            if since:
                handler.send_header("Content-Range", f"bytes {since}-{len(content) - 1}/{len(content)}")
            handler.end_headers()
            most, cut[0] = cut[0], None
            handler.wfile.write(content[since:most])

        self.answers[path] = answer


@contextmanager
def served() -> Iterator[Server]:
    """A web server on this computer."""
    told = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append((self.path, self.headers.get("Range") or ""))
            if self.path in told.answers:
                with contextlib.suppress(ConnectionError):  # whoever asked may have hung up
                    told.answers[self.path](self)
            else:
                self.send_error(404)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@pytest.fixture
def web() -> Iterator[Server]:
    with served() as server:
        yield server


def fetched(address: str, most: int = 1 << 24, since: int = 0) -> tuple[bytes, fetching.Answer]:
    got, told = bytearray(), list[fetching.Answer]()
    fetching.fetch(address, got.extend, most=most, begin=told.append, since=since)
    return bytes(got), told[0]


def test_what_lies_at_an_address_comes_whole_and_from_where_it_was_cut_off(web: Server) -> None:
    web.serve("/a", CONTENT)
    assert fetched(f"{web.address}/a") == (CONTENT, fetching.Answer(len(CONTENT), 0))
    assert fetched(f"{web.address}/a", since=1000) == (CONTENT[1000:], fetching.Answer(len(CONTENT), 1000))
    web.serve("/old", CONTENT, ranges=False)  # knows no parts: all comes again
    assert fetched(f"{web.address}/old", since=1000) == (CONTENT, fetching.Answer(len(CONTENT), 0))
    assert web.asked[-1] == ("/old", "bytes=1000-")


def test_an_address_that_stops_early_is_not_taken_for_whole(web: Server) -> None:
    web.serve("/a", CONTENT, sent=5000)
    with pytest.raises(fetching.CutOff):
        fetched(f"{web.address}/a")


def test_an_endless_address_is_left_alone(web: Server) -> None:
    sent = [0]

    def flood(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(CONTENT)
            sent[0] += len(CONTENT)

    web.answers["/flood"] = flood
    with pytest.raises(fetching.Endless):
        fetched(f"{web.address}/flood", most=3 << 20)
    assert sent[0] < 64 << 20
    web.serve("/large", CONTENT)
    with pytest.raises(fetching.Endless):  # said beforehand: nothing of it is taken
        fetching.fetch(f"{web.address}/large", lambda block: pytest.fail("taken"), most=1000)


def test_an_address_that_says_nothing_is_given_up(web: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "SILENT_S", 0.3)
    done = threading.Event()
    web.answers["/silent"] = lambda handler: (done.wait(20), None)[1]
    try:
        with pytest.raises(fetching.NotFetched):
            fetched(f"{web.address}/silent")
    finally:
        done.set()


def test_nobody_leads_the_station_elsewhere(web: Server) -> None:
    def lead(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "http://192.168.1.1/reboot")
        handler.end_headers()

    web.answers["/lead"] = lead
    with pytest.raises(fetching.Elsewhere) as caught:
        fetched(f"{web.address}/lead")
    assert "192.168.1.1/reboot" in str(caught.value)
    with pytest.raises(fetching.NotThere):
        fetched(f"{web.address}/nothing")


@pytest.mark.parametrize(
    "address",
    ["", "ftp://a/b", "file:///etc/passwd", "//a/b", "https://", "http://a b/", "http://u:p@a/", "http://a/\r\nX: y",
     "http://a:99999/", "http://[a/", "http://ä/", "http://a/" + "b" * 800, "http://a/#b"],
)  # fmt: skip
def test_only_plain_addresses_are_asked(address: str) -> None:
    with pytest.raises(fetching.BadAddress):
        fetched(address)


@pytest.mark.parametrize("host", ["169.254.169.254", "100.100.100.200"])
def test_nobody_is_asked_where_rented_machines_keep_their_keys(host: str) -> None:
    with pytest.raises(fetching.NotFetched, match="does not ask"):
        fetching.fetch(f"http://{host}/latest", lambda block: None, most=10)


def test_news_lies_in_a_folder_or_at_an_encrypted_address(tmp_path: Path, web: Server) -> None:
    (tmp_path / "stable.json").write_bytes(b"news")
    (tmp_path / "keys-2.json").write_bytes(b"k" * (LARGEST + 100))
    source = Folder(tmp_path)
    assert source.news("stable") == b"news" and source.keys(3) is None
    assert len(source.keys(2) or b"") == LARGEST + 1  # enough to see that it is too much
    with pytest.raises(fetching.NotFetched):
        source.news("beta")
    with pytest.raises(fetching.BadAddress):
        Web(web.address)  # http
    with pytest.raises(fetching.NotFetched):
        Web(web.address.replace("http", "https")).news("stable")  # a server that speaks no TLS


def test_ten_minutes_pass_after_the_start_before_anything_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "uptime_s", lambda: 599.0)
    with pytest.raises(checks.JustStarted):
        checks.settled()
    monkeypatch.setattr(checks, "uptime_s", lambda: 600.0)
    checks.settled()


def test_a_job_that_holds_a_drive_is_waited_for(places: Places) -> None:
    checks.no_drive_held(places)
    path = places.run / "drive-7.lease"
    with path.open("a") as held:
        checks.no_drive_held(places)
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(checks.DriveHeld):
            checks.no_drive_held(places)
    checks.no_drive_held(places)


@pytest.mark.parametrize(
    ("minutes", "is_quiet"), [(-1, False), (0, True), (119, True), (121, False), (12 * 60, False), (24 * 60 + 5, True)]
)
@pytest.mark.parametrize("hour", [3, 23])
def test_the_quiet_hour_is_by_the_familys_clock(minutes: int, is_quiet: bool, hour: int) -> None:
    begins = datetime(2026, 1, 10, hour, 30, tzinfo=UTC) - timedelta(hours=8)  # in Shanghai
    moment = begins + timedelta(minutes=minutes)
    if is_quiet:
        checks.quiet(moment, "Asia/Shanghai", hour)
    else:
        with pytest.raises(checks.NotQuiet):
            checks.quiet(moment, "Asia/Shanghai", hour)
