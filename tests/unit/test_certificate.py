"""The certificate of the front door: what it speaks for, when another one is due, and what the authority refuses."""

import json
import stat
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from appliance import identity, plugin
from appliance.broker.client import Refusal
from appliance.broker.daemon import answer_for
from appliance.clock import Clock
from appliance.db import Database
from appliance.places import Places
from appliance.web import authority, certificate, health, listening, renewal
from appliance.web import privileged as privileged_side  # noqa: F401 - declares the verb
from appliance.web.certificate import Certificate
from appliance.web.home_names import is_address, is_name
from appliance.web.renewal import why_due

NOW = datetime(2027, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SET = Clock(NOW, True, NOW - 30 * DAY)
NAMES, ADDRESSES = ("everpx.local", "localhost"), ("192.168.1.5", "127.0.0.1", "::1")


def broker(verb: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """The real protocol, the real verb and the real signing process."""
    answer = answer_for(json.dumps({"verb": verb, "request": dict(request)}).encode())
    if "error" in answer:
        raise Refusal(answer)
    ok: dict[str, Any] = answer["ok"]
    return ok


def there_is(since: datetime, until: datetime) -> Certificate:
    return Certificate(NAMES, ADDRESSES, since, until, "x", "")


@pytest.mark.parametrize("name", ["everpx.local", "a.b.home.arpa", "nas.fritz.box", "localhost", "x.localhost"])
def test_names_of_a_home_are_vouched_for(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name", ["", "everpx.com", "local.com", "xlocal", "*.local", "a..local", "-a.local", "a b.local", "A.local",
             "é.local", "a.local.", ".local", "1.2.3.4", "fritz.box.evil.org", f"{'a' * 64}.local", "a\n.local"],
)  # fmt: skip
def test_no_other_name_is(name: str) -> None:
    assert not is_name(name)


@given(st.ip_addresses())
def test_only_private_addresses_are_vouched_for(address: Any) -> None:
    private = address.is_private or address.is_link_local or (address.version == 4 and address.packed[:1] == b"d")
    assert not is_address(str(address)) or private


@pytest.mark.parametrize("address", ["10.1.2.3", "192.168.0.1", "172.31.0.1", "127.0.0.1", "::1", "fd00::1"])
def test_addresses_of_a_home_are(address: str) -> None:
    assert is_address(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "172.32.0.1", "2001:db8::1", "::", "0.0.0.0", "", "x", "10.0.0.0/8"])
def test_addresses_of_the_internet_are_not(address: str) -> None:
    assert not is_address(address)


@pytest.mark.parametrize(
    ("since", "until", "clock", "why"),
    [
        (NOW - DAY, NOW + 395 * DAY, SET, ""),
        (NOW - 200 * DAY, NOW + 196 * DAY, SET, ""),
        (NOW - 265 * DAY, NOW + 131 * DAY, SET, "time"),
        (NOW - 500 * DAY, NOW - 104 * DAY, SET, "time"),
        (NOW + 100 * DAY, NOW + 496 * DAY, SET, "time"),  # made while the clock was ahead
        (NOW - 500 * DAY, NOW - 104 * DAY, Clock(NOW, False, NOW - 30 * DAY), ""),  # nobody has set this clock
        (NOW - DAY, NOW + 395 * DAY, Clock(datetime(2000, 1, 1, tzinfo=UTC), None, NOW), ""),
        (NOW - DAY, NOW + 395 * DAY, Clock(datetime(2099, 1, 1, tzinfo=UTC), False, NOW), ""),
    ],
)
def test_only_a_clock_that_may_be_believed_makes_another_one_due(
    since: datetime, until: datetime, clock: Clock, why: str
) -> None:
    assert why_due(there_is(since, until), NAMES, ADDRESSES, clock) == why


def test_a_new_name_or_address_makes_another_one_due_by_any_clock() -> None:
    unset = Clock(NOW, False, NOW - 30 * DAY)
    good = there_is(NOW - DAY, NOW + 395 * DAY)
    assert why_due(None, NAMES, ADDRESSES, unset) == "none"
    assert why_due(good, (*NAMES, "anna.local"), ADDRESSES, unset) == "names"
    assert why_due(good, NAMES, (*ADDRESSES, "10.0.0.9"), unset) == "names"
    assert why_due(good, NAMES[:1], ADDRESSES[:1], unset) == "", "one that is gone may stay in it"


@pytest.fixture
def named(places: Places, db: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A station whose names and addresses a test decides."""
    identity.create(places)
    names = ["everpx.local", "everpx.com"]

    def call(hook: str, **_: object) -> list[list[str]]:
        assert hook == "station_names"
        return [list(names)]

    monkeypatch.setattr(plugin, "call", call)
    monkeypatch.setattr(renewal, "_addresses", lambda: ["192.168.1.5", "8.8.8.8"])
    return names


def renew(db: Database, places: Places, clock: Clock) -> bool:
    with db.reading() as session:
        return renewal.renew(session, broker, places, clock)


def test_it_is_made_signed_and_renewed(places: Places, db: Database, named: list[str]) -> None:
    assert certificate.load(places) is None
    assert renew(db, places, SET)
    assert not renew(db, places, SET)
    first = certificate.load(places)
    assert first is not None
    assert first.names == ("everpx.local", "localhost") and first.addresses == ("192.168.1.5", "127.0.0.1", "::1")
    assert first.speaks_for("192.168.1.5") and not first.speaks_for("everpx.com")
    assert stat.S_IMODE(certificate.place(places).stat().st_mode) == 0o600
    kept = places.data / "identity"
    assert [stat.S_IMODE(one.stat().st_mode) for one in (kept, kept / "authority.key")] == [0o700, 0o600]
    leaf, issuer = x509.load_pem_x509_certificates(certificate.place(places).read_bytes().partition(b"\n")[2])
    leaf.verify_directly_issued_by(issuer)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(days=397)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    limits = issuer.extensions.get_extension_for_class(x509.NameConstraints)
    assert limits.critical and limits.value.permitted_subtrees
    named.append("anna.local")
    assert renew(db, places, SET)
    second = certificate.load(places)
    assert second is not None and "anna.local" in second.names
    assert second.mark != first.mark and second.authority == first.authority, "devices trust the one authority"
    assert renew(db, places, Clock(NOW + 300 * DAY, True, NOW))


def test_a_clock_that_nobody_set_changes_names_but_never_the_dates(
    places: Places, db: Database, named: list[str]
) -> None:
    assert renew(db, places, SET)
    before = certificate.load(places)
    named.append("anna.local")
    assert renew(db, places, Clock(datetime(2099, 1, 1, tzinfo=UTC), False, NOW))
    after = certificate.load(places)
    assert before and after
    assert (after.since, after.until) == (before.since, before.until)


def test_a_first_start_with_a_clock_in_2000_makes_one_for_what_has_surely_passed(
    places: Places, db: Database, named: list[str]
) -> None:
    unset = Clock(datetime(2000, 1, 1, tzinfo=UTC), False, NOW)
    assert renew(db, places, unset)
    made = certificate.load(places)
    assert made and made.since == NOW - DAY and made.is_good(SET)
    assert renew(db, places, Clock(NOW + 700 * DAY, True, NOW)), "the clock was set: two years later than the build"


@pytest.mark.parametrize("name", ["authority.key", "authority.crt"])
def test_an_authority_that_cannot_be_used_is_told_and_never_replaced(
    places: Places, db: Database, named: list[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    renew(db, places, SET)
    broken = places.data / "identity" / name
    broken.write_bytes(b"-----BEGIN NONSENSE-----\n")
    named.append("anna.local")
    old = certificate.place(places).read_bytes()
    with pytest.raises(Refusal):
        renew(db, places, SET)
    assert broken.read_bytes() == b"-----BEGIN NONSENSE-----\n"
    assert certificate.place(places).read_bytes() == old
    monkeypatch.setenv("EVERPX_LISTEN", "80 443/tls")
    health.renew(db, broker, places)  # does not stop the other chores
    (places.data / "identity/authority.key").unlink()
    with pytest.raises(Refusal):
        renew(db, places, SET)


def test_another_stations_authority_does_not_fit_its_key(tmp_path: Path) -> None:
    (one_key, _), (_, other) = (authority.made(identity.new_id(), NOW) for _ in range(2))
    with pytest.raises(authority.CannotSign):
        authority.issued((one_key, other), ["everpx.local"], [], NOW, NOW + DAY)


@pytest.mark.parametrize(
    "change",
    [
        {"names": []},
        {"names": ["everpx.com"]},
        {"names": ["everpx.local\nDNS:google.com"]},
        {"addresses": ["8.8.8.8"]},
        {"station": "x"},
        {"since": 0},
        {"until": 1},
        {"until": 1 << 40},
        {"until": int((NOW + 398 * DAY).timestamp())},
    ],
)
def test_root_signs_nothing_else(places: Places, change: dict[str, Any]) -> None:
    facts = {
        "station": identity.new_id(), "names": ["everpx.local"], "addresses": [],
        "since": int(NOW.timestamp()), "until": int((NOW + DAY).timestamp()),
    }  # fmt: skip
    assert set(broker("web.certificate", facts)) == {"key", "certificate", "authority"}
    with pytest.raises(Refusal):
        broker("web.certificate", facts | change)


def test_a_folder_of_somebody_else_is_not_used(places: Places, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (places.data / "identity").symlink_to(elsewhere)
    with pytest.raises(authority.CannotSign):
        authority.of_home(places.data / "identity", identity.new_id(), NOW)
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("text", ["", "# {}\n", "# [1]\n", "{", '# {"names": [], "addresses": [], "since": 1}\n'])
def test_a_damaged_file_is_none(places: Places, text: str) -> None:
    certificate.place(places).write_text(text)
    assert certificate.load(places) is None


def test_the_addresses_of_the_doors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERPX_LISTEN", "80 [::]:80 443/tls [::]:443/tls")
    assert (listening.plain(), listening.encrypted()) == (("80", "[::]:80"), ("443", "[::]:443"))
    assert listening.https("everpx.local") == "https://everpx.local"
    monkeypatch.setenv("EVERPX_LISTEN", "127.0.0.1:8080 127.0.0.1:8443/tls")
    assert listening.https("::1") == "https://[::1]:8443"
    monkeypatch.setenv("EVERPX_LISTEN", "127.0.0.1:8080")
    assert listening.https("everpx.local") is None
