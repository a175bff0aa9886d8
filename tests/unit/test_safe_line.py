"""Who is led to https and who is not, the page that helps a device to trust this station, and only-https."""

import plistlib
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from appliance.clock import Clock
from appliance.db import Database
from appliance.people import service
from appliance.people.audit import By
from appliance.people.models import Role
from appliance.places import Places
from appliance.upgrade import trial
from appliance.web import certificate, options, renewal
from console.safe_line import way
from tests.browsers import Browser
from tests.callers import PASSWORD, Caller
from tests.unit.test_certificate import broker

HTTP, HTTPS = "http://everpx.local:8080", "https://everpx.local:8443"
PAGE = {"Accept": "text/html,*/*"}


@pytest.fixture
def safe(app: Flask, db: Database, places: Places, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """A station with a certificate, Anna and Ben."""
    monkeypatch.setenv("EVERPX_LISTEN", "127.0.0.1:8080 127.0.0.1:8443/tls")
    monkeypatch.setattr(renewal, "_addresses", lambda: ["192.168.1.5"])
    moment = datetime.now(UTC)
    with db.writing() as session:
        service.add(session, By(), name="Anna", password=PASSWORD, role=Role.ADMIN)
        service.add(session, By(), name="Ben", password=PASSWORD)
    with db.reading() as session:
        assert renewal.renew(session, broker, places, Clock(moment, True, moment))
    return app


def only(app: Flask, db: Database) -> None:
    with db.writing() as session:
        options.ONLY.set(session, True)
    app.extensions.pop("everpx.only_https", None)


def test_nobody_is_led_to_a_warning(safe: Flask) -> None:
    client = safe.test_client()
    for path in ("/sign-in", "/safe/", "/manifest.webmanifest"):
        assert client.get(path, base_url=HTTP, headers=PAGE).status_code == 200


def test_a_browser_that_has_shown_it_is_led_there_and_may_take_it_back(safe: Flask) -> None:
    client = safe.test_client()
    assert "Set-Cookie" not in client.get("/safe/arrived", base_url=HTTP).headers, "by http nobody has shown anything"
    client.get("/safe/arrived", base_url=HTTPS)
    led = client.get("/sign-in?next=/photos/", base_url=HTTP, headers=PAGE)
    assert (led.status_code, led.location) == (302, f"{HTTPS}/sign-in?next=/photos/")
    assert client.get("/photos/", base_url=HTTP, headers=PAGE).location == f"{HTTPS}/photos/"
    for path, headers in (("/sign-in", {}), ("/sign-in", PAGE | {"HX-Request": "true"}), ("/safe/", PAGE)):
        assert client.get(path, base_url=HTTP, headers=headers).status_code == 200
    assert client.post("/sign-in", base_url=HTTP, headers=PAGE).status_code == 400, "a form is not sent elsewhere"
    page = client.get("/safe/", base_url=HTTPS).text
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    answer = client.post("/safe/stay", base_url=HTTPS, data={"csrf_token": token}, headers={"Referer": HTTPS + "/"})
    assert answer.status_code == 303
    assert client.get("/sign-in", base_url=HTTP, headers=PAGE).status_code == 200


def test_it_is_led_nowhere_that_the_certificate_does_not_speak_for(
    safe: Flask, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = safe.test_client()
    for base in ("https://other.local:8443", HTTPS):
        client.get("/safe/arrived", base_url=base)
    assert client.get("/sign-in", base_url="http://other.local:8080", headers=PAGE).status_code == 200
    assert client.get("/sign-in", base_url=HTTP, headers=PAGE).status_code == 302
    late = datetime.now(UTC) + timedelta(days=500)
    monkeypatch.setattr(way.clock, "read", lambda _: Clock(late, True, late))
    assert client.get("/sign-in", base_url=HTTP, headers=PAGE).status_code == 200, "it has run out"
    monkeypatch.setattr(way.clock, "read", lambda _: Clock(late, False, late - timedelta(days=500)))
    assert client.get("/sign-in", base_url=HTTP, headers=PAGE).status_code == 302, "a clock that nobody set says so"
    monkeypatch.setenv("EVERPX_LISTEN", "127.0.0.1:8080")
    assert client.get("/sign-in", base_url=HTTP, headers=PAGE).status_code == 200


def test_by_number_as_well(safe: Flask) -> None:
    client = safe.test_client()
    client.get("/safe/arrived", base_url="https://192.168.1.5:8443")
    led = client.get("/", base_url="http://192.168.1.5:8080", headers=PAGE)
    assert led.location == "https://192.168.1.5:8443/"


def test_only_https_leads_pages_refuses_the_rest_and_leaves_the_way_in_open(
    safe: Flask, db: Database, caller: Callable[..., Caller]
) -> None:
    client, cleo = safe.test_client(), caller("Cleo")
    key = {"Authorization": f"Bearer {cleo.token}"}
    assert client.get("/api/v1/session", base_url=HTTP, headers=key).status_code == 200
    only(safe, db)
    assert client.get("/", base_url=HTTP, headers=PAGE).location == f"{HTTPS}/"
    answer = client.get("/api/v1/session", base_url=HTTP, headers=key)
    assert (answer.status_code, answer.json["error"]) == (403, "only_https")
    assert HTTPS in answer.json["message"]
    assert client.post("/sign-in", base_url=HTTP, headers=PAGE).status_code == 403
    upload = {"X-Everpx-Path": "/api/v1/files/a", "X-Everpx-Length": "1"}
    asked = client.get("/internal/upload-allowed", base_url=HTTP, headers=key | upload)
    assert asked.status_code == 403 and "only_https" in asked.headers["X-Everpx-Refusal"]
    for path in ("/safe/", "/safe/everpx.crt", "/safe/everpx.mobileconfig", "/static/everpx.css"):
        with closing(client.get(path, base_url=HTTP, headers=PAGE)) as answer:
            assert answer.status_code == 200
    assert client.get("/api/v1/session", base_url=HTTPS, headers=key).status_code == 200


def test_only_https_lets_the_probe_of_a_trial_in(
    safe: Flask, db: Database, places: Places, caller: Callable[..., Caller]
) -> None:
    key = {"Authorization": f"Bearer {caller('Cleo').token}"}
    only(safe, db)
    trial.begin(places)
    said = key | {trial.HEADER: trial.place(places).read_text()}
    client = safe.test_client()
    assert client.get("/api/v1/session", base_url=HTTP, headers=said).status_code == 200
    assert client.get("/api/v1/session", base_url=HTTP, headers=key | {trial.HEADER: "x"}).status_code == 403


def test_only_https_is_remembered_by_browsers_for_a_day_and_otherwise_not_at_all(safe: Flask, db: Database) -> None:
    client = safe.test_client()
    for base in (HTTP, HTTPS):
        assert "Strict-Transport-Security" not in client.get("/sign-in", base_url=base).headers
    only(safe, db)
    assert client.get("/sign-in", base_url=HTTPS).headers["Strict-Transport-Security"] == "max-age=86400"
    assert "Strict-Transport-Security" not in client.get("/safe/", base_url=HTTP).headers


def test_only_https_without_https_shuts_nobody_out(safe: Flask, db: Database, places: Places) -> None:
    only(safe, db)
    certificate.place(places).unlink()
    assert safe.test_client().get("/sign-in", base_url=HTTP, headers=PAGE).status_code == 200


def test_both_lines_keep_their_own_sign_in(safe: Flask) -> None:
    client = safe.test_client()
    plain = client.get("/sign-in", base_url=HTTP).headers.getlist("Set-Cookie")
    tied = client.get("/sign-in", base_url=HTTPS).headers.getlist("Set-Cookie")
    assert [one.partition("=")[0] for one in (*plain, *tied)] == ["everpx", "__Host-everpx"]
    assert "Secure" not in plain[0] and "Secure" in tied[0]


@pytest.mark.parametrize(
    ("agent", "first"),
    [
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X)", "iPhone and iPad"),
        ("Mozilla/5.0 (Linux; Android 16) Chrome/140 Mobile", "Android"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64) Chrome/140", "Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605", "Mac"),
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/140", "Linux"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko Firefox/140.0", "Firefox"),
        ("curl/8", "Windows"),
    ],
)
def test_the_device_in_hand_comes_first(safe: Flask, agent: str, first: str) -> None:
    page = safe.test_client().get("/safe/", base_url=HTTP, headers={"User-Agent": agent}).text
    assert page.split("<h2>")[1].startswith(first)


def test_the_page_asks_this_station_and_nobody_else(safe: Flask) -> None:
    client = safe.test_client()
    policy = client.get("/safe/", base_url=HTTP).headers["Content-Security-Policy"]
    assert f"connect-src 'self' {HTTPS};" in policy
    assert "8443" not in client.get("/safe/", base_url=HTTPS).headers["Content-Security-Policy"]
    proof = client.get("/safe/proof", base_url=HTTPS)
    assert (proof.status_code, proof.headers["Cross-Origin-Resource-Policy"]) == (204, "cross-origin")


def test_what_devices_get_is_the_authority_and_no_key(safe: Flask, places: Places) -> None:
    client, found = safe.test_client(), certificate.load(places)
    assert found
    file = client.get("/safe/everpx.crt", base_url=HTTP)
    assert (file.data, file.mimetype) == (found.der, "application/x-x509-ca-cert")
    profile = plistlib.loads(client.get("/safe/everpx.mobileconfig", base_url=HTTP).data)
    (payload,) = profile["PayloadContent"]
    assert payload["PayloadContent"] == found.der and payload["PayloadType"] == "com.apple.security.root"
    told = client.get("/api/v1/certificate", base_url=HTTP).json
    assert told["authority"] == found.authority and told["fingerprint"] == found.fingerprint and told["good"]
    assert told["port"] == 8443 and "everpx.local" in told["names"]
    shown = client.get("/safe/", base_url=HTTP).text
    assert found.fingerprint in shown.replace("<wbr>", "")
    assert "PRIVATE" not in shown + str(file.data) + str(told)


def test_it_is_there_before_the_station_has_an_owner(app: Flask) -> None:
    page = app.test_client().get("/safe/", base_url=HTTP)
    assert page.status_code == 200 and "without a safe line" in page.text
    assert app.test_client().get("/api/v1/certificate", base_url=HTTP).json["error"] == "not_found", "by API as well"


def test_only_an_admin_sees_what_the_certificate_speaks_for(safe: Flask) -> None:
    for name, shown in (("", False), ("Ben", False), ("Anna", True)):
        assert ("192.168.1.5" in Browser(safe, name).get("/safe/").text) is shown
