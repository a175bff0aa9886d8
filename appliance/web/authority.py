"""The authority of one home, and the certificates that it signs: ``python -m appliance.web.authority``, run by root.

A process of its own, because it needs a library that root's daemon does without; it reads one JSON object and writes
one.  The image build makes the authority of a station with the same code.  For whom it may vouch is written into it
(name constraints): home names and private addresses, so that its key opens nothing but this home.
"""

import datetime
import ipaddress
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.durable import write_atomically
from appliance.web.home_names import ENDINGS, NETWORKS, NETWORKS6, is_address, is_name

YEARS = 30  # a box has no clock it can trust when it is made, and nobody renews an authority at home
LONGEST = datetime.timedelta(days=397)  # what browsers take of a server's certificate
A_DAY = datetime.timedelta(days=1)
PEM = serialization.Encoding.PEM
KEY, CERTIFICATE = "authority.key", "authority.crt"


class CannotSign(Exception):
    """Why, in a sentence."""


def made(station_id: str, now: datetime.datetime) -> tuple[bytes, bytes]:
    """A new authority: its key and its certificate, both as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _named(f"Everpx at home {station_id}")
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - A_DAY).not_valid_after(now + datetime.timedelta(days=365 * YEARS))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_uses(key_cert_sign=True, crl_sign=True), critical=True)
    home = [x509.DNSName(ending) for ending in ENDINGS]
    home += [x509.IPAddress(network) for network in (*NETWORKS, *NETWORKS6)]  # type: ignore[misc]
    builder = builder.add_extension(x509.NameConstraints(home, None), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return _private(key), builder.sign(key, hashes.SHA256()).public_bytes(PEM)


def issued(
    authority: tuple[bytes, bytes],
    names: list[str],
    addresses: list[str],
    since: datetime.datetime,
    until: datetime.datetime,
) -> tuple[bytes, bytes]:
    """A new key and its certificate for these names, both as PEM.  Raises CannotSign."""
    if not names or not all(map(is_name, names)) or not all(map(is_address, addresses)):
        raise CannotSign("a name or an address that is not of this home")
    signer, issuer = _opened(*authority)
    if not since < until <= since + LONGEST or until > issuer.not_valid_after_utc:
        raise CannotSign("a certificate cannot last that long")
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(
        issuer.subject, _named(names[0]), key.public_key(), x509.random_serial_number(), since, until
    )
    covered = [*map(x509.DNSName, names), *(x509.IPAddress(ipaddress.ip_address(one)) for one in addresses)]
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    for extension, critical in (
        (x509.SubjectAlternativeName(covered), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_uses(digital_signature=True), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False),
    ):
        builder = builder.add_extension(extension, critical)
    return _private(key), builder.sign(signer, hashes.SHA256()).public_bytes(PEM)


def _opened(key: bytes, certificate: bytes) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    try:
        signer = serialization.load_pem_private_key(key, None)
        issuer = x509.load_pem_x509_certificate(certificate)
    except (ValueError, TypeError) as error:
        raise CannotSign(f"the authority of this home cannot be read ({error})"[:200]) from None
    if not isinstance(signer, ec.EllipticCurvePrivateKey) or signer.public_key() != issuer.public_key():
        raise CannotSign("the key of this home's authority belongs to another one")
    return signer, issuer


def _named(words: str) -> x509.Name:
    told = [(NameOID.ORGANIZATION_NAME, "Everpx"), (NameOID.COMMON_NAME, words[:64])]
    return x509.Name([x509.NameAttribute(*one) for one in told])


def _uses(**given: bool) -> x509.KeyUsage:
    kinds = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip
    return x509.KeyUsage(**({kind: False for kind in kinds} | given))


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def of_home(folder: Path, station_id: str, now: datetime.datetime) -> tuple[bytes, bytes]:
    """The authority that lies there; made at the first time, and never made anew.  Raises CannotSign.

    An authority that every device trusts must not be replaced because a file could not be read.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid not in (0, os.geteuid()):
        raise CannotSign(f"{folder} is somebody else's")
    key, certificate = folder / KEY, folder / CERTIFICATE
    if not certificate.exists():  # or the power went between the two, and nobody has seen this one
        fresh = made(station_id, now)
        write_atomically(key, fresh[0])
        write_atomically(certificate, fresh[1], mode=0o644)
    return key.read_bytes(), certificate.read_bytes()


def main() -> None:
    """What root's verb asks for."""
    asked: dict[str, Any] = json.load(sys.stdin)
    since, until = (datetime.datetime.fromtimestamp(asked[one], datetime.UTC) for one in ("since", "until"))
    try:
        authority = of_home(Path(asked["folder"]), asked["station"], since + A_DAY)
        key, certificate = issued(authority, asked["names"], asked["addresses"], since, until)
    except (CannotSign, OSError) as error:
        sys.exit(str(error))
    pems = {"key": key, "certificate": certificate, "authority": authority[1]}
    json.dump({name: pem.decode("ascii") for name, pem in pems.items()}, sys.stdout)


if __name__ == "__main__":
    main()
