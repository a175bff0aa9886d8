"""A TP-Link plug of the new kind: KLAP over HTTP (two handshakes, then AES), called for by UDP on port 20002.

``KlapPlug`` is a Tapo P110 (KLAP 2, its own language); ``KlapKasa`` is an old plug after the update of its firmware
(KLAP 1 around the old language).
"""

import base64
import hashlib
import json
import secrets
import socket
import struct
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.component.plugs.relay import Relay
from tests.component.plugs.web_plugs import WebPlug
from tests.component.plugs.xor_plug import XorPlug

UDP_PORT = 20002
HEADER = 16  # of a datagram


def sha1(data: bytes) -> bytes:
    return hashlib.sha1(data).digest()


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def md5(data: bytes) -> bytes:
    return hashlib.md5(data).digest()


class Session:
    """What both sides derive from the two seeds."""

    def __init__(self, local: bytes, remote: bytes, owner: bytes) -> None:
        both = local + remote + owner
        self.key, self.salt, self.first = sha256(b"lsk" + both)[:16], sha256(b"ldk" + both)[:28], sha256(b"iv" + both)
        self.trusted = False

    def _cipher(self, number: bytes) -> Any:
        return Cipher(algorithms.AES(self.key), modes.CBC(self.first[:12] + number))

    def open(self, number: int, sealed: bytes) -> bytes | None:
        """The request, None when it is not signed as it should be."""
        count = struct.pack(">l", number)
        signature, body = sealed[:32], sealed[32:]
        if signature != sha256(self.salt + count + body):
            return None
        reader, strip = self._cipher(count).decryptor(), padding.PKCS7(128).unpadder()
        plain: bytes = strip.update(reader.update(body) + reader.finalize()) + strip.finalize()
        return plain

    def seal(self, number: int, plain: bytes) -> bytes:
        """The answer."""
        count, pad = struct.pack(">l", number), padding.PKCS7(128).padder()
        writer = self._cipher(count).encryptor()
        body = writer.update(pad.update(plain) + pad.finalize()) + writer.finalize()
        return sha256(self.salt + count + body) + body


class KlapPlug(WebPlug):
    """A Tapo P110."""

    version, device_type, model, encrypt_type, lv = 2, "SMART.TAPOPLUG", "P110(EU)", "KLAP", 2

    def __init__(self, relay: Relay, address: str, user: str, password: str) -> None:
        self.user = user
        self.sessions: dict[str, tuple[bytes, bytes, Session]] = {}
        super().__init__(relay, address, 80, password)

    def start(self) -> None:
        """The web server, and two ears for calls."""
        super().start()
        self.ears = []
        for address in (self.address, self.address.rpartition(".")[0] + ".255"):
            ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            ear.bind((address, UDP_PORT))
            self.ears.append(ear)
            threading.Thread(target=self._hear, args=(ear,), daemon=True).start()

    def stop(self) -> None:
        super().stop()
        for ear in self.ears:
            with suppress(OSError):
                ear.shutdown(socket.SHUT_RDWR)
            ear.close()

    def _hear(self, ear: socket.socket) -> None:
        with suppress(OSError):
            while True:
                data, sender = ear.recvfrom(4096)
                if len(data) >= HEADER and data[0] == 2 and self.trouble != "deaf":
                    body = json.dumps({"error_code": 0, "result": self.card()}).encode()
                    self.ears[0].sendto(struct.pack(">BBHHBBII", 2, 0, 2, len(body), 17, 0, 0, 0) + body, sender)

    @property
    def dashed(self) -> str:
        return "-".join(self.mac[i : i + 2] for i in range(0, 12, 2))

    def card(self) -> dict[str, Any]:
        """What it says to everybody."""
        scheme = {"encrypt_type": self.encrypt_type, "http_port": self.port, "is_support_https": False, "lv": self.lv}
        return {"device_id": md5(self.mac.encode()).hex(), "device_model": self.model, "device_type": self.device_type,
                "factory_default": False, "ip": self.address, "is_support_iot_cloud": True, "mac": self.dashed,
                "mgt_encrypt_schm": scheme, "obd_src": "tplink", "owner": md5(self.user.encode()).hex()}  # fmt: skip

    @property
    def owner(self) -> bytes:
        """What stands for the user and the password."""
        user, password = self.user.encode(), self.password.encode()
        if self.version == 1:
            return md5(md5(user) + md5(password))
        return sha256(sha1(user) + sha1(password))

    def _proofs(self, local: bytes, remote: bytes) -> tuple[bytes, bytes]:
        if self.version == 1:
            return sha256(local + self.owner), sha256(remote + self.owner)
        return sha256(local + remote + self.owner), sha256(remote + local + self.owner)

    def answer(self, asked: BaseHTTPRequestHandler, url: Any) -> None:
        body = asked.rfile.read(int(asked.headers.get("Content-Length", 0)))
        cookie = asked.headers.get("Cookie", "").partition("TP_SESSIONID=")[2].partition(";")[0]
        if url.path == "/app/handshake1":
            remote, name = secrets.token_bytes(16), secrets.token_hex(16).upper()
            self.sessions[name] = (body, remote, Session(body, remote, self.owner))
            headers = {"Set-Cookie": f"TP_SESSIONID={name};TIMEOUT=86400"}
            return self.send(asked, 200, remote + self._proofs(body, remote)[0], headers)
        if cookie not in self.sessions:
            return self.send(asked, 403, b"")
        local, remote, session = self.sessions[cookie]
        if url.path == "/app/handshake2":
            session.trusted = body == self._proofs(local, remote)[1]
            return self.send(asked, 200 if session.trusted else 403, b"")
        if url.path != "/app/request" or not session.trusted:
            return self.send(asked, 403, b"")
        number = int(parse_qs(url.query)["seq"][0])
        plain = session.open(number, body)
        if plain is None:
            return self.send(asked, 403, b"")
        return self.send(asked, 200, session.seal(number, json.dumps(self.handle(json.loads(plain))).encode()))

    def handle(self, asked: dict[str, Any]) -> dict[str, Any]:
        """One message of the Tapo language."""
        method, given = asked["method"], asked.get("params") or {}
        if method == "multipleRequest":
            return {"error_code": 0, "result": {"responses": [
                {"method": one["method"]} | self.handle(one) for one in given["requests"]]}}  # fmt: skip
        if method == "set_device_info":
            self.relay.order(bool(given["device_on"]))
            return {"error_code": 0, "result": {}}
        facts = self.facts()
        return {"error_code": 0, "result": facts[method]} if method in facts else {"error_code": -1002}

    def facts(self) -> dict[str, Any]:
        """What can be asked for."""
        components = {"device": 2, "time": 1, "energy_monitoring": 1}
        return {
            "component_nego": {"component_list": [{"id": name, "ver_code": ver} for name, ver in components.items()]},
            "get_device_info": {
                "device_id": md5(self.mac.encode()).hex(), "fw_ver": "1.3.0 Build 230905", "hw_ver": "1.0",
                "mac": self.dashed,
                "type": self.device_type, "model": self.model.partition("(")[0], "device_on": self.relay.says_on,
                "nickname": base64.b64encode(self.name.encode()).decode(), "ip": self.address, "rssi": -40,
                "region": "Europe/Berlin", "time_diff": 60, "ssid": base64.b64encode(b"home").decode(), "on_time": 10,
                "avatar": "plug", "has_set_location_info": False, "lang": "en_US", "overheated": False,
                "signal_level": 3, "specs": "", "oem_id": "", "hw_id": "", "fw_id": "",
            },
            "get_device_time": {"region": "Europe/Berlin", "time_diff": 60, "timestamp": 1795000000},
            "get_energy_usage": {
                "current_power": round(self.relay.watts * 1000), "today_energy": 5, "today_runtime": 60,
                "month_energy": round(self.relay.wh), "month_runtime": 600, "local_time": "2026-11-26 11:00:00",
                "electricity_charge": [0, 0, 0],
            },
        }  # fmt: skip


class KlapKasa(KlapPlug):
    """An old plug with new firmware."""

    version, device_type, model, encrypt_type, lv = 1, "IOT.SMARTPLUGSWITCH", "KP115(EU)", "KLAP", 1

    def handle(self, asked: dict[str, Any]) -> dict[str, Any]:
        return XorPlug.handle(self, asked)  # type: ignore[arg-type]

    _do, sysinfo, alias = XorPlug._do, XorPlug.sysinfo, "Plug"  # type: ignore[assignment]
