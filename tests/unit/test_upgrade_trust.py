"""What a station believes of upgrades: each refusal by name, and the publisher's tool from first key to change."""

import datetime
import hashlib
import json
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.upgrade import refusals, trust
from appliance.upgrade.documents import LARGEST
from appliance.upgrade.keys import of_image, spki_hash
from appliance.upgrade.state import Clock, State, Station, begun
from image.build import station as stamped
from image.release import signing
from image.release.__main__ import main

DAY, NOW, MODEL = 24 * 3600, 1_800_000_000, "everpx-arm64"
ROOT, NEW_ROOT, STABLE, BETA, RELEASE, STRANGER = (
    Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest()) for name in "rnsbxt"
)
NEW = trust.Bundle(MODEL, "1.2.0", "ab" * 32, 150_000_000, spki_hash(signing.public(RELEASE)))
OFFER = {MODEL: {"manifest": NEW.manifest, "size": NEW.size, "url": "https://example.org/1.2.0/arm64.raucb"}}
RIGHT = Clock(NOW, synchronised=True)


def keys(version: int = 1, root: Ed25519PrivateKey = ROOT, stable: Ed25519PrivateKey = STABLE, **other: Any) -> bytes:
    given: dict[str, Any] = {
        "root": [signing.public(root)],
        "needed": 1,
        "channels": {"stable": [signing.public(stable)], "beta": [signing.public(BETA)]},
        "release": [NEW.signer],
        "issued": NOW - 100 * DAY,
    }
    return signing.list_of_keys(version, **given | other)


def news(key: Ed25519PrivateKey = STABLE, **other: Any) -> bytes:
    given: dict[str, Any] = {"channel": "stable", "version": "1.2.0", "bundles": OFFER, "issued": NOW - DAY}
    return signing.signed(signing.channel_file(**given | other), key)


def changed(document: bytes, key: Ed25519PrivateKey = STABLE, **fields: Any) -> bytes:
    """A well-signed document with other fields; None takes one out."""
    body = json.loads(document)["signed"] | fields
    return signing.signed(signing.drafted({k: v for k, v in body.items() if v is not None}), key)


@dataclass
class Box:
    """One station and what it remembers."""

    station: Station
    state: State

    def hear(self, document: bytes, clock: Clock = RIGHT, channel: str = "stable") -> trust.Announcement:
        said, self.state = trust.hear(self.state, self.station, clock, channel, document)
        return said

    def admit(self, document: bytes, bundle: trust.Bundle = NEW, clock: Clock = RIGHT) -> None:
        self.state = trust.admit(self.state, self.station, clock, "stable", document, bundle)


@pytest.fixture
def box() -> Box:
    station = Station(MODEL, "1.1.0", NOW - 90 * DAY)
    return Box(station, begun(station, signing.signed(keys(), ROOT), None))


def test_what_was_announced_is_installed_and_remembered(box: Box) -> None:
    said = box.hear(news())
    assert (said.version, said.fresh, said.offers[MODEL].url) == ("1.2.0", True, OFFER[MODEL]["url"])
    assert trust.obstacle(box.state, box.station, said) is None
    box.admit(news())  # the same news twice is one piece of news
    box.state = box.state.proved("1.2.0")
    box.station = replace(box.station, version="1.2.0")
    with pytest.raises(refusals.NotNewer):
        box.admit(news())
    assert begun(box.station, signing.signed(keys(), ROOT), box.state.as_bytes()) == box.state


NOT_BELIEVED: list[tuple[str, type[refusals.Refusal], bytes]] = [
    ("nothing", refusals.Garbled, b""),
    ("another key", refusals.WrongKey, news(STRANGER)),
    ("a root key", refusals.WrongKey, news(ROOT)),
    ("a release key", refusals.WrongKey, news(RELEASE)),
    ("another channel's key", refusals.WrongKey, news(BETA)),
    ("nobody's signature", refusals.WrongKey, signing.channel_file("stable", "1.2.0", OFFER, NOW)),
    ("a signature too many", refusals.WrongKey, signing.signed(news(), STRANGER)),
    ("another's signature", refusals.WrongKey, news(STRANGER).replace(
        signing.public(STRANGER).encode(), signing.public(STABLE).encode())),
    ("another channel", refusals.Unfamiliar, news(channel="beta")),
    ("a list of keys", refusals.Unfamiliar, signing.signed(keys(), STABLE)),
    ("an unknown field", refusals.Unfamiliar, changed(news(), only_for="EPX")),
    ("a missing field", refusals.Unfamiliar, changed(news(), after=None)),
    ("a later format", refusals.Unfamiliar, changed(news(), format=2)),
    ("a format that is true", refusals.Unfamiliar, changed(news(), format=True)),
    ("no version", refusals.Unfamiliar, news(version="1.2")),
    ("a version with a sign", refusals.Unfamiliar, news(version="1.-2.0")),
    ("a moment that is true", refusals.Unfamiliar, changed(news(), issued=True)),
    ("a moment before time", refusals.Unfamiliar, changed(news(), issued=-1)),
    ("a moment after time", refusals.Unfamiliar, changed(news(), issued=2**40, expires=2**40 + DAY)),
    ("good for ever", refusals.Unfamiliar, news(days=31)),
    ("good for less than nothing", refusals.Unfamiliar, news(days=-1)),
    ("no web address", refusals.Unfamiliar, changed(news(), bundles={MODEL: OFFER[MODEL] | {"url": "file:///etc"}})),
    ("an open web address", refusals.Unfamiliar, changed(news(), bundles={MODEL: OFFER[MODEL] | {"url": "http://a/"}})),
    ("a name in the address", refusals.Unfamiliar,
     changed(news(), bundles={MODEL: OFFER[MODEL] | {"url": "https://me:x@a.example/"}})),
    ("a size of nothing", refusals.Unfamiliar, changed(news(), bundles={MODEL: OFFER[MODEL] | {"size": 0}})),
    ("no news since long", refusals.Expired, news(issued=NOW - 14 * DAY)),
    ("tomorrow's", refusals.FromTheFuture, news(issued=NOW + 2 * 3600)),
    ("a line end behind it", refusals.NotExact, news() + b"\n"),
    ("more behind it", refusals.Garbled, news() + news()),
    ("a name twice", refusals.NotExact, news().replace(b'"version":', b'"version":"9.9.9","version":')),
    ("spaces", refusals.NotExact, news().replace(b":", b": ")),
    ("another order", refusals.NotExact, json.dumps(dict(reversed(json.loads(news()).items()))).encode()),
    ("a fraction", refusals.Garbled, news().replace(b'"size":150000000', b'"size":150000000.0')),
    ("infinity", refusals.Garbled, news().replace(b'"size":150000000', b'"size":Infinity')),
    ("a number without end", refusals.Garbled, b"9" * 20_000),
    ("deep", refusals.Garbled, b"[" * 30_000),
    ("no end", refusals.TooLarge, b" " * (LARGEST + 1)),
    ("not text", refusals.Garbled, b"\xff" * 100),
    ("another thing", refusals.Garbled, b'{"signatures":[],"signed":{}}'),
    ("no names", refusals.Garbled, b'{"signatures":{"a":"b"},"signed":{}}'),
]  # fmt: skip


@pytest.mark.parametrize(("why", "document"), [c[1:] for c in NOT_BELIEVED], ids=[c[0] for c in NOT_BELIEVED])
def test_news_that_is_not_believed(box: Box, why: type[refusals.Refusal], document: bytes) -> None:
    known = box.state
    with pytest.raises(why) as refused:
        box.hear(document)
    assert type(refused.value) is why and str(refused.value).endswith(".") and box.state is known


def test_each_cut_and_each_flipped_bit_is_refused(box: Box) -> None:
    good = news()
    for at in range(len(good)):
        for bad in (good[:at], good[:at] + bytes([good[at] ^ (1 << at % 8)]) + good[at + 1 :]):
            with pytest.raises(refusals.Refusal):
                box.hear(bad)


def test_a_key_never_takes_back_what_it_said(box: Box) -> None:
    box.hear(news(version="1.3.0"))
    with pytest.raises(refusals.OlderNews):
        box.hear(news(version="1.3.0", issued=NOW - 2 * DAY))
    with pytest.raises(refusals.OlderNews):  # another of the same second
        box.hear(news(version="1.4.0"))
    with pytest.raises(refusals.OlderVersion):
        box.hear(news(issued=NOW))
    assert box.hear(news(version="1.3.0", issued=NOW)).version == "1.3.0"


def test_what_a_thief_announced_ends_with_the_stolen_key(box: Box) -> None:
    box.hear(news(version="999.0.0"))
    with pytest.raises(refusals.OlderVersion):
        box.hear(news(issued=NOW))
    box.state = box.state.following(signing.signed(keys(2, stable=STRANGER), ROOT))
    with pytest.raises(refusals.WrongKey):
        box.hear(news(version="999.0.0", issued=NOW))
    box.admit(news(STRANGER, issued=NOW))
    box.state = box.state.following(signing.signed(keys(3), ROOT))  # the key comes back, and what it said with it
    with pytest.raises(refusals.OlderVersion):
        box.hear(news(issued=NOW))


@pytest.mark.parametrize(
    "clock", [Clock(0, False), Clock(NOW, False), Clock(NOW * 2, False), Clock(NOW - 91 * DAY, True)]
)
def test_without_the_time_news_is_shown_and_nothing_comes_of_it(box: Box, clock: Clock) -> None:
    known = box.state
    said = box.hear(news(), clock)
    assert said.fresh is False and box.state is known
    assert isinstance(trust.obstacle(box.state, box.station, said), refusals.TimeUnknown)
    with pytest.raises(refusals.TimeUnknown):
        box.admit(news(), clock=clock)
    assert box.hear(news(issued=NOW + 400 * DAY), clock).fresh is False  # today may be that day
    trust.admit_from_hand(box.state, box.station, NEW)
    with pytest.raises(refusals.Expired):  # older than the running system: certainly over
        box.hear(news(issued=NOW - 120 * DAY), clock)


def test_the_newest_news_says_how_late_it_is_at_least(box: Box) -> None:
    box.hear(news(issued=NOW - 60))
    assert box.hear(news(issued=NOW - 60), Clock(NOW - 2 * DAY, True)).fresh is False
    with pytest.raises(refusals.Expired):
        box.hear(news(issued=NOW - 60), Clock(NOW + 15 * DAY, True))


def test_a_thief_who_also_sets_the_clock_blocks_the_way_until_the_keys_are_changed(box: Box) -> None:
    later = Clock(NOW + 200 * DAY, synchronised=True)
    box.hear(news(issued=later.now), later)
    with pytest.raises(refusals.OlderNews):
        box.hear(news())
    box.state = box.state.following(signing.signed(keys(2, stable=STRANGER), ROOT))
    box.admit(news(STRANGER))  # at the right time, which is no longer before the floor


def test_a_list_that_ran_out_lets_nobody_speak_but_can_still_be_followed(box: Box) -> None:
    late = Clock(NOW + 400 * DAY, True)
    with pytest.raises(refusals.KeysExpired):
        box.hear(news(issued=late.now), late)
    box.state = box.state.following(signing.signed(keys(2), ROOT))
    box.state = box.state.following(signing.signed(keys(3, issued=late.now), ROOT))
    assert box.hear(news(issued=late.now), late).fresh


def test_keys_are_changed_by_those_before_and_those_after(box: Box) -> None:
    following = keys(2, root=NEW_ROOT)
    for signers in ([ROOT], [NEW_ROOT], [STABLE, RELEASE, STRANGER], []):
        with pytest.raises(refusals.WrongKey):
            box.state.following(signing.signed(following, *signers))
    with pytest.raises(refusals.KeysMissing):
        box.state.following(signing.signed(keys(3), ROOT))
    box.state = box.state.following(signing.signed(following, ROOT, NEW_ROOT))
    assert box.state.following(box.state.keys.document) == box.state
    for old in (keys(), keys(2)):
        with pytest.raises(refusals.OlderKeys):
            box.state.following(signing.signed(old, ROOT))
    with pytest.raises(refusals.WrongKey):  # the former root has no say any more
        box.state.following(signing.signed(keys(3), ROOT))


@pytest.mark.parametrize(("name", "wrong"), [
    ("root", {"needed": 2}),
    ("channels", {"channels": {"stable": [signing.public(ROOT)]}}),
    ("channels", {"channels": {"Stable!": []}}),
    ("release", {"release": [spki_hash(signing.public(STABLE))]}),
    ("release", {"channels": {}, "release": [spki_hash(signing.public(ROOT))]}),
])  # fmt: skip
def test_no_key_has_two_offices_and_a_list_can_be_followed(name: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(refusals.Unfamiliar) as refused:
        of_image(signing.signed(keys(**wrong), ROOT))
    assert refused.value.fields["name"] == name


def test_two_of_three_means_two_different_ones() -> None:
    three = [ROOT, NEW_ROOT, STRANGER]
    document = signing.list_of_keys(1, map(signing.public, three), 2, {}, [], NOW)
    with pytest.raises(refusals.WrongKey):
        of_image(signing.signed(document, ROOT, ROOT, STABLE))
    assert of_image(signing.signed(document, ROOT, STRANGER)).needed == 2


OBSTACLES: list[tuple[type[refusals.Refusal], bytes, trust.Bundle]] = [
    (refusals.WrongModel, news(bundles={"everpx-amd64": OFFER[MODEL]}), NEW),
    (refusals.NotNewer, news(version="1.1.0"), replace(NEW, version="1.1.0")),
    (refusals.NotNewer, news(version="1.0.9"), replace(NEW, version="1.0.9")),
    (refusals.NeedsFirst, news(after="1.1.1"), NEW),
    (refusals.OtherBundle, news(), replace(NEW, manifest="cd" * 32)),
    (refusals.OtherBundle, news(), replace(NEW, size=NEW.size + 1)),
    (refusals.OtherBundle, news(), replace(NEW, version="1.2.1")),
    (refusals.WrongModel, news(), replace(NEW, model="everpx-amd64")),
    (refusals.NotReleased, news(), replace(NEW, signer=spki_hash(signing.public(STABLE)))),
]


@pytest.mark.parametrize(("why", "document", "bundle"), OBSTACLES)
def test_what_is_not_installed(box: Box, why: type[refusals.Refusal], document: bytes, bundle: trust.Bundle) -> None:
    with pytest.raises(why) as refused:
        box.admit(document, bundle)
    assert type(refused.value) is why


@pytest.mark.parametrize(("why", "other"), [
    (refusals.NotReleased, {"signer": "00" * 32}),
    (refusals.WrongModel, {"model": "everpx-amd64"}),
    (refusals.NotNewer, {"version": "1.1.0"}),
    (refusals.Unfamiliar, {"version": "newest"}),
])  # fmt: skip
def test_what_is_not_taken_from_a_hand_either(box: Box, why: type[refusals.Refusal], other: dict[str, Any]) -> None:
    with pytest.raises(why):
        trust.admit_from_hand(box.state, box.station, replace(NEW, **other))


def test_what_fell_back_may_be_tried_again_and_what_proved_itself_never_goes_back(box: Box) -> None:
    box.admit(news())  # installed, started, fell back: nothing proved itself
    box.admit(news())
    box.state = box.state.proved("1.2.0").proved("1.1.0")
    assert box.state.installed == "1.2.0"
    with pytest.raises(refusals.NotNewer):  # although an older slot runs
        trust.admit_from_hand(box.state, box.station, NEW)


def test_the_freeze_alarm(box: Box) -> None:
    box.hear(news())
    late = Clock(NOW + 27 * DAY + 1, synchronised=True)
    alarm = trust.silence(box.state, box.station, late, network_works=True)
    assert alarm is not None and "2027" in str(alarm)
    assert trust.silence(box.state, box.station, replace(late, now=late.now - 1), network_works=True) is None
    assert trust.silence(box.state, box.station, late, network_works=False) is None
    assert trust.silence(box.state, box.station, replace(late, synchronised=False), network_works=True) is None


def test_a_new_system_brings_newer_keys_and_an_old_one_takes_none_back(box: Box) -> None:
    newer = signing.signed(keys(5, root=NEW_ROOT), NEW_ROOT)
    moved = begun(replace(box.station, version="1.2.0"), newer, box.state.as_bytes())
    assert (moved.keys.version, moved.installed) == (5, "1.2.0")
    back = begun(box.station, signing.signed(keys(), ROOT), moved.as_bytes())
    assert back == moved


@pytest.mark.parametrize(
    "wrong", [b"", b"{}", b"null", b"\xff", b"[" * 9999, b'{"heard":{},"installed":"1.1.0","keys":""}']
)
def test_a_damaged_memory_is_not_an_empty_one(box: Box, wrong: bytes) -> None:
    with pytest.raises(refusals.MemoryDamaged):
        begun(box.station, signing.signed(keys(), ROOT), wrong)


def test_a_memory_that_was_cut_is_damaged(box: Box) -> None:
    box.hear(news())
    stored = box.state.as_bytes()
    for at in range(len(stored)):
        with pytest.raises(refusals.MemoryDamaged):
            begun(box.station, signing.signed(keys(), ROOT), stored[:at])


def test_every_refusal_has_its_own_code_and_sentence() -> None:
    every = refusals.Refusal.__subclasses__()
    assert len({one.code for one in every}) == len({one.template for one in every}) == len(every) > 15


def test_root_can_import_it_without_a_database_or_a_library_for_keys() -> None:
    seen = "import sys, appliance.upgrade.trust as t; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, timeout=60, check=True)
    assert not {"sqlalchemy", "flask", "cryptography", "socket", "subprocess"} & set(done.stdout.split())


# The publisher's tool


@pytest.fixture
def release(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a step in an office of its own."""

    def step(*words: str) -> str:
        main([str(tmp_path / word) if word.endswith((".pem", ".json", ".crt")) and "=" not in word else word
              for word in (word.replace("@", f"{tmp_path}/") for word in words)])  # fmt: skip
        return capsys.readouterr().out.strip()

    return step


def test_from_the_first_key_to_a_change_of_keys(tmp_path: Path, release: Callable[..., str], box: Box) -> None:
    one, two, three, stable = (release("key", name) for name in ("1.pem", "2.pem", "3.pem", "stable.pem"))
    assert stat.S_IMODE((tmp_path / "1.pem").stat().st_mode) == 0o600
    certificate = stamped.made(datetime.datetime.now(datetime.UTC)).files["identity/authority.crt"][0]
    (tmp_path / "release.crt").write_bytes(certificate)
    release("keys", "keys-1.json", "--root", one, two, "--needed", "2", "--channel", f"stable={stable}",
            "--release", "release.crt")  # fmt: skip
    release("sign", "keys-1.json", "1.pem")
    with pytest.raises(SystemExit, match="not signed by"):
        release("check", "keys-1.json")
    release("sign", "keys-1.json", "2.pem")
    release("announce", "stable.json", "--key", "stable.pem", "--version", "1.2.0", "--min-version", "1.0.0",
            "--bundle", f"{MODEL},{NEW.manifest},{NEW.size},https://example.org/a.raucb")  # fmt: skip
    assert release("check", "keys-1.json", "--channel", "stable=@stable.json").endswith(f"version 1.2.0 for {MODEL}.")

    again = release("key", "stable-2.pem")
    release("keys", "keys-2.json", "--after", "keys-1.json", "--root", two, three, "--channel", f"stable={again}")
    release("sign", "keys-2.json", "2.pem", "3.pem")
    with pytest.raises(SystemExit, match="not signed by"):  # of those before, one is missing
        release("check", "keys-1.json", "keys-2.json")
    release("sign", "keys-2.json", "1.pem")
    assert "number 2" in release("check", "keys-1.json", "keys-2.json")
    with pytest.raises(SystemExit, match="not signed by"):  # the former channel key
        release("check", "keys-1.json", "keys-2.json", "--channel", "stable=@stable.json")
    changed = of_image((tmp_path / "keys-2.json").read_bytes())
    assert changed.needed == 2 and changed.release == {signing.certificate_hash(certificate)}


def test_a_key_is_never_written_over(tmp_path: Path, release: Callable[..., str]) -> None:
    release("key", "1.pem")
    kept = (tmp_path / "1.pem").read_bytes()
    with pytest.raises(SystemExit):
        release("key", "1.pem")
    assert (tmp_path / "1.pem").read_bytes() == kept


def test_what_no_station_would_take_is_not_written(tmp_path: Path, release: Callable[..., str]) -> None:
    release("key", "stable.pem")
    with pytest.raises(SystemExit, match="A station would refuse this"):
        release(
            "announce", "stable.json", "--key", "stable.pem", "--version", "1.2", "--bundle", f"{MODEL},x,1,http://a/"
        )
    assert not (tmp_path / "stable.json").exists()
