"""What makes a station itself: id, claim code, key pair and the certificate authority of its home.

Made for one station, written onto its data partition and, as far as it is public, into the record of what was made.
Nothing of it is ever in a slot.
"""

import datetime
import json
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from appliance import identity
from appliance.web import authority as authorities

PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
OPEN = serialization.NoEncryption()


@dataclass(frozen=True)
class Station:
    """One station; ``files`` are those of its data partition, by name, with mode and owner."""

    station_id: str
    claim_code: str
    public_key: str
    claim_hash: str
    files: dict[str, tuple[bytes, int]]


def made(now: datetime.datetime) -> Station:
    """A new station that shares no secret with any other."""
    station_id, code = identity.new_id(), identity.new_code()
    key, (authority_key, authority) = ed25519.Ed25519PrivateKey.generate(), authorities.made(station_id, now)
    stored = identity.labelled(station_id, code)
    files = {
        "everpx/station.json": (json.dumps(stored).encode(), 0o600),
        "identity/station.key": (key.private_bytes(PEM, PKCS8, OPEN), 0o600),
        "identity/authority.key": (authority_key, 0o600),
        "identity/authority.crt": (authority, 0o644),
    }
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw).hex()
    return Station(station_id, code, public, stored["claim_hash"], files)
