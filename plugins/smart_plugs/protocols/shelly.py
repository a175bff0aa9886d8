"""Shelly plugs and relays of the second generation and newer: RPC over HTTP.

Source: Shelly's API documentation, "Switch" and "Authentication": ``/rpc/Switch.GetStatus``, ``/rpc/Switch.Set``,
digest authentication with SHA-256 and the user ``admin``.
"""

from typing import Any

from plugins.smart_plugs.protocols.answers import PlugError, Seen, State, number
from plugins.smart_plugs.protocols.web import Web


class Shelly:
    """One switch of a device."""

    def __init__(self, plug: dict[str, Any]) -> None:
        place = plug["place"]
        self.channel = int(place.get("channel", 0))
        self.web = Web(plug["host"], int(place.get("port", 80)), "admin", plug["password"])

    def read(self) -> State:
        """How it is."""
        device = self.web.json("/rpc/Shelly.GetDeviceInfo")
        status = self.web.json(f"/rpc/Switch.GetStatus?id={self.channel}")
        on = status.get("output")
        if not isinstance(on, bool):
            raise PlugError("garbage", "no output in Switch.GetStatus")
        energy = status.get("aenergy")
        return State(
            key=f"{_id(device)}:{self.channel}",
            on=on,
            watts=number(status.get("apower")),
            counter_wh=number(energy.get("total")) if isinstance(energy, dict) else None,
            meter="apower" in status,
        )

    def switch(self, on: bool) -> None:
        """On or off."""
        self.web.json(f"/rpc/Switch.Set?id={self.channel}&on={'true' if on else 'false'}")

    def close(self) -> None:
        """Each question was a connection of its own."""


def look(host: str, port: int, wait: float) -> list[Seen]:
    """What answers there, if it is a Shelly: ``/shelly`` needs no password.  Raises PlugError."""
    web = Web(host, port, wait=wait)
    said = web.json("/shelly")
    if not isinstance(said.get("gen"), int) or said["gen"] < 2:
        raise PlugError("unsupported", "not a Shelly of the second generation")
    place = {} if port == 80 else {"port": port}
    name, model = str(said.get("name") or said.get("id")), str(said.get("app") or said.get("model") or "Shelly")
    if said.get("auth_en"):
        return [Seen("shelly", f"{_id(said)}:0", name, model, host, place, locked=True)]
    seen = []
    for channel in range(4):
        try:
            status = web.json(f"/rpc/Switch.GetStatus?id={channel}")
        except PlugError:
            break
        where = place | {"channel": channel}
        seen.append(Seen("shelly", f"{_id(said)}:{channel}", name, model, host, where, meter="apower" in status))
    return seen


def _id(said: dict[str, Any]) -> str:
    mac = said.get("mac")
    if not isinstance(mac, str) or not mac:
        raise PlugError("garbage", "no mac")
    return mac.upper()
