"""Https with the real nginx and real clients: who believes it, what it speaks, and what goes on while it is renewed."""

import socket
import ssl
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance import clock, identity, plugin
from appliance.db import Database
from appliance.places import Places
from appliance.web import authority, certificate, health
from tests.component.front_door import Application, application, free_port, nginx, wait_for
from tests.component.test_nginx import body_file, drive
from tests.unit.test_certificate import broker

pytestmark = pytest.mark.component


@dataclass
class House:
    """A front door with https; ``trust`` is a file with the authority and nothing else."""

    port: int
    plain: int
    places: Places
    app: Application
    trust: Path
    names: list[str]
    db: Database
    top: Path

    def client(self, **limits: ssl.TLSVersion) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.load_verify_locations(self.trust)
        for name, version in limits.items():
            setattr(made, name, version)
        return made

    def connect(self, name: str = "everpx.local", context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), 10)
        return (context or self.client()).wrap_socket(plain, server_hostname=name)

    def curl(self, *words: str) -> str:
        argv = ["curl", "-sS", "--max-time", "30", "--noproxy", "*", "--cacert", str(self.trust)]
        argv += ["--resolve", f"everpx.local:{self.port}:127.0.0.1", *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout

    def renew(self, name: str) -> None:
        self.names.append(name)
        health.renew(self.db, broker, self.places)


@pytest.fixture
def house(
    places: Places, db: Database, program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[House]:
    program("nginx")
    program("curl")
    plain, port = free_port(), free_port()
    monkeypatch.setenv("EVERPX_LISTEN", f"127.0.0.1:{plain} 127.0.0.1:{port}/tls")
    identity.create(places)
    names = ["everpx.local"]
    monkeypatch.setattr(plugin, "call", lambda hook, **_: [list(names)])
    top = drive(places, "HOT-1")
    health.renew(db, broker, places)
    found = certificate.load(places)
    assert found
    trust = places.data / "trust.pem"
    trust.write_text(found.authority)
    app = Application(answer=lambda request: (200, {"Content-Type": "text/plain"}, b"fine"))
    with application(places.run / "console.sock", app), nginx(places, port):
        yield House(port, plain, places, app, trust, names, db, top)


def test_whoever_trusts_the_authority_believes_each_of_its_names(house: House) -> None:
    for name in ("everpx.local", "localhost", "127.0.0.1", "::1"):
        with house.connect(name) as line:
            assert line.version() == "TLSv1.3"
            assert line.getpeercert()


@pytest.mark.parametrize("name", ["other.local", "everpx.com", "192.168.77.77"])
def test_another_name_is_not_believed(house: House, name: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        house.connect(name)


def test_whoever_does_not_trust_the_authority_believes_nothing(house: House) -> None:
    stranger = house.places.data / "stranger.pem"
    stranger.write_bytes(authority.made(identity.new_id(), datetime.now(UTC))[1])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(stranger)
    with pytest.raises(ssl.SSLCertVerificationError):
        house.connect(context=context)


def test_a_stolen_authority_opens_nothing_on_the_internet(house: House, tmp_path: Path) -> None:
    """OpenSSL itself refuses what the station refuses to sign."""
    key, signer = (str(house.places.data / "identity" / name) for name in ("authority.key", "authority.crt"))
    for name, kind, good in (("bank.com", "DNS", False), ("8.8.8.8", "IP", False), ("nas.local", "DNS", True)):
        leaf, request, more = (str(tmp_path / file) for file in ("leaf.pem", "leaf.csr", "more"))
        Path(more).write_text(f"subjectAltName={kind}:{name}\n")
        for argv in (
            ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
             f"{leaf}.key", "-subj", "/O=x", "-out", request],
            ["openssl", "x509", "-req", "-in", request, "-CA", signer, "-CAkey", key, "-days", "9", "-extfile", more,
             "-out", leaf],
        ):  # fmt: skip
            subprocess.run(argv, check=True, capture_output=True, timeout=30)
        argv = ["openssl", "verify", "-CAfile", signer, leaf]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode == 0) is good, done.stdout + done.stderr
        assert good or "permitted subtree violation" in done.stderr


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_what_is_old_is_refused(house: House, version: str) -> None:
    old = house.client()
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        old.minimum_version = old.maximum_version = ssl.TLSVersion[version]
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        house.connect(context=old)


def test_what_is_weak_is_refused(house: House) -> None:
    for ciphers in ("AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-GCM-SHA256"):
        weak = house.client(maximum_version=ssl.TLSVersion.TLSv1_2)
        weak.set_ciphers(f"{ciphers}:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            house.connect(context=weak)
    with house.connect(context=house.client(maximum_version=ssl.TLSVersion.TLSv1_2)) as line:
        assert line.version() == "TLSv1.2"


def test_the_application_knows_how_somebody_came(house: House) -> None:
    said = house.curl("--http2", "-w", "%{http_version}", f"https://everpx.local:{house.port}/")
    assert said == "fine2"
    assert house.app.seen[-1].headers["x-forwarded-proto"] == "https"
    assert house.app.seen[-1].headers["host"] == f"everpx.local:{house.port}"
    house.curl("-H", "X-Forwarded-Proto: https", f"http://127.0.0.1:{house.plain}/")
    assert house.app.seen[-1].headers["x-forwarded-proto"] == "http"


def test_a_plain_question_at_the_safe_door_is_shown_the_way(house: House) -> None:
    said = house.curl("-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", f"http://127.0.0.1:{house.port}/a?b=c")
    assert said == f"302 https://127.0.0.1:{house.port}/a?b=c"


@pytest.mark.parametrize("protocol", ["--http1.1", "--http2"])
@pytest.mark.parametrize("path", ["/api/v1/files/a.jpg", "/dav/a.jpg", "/remote.php/dav/files/anna/a.jpg"])
def test_uploads_land_on_the_drive_by_https_as_well(house: House, tmp_path: Path, protocol: str, path: str) -> None:
    sent, kept = tmp_path / "sent", house.top / "kept"
    sent.write_bytes(bytes(range(256)) * 20_000)

    def take(request: object) -> tuple[int, dict[str, str], bytes]:
        body_file(request).rename(kept)  # type: ignore[arg-type]
        return 201, {}, b"{}"

    house.app.answer = take
    said = house.curl(protocol, "-T", str(sent), "-w", "%{http_code}", f"https://everpx.local:{house.port}{path}")
    assert said == "{}201"
    assert kept.read_bytes() == sent.read_bytes()
    house.app.allowed = (507, '{"error":"out_of_space"}')
    said = house.curl(
        protocol,
        "-H",
        "Cookie: another=1",
        "-T",
        str(sent),
        "-w",
        "%{http_code}",
        f"https://everpx.local:{house.port}{path}",
    )
    assert said == '{"error":"out_of_space"}507'


def test_renewing_cuts_nobody_off_and_the_next_one_gets_the_new_one(house: House) -> None:
    begun, finish = threading.Event(), threading.Event()

    def slow(request: object) -> tuple[int, dict[str, str], bytes]:
        begun.set()
        finish.wait(20)
        return 200, {}, b"all of it"

    with pytest.raises(ssl.SSLCertVerificationError):
        house.connect("anna.local")
    house.app.answer = slow
    with house.connect() as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: everpx.local\r\nConnection: close\r\n\r\n")
        assert begun.wait(10)
        house.renew("anna.local")

        def is_new() -> bool:
            try:
                house.connect("anna.local").close()
            except ssl.SSLCertVerificationError:
                return False
            return True

        wait_for(is_new)
        finish.set()
        assert b"".join(iter(lambda: line.recv(4096), b"")).endswith(b"all of it")


def test_a_certificate_that_nginx_refuses_leaves_the_door_open(house: House) -> None:
    mode = stat.S_IMODE(certificate.place(house.places).stat().st_mode)
    assert mode == 0o600
    good = certificate.place(house.places).read_text()
    certificate.place(house.places).write_text(good.replace("PRIVATE KEY-----\nM", "PRIVATE KEY-----\nX", 1))
    with pytest.raises(Exception, match="nginx"):
        from appliance.web import service

        service.refresh(house.places)
    with house.connect():
        pass


def test_it_ends_when_it_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client whose clock is beyond the end refuses it: the dates are really in it."""
    past = datetime.now(UTC) - timedelta(days=500)
    monkeypatch.setattr(clock, "read", lambda *_, **__: clock.Clock(past, True, past))
    certificate.place(house.places).unlink()
    health.renew(house.db, broker, house.places)

    def is_over() -> bool:
        try:
            house.connect().close()
        except ssl.SSLCertVerificationError as error:
            return "expired" in str(error)
        return False

    wait_for(is_over)
