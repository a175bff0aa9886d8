"""Anything that can be switched by calling an address: one for on, one for off, and maybe one that says how it is."""

import json
from typing import Any

from plugins.smart_plugs.protocols import reach, web
from plugins.smart_plugs.protocols.answers import PlugError, State, number, switched

METHODS = ("POST", "GET", "PUT")


class Webhook:
    """The addresses are secret: they often carry a key."""

    def __init__(self, plug: dict[str, Any]) -> None:
        self.private, self.method = plug["private"], plug["place"].get("method", "POST")
        if self.method not in METHODS:
            raise PlugError("not_allowed", "method")

    def _call(self, which: str, method: str) -> bytes:
        host, port, path, tls = web.split(self.private.get(which, ""))
        address = reach.address_of(host, port, public=tls)
        status, _, body = web.fetch(address, port, host, method, path, {"Content-Length": "0"}, tls=tls)
        if status in (401, 403):
            raise PlugError("wrong_password", f"HTTP {status}")
        if not 200 <= status < 300:
            raise PlugError("garbage", f"HTTP {status}")
        return body

    def read(self) -> State:
        """How it is, as far as there is an address that says it."""
        if not self.private.get("state_url"):
            return State("", None)
        return from_text(self._call("state_url", "GET"))

    def switch(self, on: bool) -> None:
        """Call the one or the other."""
        self._call("on_url" if on else "off_url", self.method)

    def close(self) -> None:
        """Each call was a connection of its own."""


def from_text(body: bytes) -> State:
    """``ON``, or JSON with ``state`` and maybe ``power`` and ``energy`` (kWh).  Raises PlugError."""
    text = body.decode("utf-8", "replace")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = text
    if not isinstance(said, dict):
        on = switched(said)
        if on is None:
            raise PlugError("garbage", repr(text[:80]))
        return State("", on)
    on = next((switched(said[name]) for name in ("state", "STATE", "POWER", "output", "on") if name in said), None)
    watts = next((number(said[name]) for name in ("power", "apower", "watts") if name in said), None)
    total = number(said.get("energy"))
    return State("", on, watts, None if total is None else total * 1000, meter=watts is not None)
