"""Upgrades under attack: a thief between publisher and station has a stolen channel key, every old document, and time.

Whatever is delivered, in whatever order and at whatever time the station's clock shows: no version is ever installed
that is not newer than all before it, none that nobody released, none by a key that lost its say, and each refusal has a
sentence.  In the end the publisher changes the keys, and the station gets the newest version.
"""

import hashlib
import json
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from appliance.upgrade import trust
from appliance.upgrade.documents import LARGEST, exact
from appliance.upgrade.keys import spki_hash
from appliance.upgrade.refusals import Refusal
from appliance.upgrade.state import Clock, Station, begun, number
from appliance.upgrade.trust import Bundle
from image.release import signing

DAY, START, MODEL, CHANNEL = 24 * 3600, 1_800_000_000, "everpx-arm64", "stable"
APART = 3600  # seconds that a clock may be behind or ahead
KEYS = [Ed25519PrivateKey.from_private_bytes(hashlib.sha256(bytes([i])).digest()) for i in range(40)]
THIEF, MADE_BY_THIEF = KEYS[39], [KEYS[0], KEYS[1]]  # one in use, and two for lists of his own
some = st.integers(0, 2**16)
often = st.sampled_from([True, True, True, False])


def offered(bundle: Bundle) -> dict[str, dict[str, Any]]:
    address = f"https://example.org/{bundle.manifest}.raucb"
    return {bundle.model: {"manifest": bundle.manifest, "size": bundle.size, "url": address}}


class Attack(RuleBasedStateMachine):
    """One station, an honest publisher, and somebody who holds the line between them."""

    @initialize(stolen=st.booleans())
    def begin(self, stolen: bool) -> None:
        self.unused = list(KEYS[2:39])
        self.time = START
        self.root = [self.unused.pop(), self.unused.pop(), self.unused.pop()]
        self.channel, self.release = self.unused.pop(), self.unused.pop()
        self.lists: list[bytes] = []
        self.news: list[bytes] = []
        self.bundles: list[Bundle] = []
        self.stolen = [THIEF, self.channel] if stolen else [THIEF]
        self.issued: list[int] = []
        self._list(self.root)
        self.station = Station(MODEL, "1.0.0", START)
        self.state = begun(self.station, self.lists[0], None)
        self.wrong_by, self.synchronised = 0, True
        self.installed = ["1.0.0"]
        self.before = self.state
        self.publish(2)

    @property
    def clock(self) -> Clock:
        """What the station's clock shows."""
        return Clock(max(0, self.time + self.wrong_by), self.synchronised)

    # The publisher

    def _list(self, signers: list[Ed25519PrivateKey]) -> None:
        made = signing.list_of_keys(
            len(self.lists) + 1,
            [signing.public(key) for key in self.root],
            2,
            {CHANNEL: [signing.public(self.channel)]},
            [spki_hash(signing.public(self.release))],
            self.time,
        )
        self.lists.append(signing.signed(made, *signers))
        self.issued.append(self.time)

    @rule(step=st.integers(1, 3))
    def publish(self, step: int) -> None:
        minor = max((number(bundle.version)[1] for bundle in self.bundles), default=0) + step
        bundle = self._bundle(f"1.{minor}.0", self.release)
        self.bundles.append(bundle)
        self._announce(self.channel, bundle, self.time)

    @rule()
    def say_again(self) -> None:
        released = [bundle for bundle in self.bundles if self._is_honest(bundle)]
        self._announce(self.channel, max(released, key=lambda bundle: number(bundle.version)), self.time)

    @precondition(lambda self: len(self.unused) > 8)
    @rule(root=st.booleans(), release=st.booleans())
    def change_keys(self, root: bool, release: bool) -> None:
        former = self.root
        if root:
            self.root = [former[0], self.unused.pop(), self.unused.pop()]
        if release:
            self.release = self.unused.pop()
        self.channel = self.unused.pop()
        self._list([*former, *self.root])

    @rule(days=st.sampled_from([0, 0, 1, 5, 13, 15, 40, 200]))
    def time_passes(self, days: int) -> None:
        self.time += days * DAY + 1

    # The thief

    @rule()
    def steal_channel_key(self) -> None:
        self.stolen.append(self.channel)

    @rule(
        which=some,
        version=st.sampled_from(["0.9.0", "1.0.0", "1.3.0", "1.99.0", "999.0.0"]),
        own=st.booleans(),
        since=st.sampled_from([-41, -15, -13, -1, 0, 0, 1, 30, 9999]),
        days=st.sampled_from([1, 14, 30, 31]),
    )
    def forge(self, which: int, version: str, own: bool, since: int, days: int) -> None:
        """With a stolen key, if there is one: an old bundle, one of his own making, any version, any moment."""
        key = self.stolen[-1]
        bundle = self._bundle(version, key) if own else self.bundles[which % len(self.bundles)]
        if own:
            self.bundles.append(bundle)
        said = replace(bundle, version=version) if which % 3 else bundle
        self._announce(key, said, (self.clock.now if which % 5 else self.time) + since * DAY, days)
        self._install(self.news[-1], bundle, keep=True)

    @rule(two=st.booleans())
    def forge_keys(self, two: bool) -> None:
        """With one root key of two, and every key that was stolen."""
        channel, release = MADE_BY_THIEF
        root = [self.root[0], THIEF] if two else [THIEF]
        made = signing.list_of_keys(
            self.state.keys.version + 1,
            [signing.public(key) for key in root],
            len(root),
            {CHANNEL: [signing.public(channel)]},
            [spki_hash(signing.public(release))],
            self.time,
        )
        self._refused_keys(signing.signed(made, *root, *self.stolen))

    @rule(which=some)
    def take_signatures_away(self, which: int) -> None:
        """A list of the publisher's with one signature fewer than it needs."""
        whole = json.loads(self.lists[which % len(self.lists)])
        needed = whole["signed"]["root"]["keys"]
        left = {name: one for name, one in whole["signatures"].items() if name not in needed[1:]}
        self._refused_keys(exact({"signatures": left, "signed": whole["signed"]}))

    @rule(which=some, own=st.booleans())
    def sign_in_anothers_name(self, which: int, own: bool) -> None:
        """Another text under a good signature, or the thief's signature under a good name."""
        news = {"version": "1.77.0", "issued": self.time, "expires": self.time + DAY}
        self._hear_nothing(self._altered(self.news[which % len(self.news)], own, news))
        keys = {"version": self.state.keys.version + 1, "release": [spki_hash(signing.public(THIEF))]}
        self._refused_keys(self._altered(self.lists[-1], own, keys))

    @rule(which=some, how=st.integers(0, 7), where=some, keys=st.booleans())
    def deliver_damaged(self, which: int, how: int, where: int, keys: bool) -> None:
        good = self.lists[-1] if keys else self.news[which % len(self.news)]
        at = where % len(good)
        bad = [
            good[:at],
            good + b"\n",
            good + good,
            good[:at] + bytes([good[at] ^ (1 << where % 8)]) + good[at + 1 :],
            good[:-1] + b',"signed":{}}',
            good.replace(b":", b": ", 1),
            good + b" " * LARGEST,
            b'{"signatures":' * (LARGEST // 14),
        ][how]
        if keys:
            self._refused_keys(bad)
        else:
            self._hear_nothing(bad)

    # What reaches the station

    @rule(which=st.lists(some, min_size=1, max_size=5), newest=st.booleans())
    def deliver(self, which: list[int], newest: bool) -> None:
        for one in which:
            self._hear(self.news[-1 - one % 3 % len(self.news)] if newest else self.news[one % len(self.news)])

    @rule(which=st.lists(some, max_size=3), following=often)
    def deliver_keys(self, which: list[int], following: bool) -> None:
        order = [one % len(self.lists) for one in which]
        for at in [*order, *range(self.state.keys.version, len(self.lists))] if following else order:
            known = self.state.keys.version
            try:
                self.state = self.state.following(self.lists[at])
            except Refusal as refusal:
                self._in_words(refusal)
                assert at != known  # the next one is always taken
            else:
                assert self.state.keys.version == at + 1 and at + 1 in (known, known + 1)

    @rule(news=some, bundle=some, newest=often)
    def install(self, news: int, bundle: int, newest: bool) -> None:
        document = self.news[-1] if newest else self.news[news % len(self.news)]
        chosen = (
            self.bundles[-1 - bundle % 2 % len(self.bundles)] if newest else self.bundles[bundle % len(self.bundles)]
        )
        self._install(document, chosen, keep=bundle % 3 > 0)

    @rule(bundle=some, keep=st.booleans())
    def install_from_hand(self, bundle: int, keep: bool) -> None:
        chosen = self.bundles[bundle % len(self.bundles)]
        try:
            trust.admit_from_hand(self.state, self.station, chosen)
        except Refusal as refusal:
            self._in_words(refusal)
            return
        self._installed(chosen, keep=keep)

    @rule(days=st.sampled_from([0, 0, 0, -9999, -20, -1, 1, 20, 300, 9999]), synchronised=often)
    def set_clock(self, days: int, synchronised: bool) -> None:
        self.wrong_by, self.synchronised = days * DAY, synchronised

    @rule()
    def restart(self) -> None:
        self.state, known = begun(self.station, self.lists[0], self.state.as_bytes()), self.state
        assert self.state == known

    @rule()
    def the_old_slot_starts(self) -> None:
        self.station = replace(self.station, version=self.installed[-2:][0])
        self.state = begun(self.station, self.lists[0], self.state.as_bytes()).proved(self.station.version)

    # What must hold

    @invariant()
    def nothing_is_ever_forgotten(self) -> None:
        if not hasattr(self, "before"):
            return
        before, self.before = self.before, self.state
        assert self.state.keys.version >= before.keys.version
        assert number(self.state.installed) >= number(before.installed)
        assert len(self.state.heard) >= len(before.heard)
        for name, one in before.heard.items():
            now = self.state.heard[name]
            assert now.issued >= one.issued and number(now.version) >= number(one.version)

    def teardown(self) -> None:
        """The honest way out, whatever happened before."""
        if not hasattr(self, "before"):
            return
        self.time += DAY
        self.change_keys(root=True, release=True)
        self.publish(1)
        self.wrong_by, self.synchronised = 0, True
        for document in self.lists[self.state.keys.version :]:
            self.state = self.state.following(document)
        said = self._hear(self.news[-1])
        assert said is not None and trust.obstacle(self.state, self.station, said) is None
        self.state = trust.admit(self.state, self.station, self.clock, CHANNEL, self.news[-1], self.bundles[-1])
        self._installed(self.bundles[-1], keep=True)
        assert self.station.version == self.bundles[-1].version
        assert trust.silence(self.state, self.station, self.clock, network_works=True) is None
        later = Clock(self.time + 29 * DAY, synchronised=True)
        assert trust.silence(self.state, self.station, later, network_works=True) is not None

    # Steps

    def _bundle(self, version: str, signer: Ed25519PrivateKey) -> Bundle:
        name = spki_hash(signing.public(signer))
        manifest = hashlib.sha256(f"{version} {name}".encode()).hexdigest()
        return Bundle(MODEL, version, manifest, 1000 + len(self.bundles), name)

    def _is_honest(self, bundle: Bundle) -> bool:
        return bundle.signer not in {spki_hash(signing.public(key)) for key in self.stolen}

    def _announce(self, key: Ed25519PrivateKey, bundle: Bundle, moment: int, days: int = signing.GOOD_FOR) -> None:
        made = signing.channel_file(CHANNEL, bundle.version, offered(bundle), max(0, moment), days=days)
        self.news.append(signing.signed(made, key))

    def _hear(self, document: bytes) -> trust.Announcement | None:
        try:
            said, self.state = trust.hear(self.state, self.station, self.clock, CHANNEL, document)
        except Refusal as refusal:
            self._in_words(refusal)
            return None
        assert json.loads(document)["signatures"].keys() <= self.state.keys.channels[CHANNEL]
        if said.fresh:
            now, list_issued = self.clock.now, self.issued[self.state.keys.version - 1]
            assert self.synchronised and said.issued - APART <= now < said.expires <= said.issued + 30 * DAY
            assert now >= START - APART and list_issued - APART <= now < list_issued + signing.KEYS_GOOD_FOR * DAY
        return said

    def _altered(self, document: bytes, own: bool, fields: dict[str, Any]) -> bytes:
        whole = json.loads(document)
        body = whole["signed"] | fields
        mine = json.loads(signing.signed(signing.drafted(body), THIEF))["signatures"][signing.public(THIEF)]
        names = {name: mine if own else kept for name, kept in whole["signatures"].items()}
        return exact({"signatures": names, "signed": body})

    def _hear_nothing(self, document: bytes) -> None:
        known = self.state
        assert self._hear(document) is None and self.state is known

    def _install(self, document: bytes, bundle: Bundle, keep: bool) -> None:
        self._hear(document)
        try:
            self.state = trust.admit(self.state, self.station, self.clock, CHANNEL, document, bundle)
        except Refusal as refusal:
            self._in_words(refusal)
            return
        offer = json.loads(document)["signed"]["bundles"][bundle.model]
        assert self.synchronised and (offer["manifest"], offer["size"]) == (bundle.manifest, bundle.size)
        self._installed(bundle, keep)

    def _refused_keys(self, document: bytes) -> None:
        try:
            self.state.following(document)
        except Refusal as refusal:
            self._in_words(refusal)
        else:
            raise AssertionError("keys were taken that the publisher never made")

    def _installed(self, bundle: Bundle, keep: bool) -> None:
        assert bundle.signer in self.state.keys.release and self._is_honest(bundle)
        assert all(number(bundle.version) > number(one) for one in self.installed)
        if keep:
            self.installed.append(bundle.version)
            self.station = replace(self.station, version=bundle.version)
            self.state = self.state.proved(bundle.version)

    def _in_words(self, refusal: Refusal) -> None:
        sentence = str(refusal)
        assert sentence[0].isupper() and sentence.endswith(".") and "{" not in sentence
        assert refusal.as_json()["hint"]


Attack.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAttack = Attack.TestCase
