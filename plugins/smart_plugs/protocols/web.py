"""A careful HTTP client for small devices: one checked address, no redirects, 64 kB, JSON or nothing."""

import base64
import hashlib
import http.client
import json
import re
import secrets
import ssl
from typing import Any
from urllib.parse import urlsplit

from plugins.smart_plugs.protocols import reach
from plugins.smart_plugs.protocols.answers import PlugError

LARGEST = 64 * 1024
PAIR = re.compile(r'(\w+)=(?:"([^"]*)"|([\w-]+))')


class Web:
    """One device's web server, with its user and password, if it has any."""

    def __init__(self, host: str, port: int = 80, user: str = "", password: str = "", wait: float = 5) -> None:
        self.host, self.port, self.user, self.password, self.wait = host, port, user, password, wait
        self.address = reach.address_of(host, port)

    def json(self, path: str) -> dict[str, Any]:
        """What it says at a path.  Raises PlugError."""
        status, headers, body = fetch(self.address, self.port, self.host, "GET", path, wait=self.wait)
        if status == 401:
            login = self._login(path, headers.get("www-authenticate", ""))
            status, headers, body = fetch(
                self.address, self.port, self.host, "GET", path, {"Authorization": login}, wait=self.wait
            )
        return parsed(status, body)

    def _login(self, path: str, asked: str) -> str:
        """RFC 7616 with SHA-256 or MD5, or Basic; raises PlugError when there is no password to give."""
        scheme, _, rest = asked.partition(" ")
        if not self.password:
            raise PlugError("wrong_password", "it asks for one")
        if scheme.lower() == "basic":
            return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        given = {name: one or other for name, one, other in PAIR.findall(rest)}
        algorithm = given.get("algorithm", "MD5").upper()
        if scheme.lower() != "digest" or algorithm not in ("SHA-256", "MD5") or "nonce" not in given:
            raise PlugError("garbage", f"cannot sign in by {scheme} {algorithm}")

        def digest(text: str) -> str:
            return hashlib.new("sha256" if algorithm == "SHA-256" else "md5", text.encode()).hexdigest()

        realm, nonce, mine, count = given.get("realm", ""), given["nonce"], secrets.token_hex(8), "00000001"
        first = digest(f"{self.user}:{realm}:{self.password}")
        answer = digest(f"{first}:{nonce}:{count}:{mine}:auth:{digest(f'GET:{path}')}")
        return (
            f'Digest username="{self.user}", realm="{realm}", nonce="{nonce}", uri="{path}", qop=auth, nc={count}, '
            f'cnonce="{mine}", response="{answer}", algorithm={algorithm}'
        )


def parsed(status: int, body: bytes) -> dict[str, Any]:
    """A device's answer as a dictionary.  Raises PlugError."""
    if status in (401, 403):
        raise PlugError("wrong_password", f"HTTP {status}")
    if status != 200:
        raise PlugError("garbage", f"HTTP {status}")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise PlugError("garbage", repr(body[:80])) from None
    if not isinstance(said, dict):
        raise PlugError("garbage", repr(body[:80]))
    return said


def fetch(
    address: str,
    port: int,
    host: str,
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    *,
    wait: float = 5,
    tls: bool = False,
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers, body.  A redirect is an answer like any other: nobody follows it.  Raises PlugError."""
    if tls:
        connection: http.client.HTTPConnection = _Pinned(host, port, address, wait)
    else:
        connection = http.client.HTTPConnection(address, port, timeout=wait)
    try:
        shown = host if port in (80, 443) else f"{host}:{port}"
        connection.request(method, path, headers={"Host": shown, "Connection": "close"} | (headers or {}))
        answer = connection.getresponse()
        body = answer.read(LARGEST + 1)
    except (http.client.HTTPException, ValueError) as error:
        raise PlugError("garbage", f"{type(error).__name__}: {error}") from None
    except OSError as error:
        raise PlugError("no_answer", f"{type(error).__name__}: {error}") from None
    finally:
        connection.close()
    if len(body) > LARGEST:
        raise PlugError("garbage", "more than 64 kB")
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body


class _Pinned(http.client.HTTPSConnection):
    """TLS to the address that was checked, with the certificate of the name."""

    def __init__(self, host: str, port: int, address: str, wait: float) -> None:
        super().__init__(host, port, timeout=wait, context=ssl.create_default_context())
        self.address = address

    def connect(self) -> None:
        """As the base class, but to where we say."""
        import socket

        plain = socket.create_connection((self.address, self.port), self.timeout)
        self.sock = self._context.wrap_socket(plain, server_hostname=self.host)  # type: ignore[attr-defined]


def split(address: str) -> tuple[str, int, str, bool]:
    """Host, port, path and whether TLS, of an http address.  Raises PlugError."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise PlugError("not_allowed", "not an address") from None
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        raise PlugError("not_allowed", "not an address")
    tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return host, port or (443 if tls else 80), path, tls
