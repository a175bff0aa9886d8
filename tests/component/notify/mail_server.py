"""A real mail server (aiosmtpd) that keeps what arrives, refuses what it is told to, and proves who it is."""

import socket
import ssl
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from appliance.db import now


class Post:
    """Keeps what arrives; may answer something else first."""

    def __init__(self, *answers: str) -> None:
        self.answers: list[str] = list(answers)
        self.mails: list[Any] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        """Take the recipient, unless there is another answer to give first."""
        if self.answers:
            return self.answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Keep it."""
        self.mails.append(envelope)
        return "250 kept"


def accepts(user: str, password: str) -> Callable[..., AuthResult]:
    """An authenticator that knows one name and one password."""

    def check(server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        good = (data.login, data.password) == (user.encode(), password.encode())
        return AuthResult(success=good, handled=False)

    return check


class EncryptedFromTheStart(Controller):
    """Implicit TLS; aiosmtpd's own look whether it runs would not trust our certificate."""

    def _trigger_server(self) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection((self.hostname, self.port), 5) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as encrypted,
        ):
            encrypted.recv(1024)


def free_port() -> int:
    """One that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(handler: Any, port: int = 0, kind: type[Controller] = Controller, **options: Any) -> Controller:
    """Start one on this machine."""
    made = kind(handler, hostname="127.0.0.1", port=port or free_port(), **options)
    made.start()
    return made


def certificate(folder: Path, name: str = "127.0.0.1", *, days: int = 30) -> tuple[ssl.SSLContext, str]:
    """A server's context with a certificate that vouches for itself, and that certificate as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    try:
        names: x509.GeneralName = x509.IPAddress(ip_address(name))
    except ValueError:
        names = x509.DNSName(name)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - timedelta(days=60))
        .not_valid_after(now() + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / f"{name}-{days}.pem"
    file.write_bytes(private + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, pem.decode()
