"""Documents as the publisher makes them, in the form that ``appliance.upgrade`` reads."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.upgrade import documents, keys, trust

DAY = 24 * 3600
GOOD_FOR = 14  # days of a channel file
KEYS_GOOD_FOR = 400  # days of a list of keys: a year, and time to be late


def new_key() -> bytes:
    """A private key, as PEM without a password: it lies on a medium that is locked away, or on the signing server."""
    form = serialization.PrivateFormat.PKCS8
    return Ed25519PrivateKey.generate().private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def opened(pem: bytes) -> Ed25519PrivateKey:
    """A private key.  Raises ValueError for anything but an Ed25519 one."""
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("This is not an Ed25519 key.")
    return key


def public(key: Ed25519PrivateKey) -> str:
    """What documents call a key."""
    raw = serialization.PublicFormat.Raw
    return key.public_key().public_bytes(serialization.Encoding.Raw, raw).hex()


def certificate_hash(pem: bytes) -> str:
    """What documents call a certificate that signs bundles: the SHA-256 of its public key, as RAUC has it."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    spki = x509.load_pem_x509_certificate(pem).public_key().public_bytes(serialization.Encoding.DER, form)
    return hashlib.sha256(spki).hexdigest()


def drafted(body: Mapping[str, Any]) -> bytes:
    """A document that nobody has signed yet."""
    return documents.exact({"signatures": {}, "signed": body})


def signed(document: bytes, *signers: Ed25519PrivateKey) -> bytes:
    """The document with these signatures besides those that it has."""
    whole = json.loads(document)
    signature = documents.to_sign(whole["signed"])
    added = {public(key): key.sign(signature).hex() for key in signers}
    return documents.exact({"signatures": whole["signatures"] | added, "signed": whole["signed"]})


def list_of_keys(
    version: int,
    root: Iterable[str],
    needed: int,
    channels: Mapping[str, Iterable[str]],
    release: Iterable[str],
    issued: int,
    days: int = KEYS_GOOD_FOR,
) -> bytes:
    """A list of whom to trust, to be signed by ``needed`` of its root keys and as many as the one before asks for."""
    return drafted({
        "kind": keys.KIND,
        "format": documents.FORMAT,
        "version": version,
        "issued": issued,
        "expires": issued + days * DAY,
        "root": {"keys": sorted(set(root)), "needed": needed},
        "channels": {name: sorted(set(having)) for name, having in channels.items()},
        "release": sorted(set(release)),
    })  # fmt: skip


def channel_file(
    channel: str,
    version: str,
    bundles: Mapping[str, Mapping[str, str | int]],
    issued: int,
    after: str = "0.0.0",
    days: int = GOOD_FOR,
) -> bytes:
    """News of a version for the stations on a channel; ``bundles`` by model, each ``{manifest, size, url}``."""
    return drafted({
        "kind": trust.KIND,
        "format": documents.FORMAT,
        "channel": channel,
        "version": version,
        "after": after,
        "issued": issued,
        "expires": issued + days * DAY,
        "bundles": {model: dict(bundle) for model, bundle in bundles.items()},
    })  # fmt: skip
