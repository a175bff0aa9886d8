"""Whom a station trusts: a numbered document of keys, each signed by its own root keys and by those of the one before.

Root keys lie offline and sign this document only.  A channel key lies on the publisher's server and says which version
is current; it can make none.  Versions are made (bundles signed) with certificates; ``release`` are the SHA-256 hashes
of their public keys, as RAUC names them.  No key has two of these offices.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from appliance.upgrade.documents import (
    Document,
    is_count,
    is_hash,
    is_key,
    is_moment,
    list_of,
    made_of,
    named,
    opened,
)
from appliance.upgrade.refusals import KeysMissing, OlderKeys, Unfamiliar

KIND = "keys"
FIELDS = {
    "version": is_count,
    "issued": is_moment,
    "expires": is_moment,
    "root": lambda root: made_of(root, {"keys": list_of(is_key), "needed": is_count}),
    "channels": named(list_of(is_key)),
    "release": list_of(is_hash),
}
_SPKI_OF_ED25519 = bytes.fromhex("302a300506032b6570032100")  # RFC 8410: what stands before the 32 bytes


@dataclass(frozen=True)
class Keys:
    """One keys document that was checked, and its bytes."""

    document: bytes
    version: int
    issued: int
    expires: int
    root: frozenset[str]
    needed: int
    channels: Mapping[str, frozenset[str]]
    release: frozenset[str]

    def next(self, document: bytes) -> "Keys":
        """What follows these keys: the very next number, signed by enough of these root keys and of its own.

        When it expires does not matter here, so that a station which was off for years can follow the whole chain.
        """
        if document == self.document:
            return self
        signed, following = _read(document)
        if following.version <= self.version:
            raise OlderKeys(version=following.version, known=self.version)
        if following.version > self.version + 1:
            raise KeysMissing(version=following.version, wanted=self.version + 1)
        signed.check_signed(self.root, self.needed)
        signed.check_signed(following.root, following.needed)
        return following


def of_image(document: bytes) -> Keys:
    """The keys that came with the running system, which was checked as a whole before it was installed."""
    signed, keys = _read(document)
    signed.check_signed(keys.root, keys.needed)
    return keys


def spki_hash(key: str) -> str:
    """What an Ed25519 key would be called as a bundle's signer."""
    return hashlib.sha256(_SPKI_OF_ED25519 + bytes.fromhex(key)).hexdigest()


def _read(document: bytes) -> tuple[Document, Keys]:
    signed = opened(document, KIND, FIELDS)
    body = signed.body
    root = frozenset(body["root"]["keys"])
    channels = {name: frozenset(keys) for name, keys in body["channels"].items()}
    release = frozenset(body["release"])
    announcing = frozenset().union(*channels.values())
    if body["root"]["needed"] > len(root):
        raise Unfamiliar(name="root")
    if announcing & root:
        raise Unfamiliar(name="channels")
    if {spki_hash(key) for key in announcing | root} & release:
        raise Unfamiliar(name="release")
    keys = Keys(
        document, body["version"], body["issued"], body["expires"], root, body["root"]["needed"], channels, release
    )
    return signed, keys
