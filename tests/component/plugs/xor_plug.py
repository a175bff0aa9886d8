"""A TP-Link plug of the old kind: JSON behind an autokey XOR cipher, TCP and UDP on port 9999."""

import json
import secrets
import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Any

from tests.component.plugs.relay import Relay

PORT, FIRST = 9999, 171


def encrypt(plain: bytes) -> bytes:
    """Each byte's key is the cipher's byte before it."""
    key, out = FIRST, bytearray()
    for byte in plain:
        key ^= byte
        out.append(key)
    return bytes(out)


def decrypt(cipher: bytes) -> bytes:
    """The inverse."""
    key, out = FIRST, bytearray()
    for byte in cipher:
        out.append(key ^ byte)
        key = byte
    return bytes(out)


class XorPlug:
    """A KP115 with one relay and a meter.  ``trouble``: "", "garbage", "half", "deaf", "slow"."""

    def __init__(self, relay: Relay, address: str, alias: str = "Plug", mac: str = "") -> None:
        self.relay, self.address, self.alias = relay, address, alias
        self.mac = mac or ":".join(f"{byte:02X}" for byte in secrets.token_bytes(6))
        self.trouble = ""
        self.start()

    def start(self) -> None:
        """Listen for orders and for calls, in the network of the calling thread."""
        self.tcp = socket.create_server((self.address, PORT), backlog=16)
        self.ears = []  # its own address, and everybody's
        for address in (self.address, self.address.rpartition(".")[0] + ".255"):
            ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            ear.bind((address, PORT))
            self.ears.append(ear)
        threading.Thread(target=self._accept, daemon=True).start()
        for ear in self.ears:
            threading.Thread(target=self._hear, args=(ear,), daemon=True).start()

    def stop(self) -> None:
        """Out of its socket."""
        with suppress(OSError):
            self.tcp.shutdown(socket.SHUT_RDWR)
        for one in (self.tcp, *self.ears):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                talk = self.tcp.accept()[0]
                threading.Thread(target=self._talk, args=(talk,), daemon=True).start()

    def _talk(self, talk: socket.socket) -> None:
        with talk, suppress(OSError, ValueError):
            while head := _exactly(talk, 4):
                asked = json.loads(decrypt(_exactly(talk, struct.unpack(">I", head)[0])))
                self._say(talk, encrypt(json.dumps(self.handle(asked)).encode()))

    def _say(self, talk: socket.socket, body: bytes) -> None:
        match self.trouble:
            case "deaf":
                time.sleep(30)
            case "garbage":
                talk.sendall(struct.pack(">I", 40) + secrets.token_bytes(40))
            case "half":
                talk.sendall(struct.pack(">I", len(body)) + body[: len(body) // 2])
                talk.close()
            case "slow":
                talk.sendall(struct.pack(">I", len(body)))
                for byte in body:
                    talk.sendall(bytes([byte]))
                    time.sleep(0.5)
            case _:
                talk.sendall(struct.pack(">I", len(body)) + body)

    def _hear(self, ear: socket.socket) -> None:
        with suppress(OSError):
            while True:
                data, sender = ear.recvfrom(4096)
                with suppress(ValueError):
                    answer = self.handle(json.loads(decrypt(data)))
                    if self.trouble != "deaf":
                        self.ears[0].sendto(encrypt(json.dumps(answer).encode()), sender)

    def handle(self, asked: dict[str, Any]) -> dict[str, Any]:
        """One message of the protocol."""
        answer: dict[str, Any] = {}
        for module, commands in asked.items():
            if module != "context":
                answer[module] = {name: self._do(module, name, given or {}) for name, given in commands.items()}
        return answer

    def _do(self, module: str, command: str, given: dict[str, Any]) -> dict[str, Any]:
        today = time.localtime()
        match module, command:
            case "system", "get_sysinfo":
                return self.sysinfo()
            case "system", "set_relay_state":
                self.relay.order(bool(given["state"]))
                return {"err_code": 0}
            case "emeter", "get_realtime":
                return {"current_ma": 30, "voltage_mv": 230100, "power_mw": round(self.relay.watts * 1000),
                        "total_wh": round(self.relay.wh), "err_code": 0}  # fmt: skip
            case "emeter", "get_daystat":
                day = {"year": given["year"], "month": given["month"], "day": today.tm_mday, "energy_wh": 77}
                return {"day_list": [day], "err_code": 0}
            case "emeter", "get_monthstat":
                month = {"year": given["year"], "month": today.tm_mon, "energy_wh": 999}
                return {"month_list": [month], "err_code": 0}
            case "time", "get_time":
                return {"year": today.tm_year, "month": today.tm_mon, "mday": today.tm_mday, "hour": today.tm_hour,
                        "min": today.tm_min, "sec": today.tm_sec, "err_code": 0}  # fmt: skip
            case "time", "get_timezone":
                return {"index": 39, "err_code": 0}
        return {"err_code": -1, "err_msg": "module not support"}

    def sysinfo(self) -> dict[str, Any]:
        """What it says of itself."""
        return {
            "sw_ver": "1.0.20 Build 221125", "hw_ver": "1.0", "model": "KP115(EU)", "deviceId": "8006" + self.mac * 2,
            "oemId": "0" * 32, "hwId": "0" * 32, "rssi": -41, "alias": self.alias, "status": "new", "obd_src": "tplink",
            "mic_type": "IOT.SMARTPLUGSWITCH", "feature": "TIM:ENE", "mac": self.mac, "updating": 0, "led_off": 0,
            "relay_state": int(self.relay.says_on), "on_time": 0, "icon_hash": "", "active_mode": "none",
            "dev_name": "Smart Wi-Fi Plug Mini", "next_action": {"type": -1}, "err_code": 0,
        }  # fmt: skip


def _exactly(talk: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = talk.recv(count - len(data))
        if not more:
            return b""
        data += more
    return data
