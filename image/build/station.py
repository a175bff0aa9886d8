"""What makes a station itself: id, claim code, key pair and the certificate authority of its home.

Made for one station, written onto its data partition and, as far as it is public, into the record of what was made.
Nothing of it is ever in a slot.
"""

import datetime
import json
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from appliance import identity

AUTHORITY_YEARS = 30  # a box has no clock it can trust when it is made, and nobody renews an authority at home
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
    key, authority = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
    stored = identity.labelled(station_id, code)
    files = {
        "everpx/station.json": (json.dumps(stored).encode(), 0o600),
        "identity/station.key": (key.private_bytes(PEM, PKCS8, OPEN), 0o600),
        "identity/authority.key": (authority.private_bytes(PEM, PKCS8, OPEN), 0o600),
        "identity/authority.crt": (_authority(station_id, authority, now).public_bytes(PEM), 0o644),
    }
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw).hex()
    return Station(station_id, code, public, stored["claim_hash"], files)


def _authority(station_id: str, key: ec.EllipticCurvePrivateKey, now: datetime.datetime) -> x509.Certificate:
    """A certificate that signs others of this home, and no authorities."""
    name = x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Everpx"),
        x509.NameAttribute(NameOID.COMMON_NAME, f"Everpx at home {station_id}"),
    ])  # fmt: skip
    uses = x509.KeyUsage(False, False, False, False, False, key_cert_sign=True, crl_sign=True, encipher_only=False,
                         decipher_only=False)  # fmt: skip
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=365 * AUTHORITY_YEARS))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(uses, critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return builder.sign(key, hashes.SHA256())
