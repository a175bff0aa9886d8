"""Shelly, Tasmota and a webhook: small web servers, written after their makers' documentation."""

import hashlib
import json
import secrets
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.component.plugs.relay import Relay


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


class WebPlug:
    """``trouble``: "" (none), "garbage", "half", "slow", "deaf", "endless", "redirect"."""

    def __init__(self, relay: Relay, address: str, port: int = 80, password: str = "") -> None:
        self.relay, self.address, self.port, self.password = relay, address, port, password
        self.trouble = ""
        self.mac = f"{secrets.randbits(48):012X}"
        self.name = "Plug"
        self.asked: list[str] = []
        self.start()

    def start(self) -> None:
        """Listen, in the network of the calling thread."""
        plug = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                plug.serve(self)

            do_POST = do_PUT = do_GET

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = _Server((self.address, self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        """Out of its socket."""
        self.server.shutdown()
        self.server.server_close()

    def serve(self, asked: BaseHTTPRequestHandler) -> None:
        """One request, with whatever is wrong with this plug."""
        self.asked.append(f"{asked.command} {asked.path}")
        match self.trouble:
            case "deaf":
                time.sleep(30)
            case "garbage":
                self.send(asked, 200, b"\xff\x00{{{ not json")
            case "half":
                asked.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"output": tr')
                asked.wfile.flush()
                asked.connection.shutdown(socket.SHUT_RDWR)
            case "slow":  # a byte now and then: no timeout of a socket ever strikes
                asked.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
                while True:
                    asked.wfile.write(b" ")
                    asked.wfile.flush()
                    time.sleep(0.5)
            case "endless":
                asked.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                while True:
                    asked.wfile.write(b"[" * 65536)
            case "redirect":
                asked.send_response(302)
                asked.send_header("Location", "http://127.0.0.1/")
                asked.send_header("Content-Length", "0")
                asked.end_headers()
            case _:
                self.answer(asked, urlsplit(asked.path))

    def send(
        self, asked: BaseHTTPRequestHandler, status: int, body: Any, headers: dict[str, str] | None = None
    ) -> None:
        """One answer."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        asked.send_response(status)
        for name, value in (headers or {}).items():
            asked.send_header(name, value)
        asked.send_header("Content-Length", str(len(raw)))
        asked.end_headers()
        asked.wfile.write(raw)

    def answer(self, asked: BaseHTTPRequestHandler, url: Any) -> None:
        """As its kind does."""
        raise NotImplementedError


class ShellyPlug(WebPlug):
    """A Shelly Plus Plug S: one switch with a meter; digest authentication when it has a password."""

    meter = True

    @property
    def id(self) -> str:
        return f"shellyplusplugs-{self.mac.lower()}"

    def device(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "id": self.id,
            "mac": self.mac,
            "model": "SNPL-00112EU",
            "gen": 2,
            "app": "PlusPlugS",
            "ver": "1.4.4",
            "auth_en": bool(self.password),
            "auth_domain": self.id if self.password else None,
        }

    def answer(self, asked: BaseHTTPRequestHandler, url: Any) -> None:
        if url.path in ("/shelly", "/rpc/Shelly.GetDeviceInfo"):
            return self.send(asked, 200, self.device())
        if self.password and not self._knows(asked):
            nonce = f"{int(time.time())}"
            told = f'Digest qop="auth", realm="{self.id}", nonce="{nonce}", algorithm=SHA-256'
            return self.send(asked, 401, b"", {"WWW-Authenticate": told})
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if query.get("id") != "0":
            return self.send(asked, 404, {"code": -105, "message": "Argument 'id', value 1 not found!"})
        if url.path == "/rpc/Switch.Set":
            was = self.relay.says_on
            self.relay.order(query["on"] == "true")
            return self.send(asked, 200, {"was_on": was})
        if url.path != "/rpc/Switch.GetStatus":
            return self.send(asked, 404, {"code": 404, "message": "No handler"})
        status: dict[str, Any] = {
            "id": 0,
            "source": "HTTP_in",
            "output": self.relay.says_on,
            "temperature": {"tC": 31.0},
        }
        if self.meter:
            status |= {
                "apower": self.relay.watts,
                "voltage": 230.1,
                "aenergy": {"total": self.relay.wh, "by_minute": []},
            }
        return self.send(asked, 200, status)

    def _knows(self, asked: BaseHTTPRequestHandler) -> bool:
        given = asked.headers.get("Authorization", "")
        parts = dict(part.strip().split("=", 1) for part in given.removeprefix("Digest ").split(",") if "=" in part)
        facts = {name: value.strip('"') for name, value in parts.items()}

        def sha(text: str) -> str:
            return hashlib.sha256(text.encode()).hexdigest()

        first = sha(f"admin:{self.id}:{self.password}")
        second = sha(f"{asked.command}:{facts.get('uri')}")
        right = sha(f"{first}:{facts.get('nonce')}:{facts.get('nc')}:{facts.get('cnonce')}:auth:{second}")
        return facts.get("response") == right and facts.get("uri") == asked.path


class TasmotaPlug(WebPlug):
    """A plug with Tasmota 14, with a meter."""

    def answer(self, asked: BaseHTTPRequestHandler, url: Any) -> None:
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        if url.path != "/cm":
            return self.send(asked, 404, b"File Not Found")
        if self.password and (query.get("user"), query.get("password")) != ("admin", self.password):
            return self.send(asked, 401, {"WARNING": "Need user=<username>&password=<password>"})
        command, _, word = unquote(query.get("cmnd", "")).partition(" ")
        if command.lower() in ("power", "power1"):
            self.relay.order(word.lower() == "on")
            return self.send(asked, 200, {"POWER": "ON" if self.relay.says_on else "OFF"})
        if (command.lower(), word) != ("status", "0"):
            return self.send(asked, 200, {"Command": "Unknown"})
        energy = {
            "Total": self.relay.wh / 1000,
            "Yesterday": 0.0,
            "Today": 0.1,
            "Power": self.relay.watts,
            "Voltage": 230,
        }
        return self.send(asked, 200, {
            "Status": {"Module": 0, "DeviceName": "Tasmota", "FriendlyName": [self.name]},
            "StatusNET": {"Hostname": "tasmota-1", "Mac": ":".join(self.mac[i : i + 2] for i in range(0, 12, 2))},
            "StatusSNS": {"Time": "2026-11-26T10:00:00", "ENERGY": energy},
            "StatusSTS": {"Time": "2026-11-26T10:00:00", "POWER": "ON" if self.relay.says_on else "OFF"},
        })  # fmt: skip


class HookPlug(WebPlug):
    """Somebody's home automation: ``/on?key=…``, ``/off?key=…``, ``/state``."""

    def answer(self, asked: BaseHTTPRequestHandler, url: Any) -> None:
        if url.path in ("/on", "/off") and parse_qs(url.query).get("key") != [self.password or "k"]:
            return self.send(asked, 403, b"no")
        if url.path in ("/on", "/off"):
            self.relay.order(url.path == "/on")
            return self.send(asked, 200, b"done")
        return self.send(asked, 200, b"ON" if self.relay.says_on else b"OFF")
