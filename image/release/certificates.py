"""Certificates of bundles: one authority that every image knows, and the signers below it.  X.509, as RAUC wants it."""

import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_YEARS, SIGNER_YEARS = 40, 10
_PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


def authority(name: str) -> Pair:
    """One that signs signers."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _named(name)
    made = _begun(subject, subject, key, AUTHORITY_YEARS)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    made = made.add_extension(_uses(sign_certificates=True), critical=True)
    return Pair(made.sign(key, hashes.SHA256()).public_bytes(_PEM), _private(key))


def signer(above: Pair, name: str) -> Pair:
    """One that signs bundles, and nothing else.  Raises ValueError when what is above is no EC authority."""
    issuer = x509.load_pem_x509_certificate(above.certificate)
    secret = serialization.load_pem_private_key(above.key, password=None)
    if not isinstance(secret, ec.EllipticCurvePrivateKey):
        raise ValueError("This is not the key of a release authority.")
    key = ec.generate_private_key(ec.SECP256R1())
    made = _begun(_named(name), issuer.subject, key, SIGNER_YEARS)
    made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    made = made.add_extension(_uses(sign_certificates=False), critical=True)
    made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=True)
    own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False)
    return Pair(made.sign(secret, hashes.SHA256()).public_bytes(_PEM), _private(key))


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Everpx"),
                      x509.NameAttribute(NameOID.COMMON_NAME, name)])  # fmt: skip


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, years: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - datetime.timedelta(days=1))
    made = made.not_valid_after(now + datetime.timedelta(days=365 * years))
    return made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _uses(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=sign_certificates, crl_sign=sign_certificates,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
