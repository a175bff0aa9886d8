"""Plugs with Tasmota: commands over HTTP.

Source: Tasmota's documentation, "Commands": ``/cm?cmnd=Status 0``, ``/cm?cmnd=Power1 On``; a wrong password is said as
``{"WARNING": "Need user=<username>&password=<password>"}``.
"""

from typing import Any
from urllib.parse import quote

from plugins.smart_plugs.protocols.answers import UNKNOWN, PlugError, Seen, State, number, switched
from plugins.smart_plugs.protocols.web import Web, fetch, parsed


class Tasmota:
    """One relay of a device."""

    def __init__(self, plug: dict[str, Any]) -> None:
        place = plug["place"]
        self.channel = int(place.get("channel", 1))
        self.user, self.password = plug["user"] or "admin", plug["password"]
        self.web = Web(plug["host"], int(place.get("port", 80)))

    def ask(self, command: str) -> dict[str, Any]:
        """One command.  Raises PlugError."""
        login = f"user={quote(self.user)}&password={quote(self.password)}&" if self.password else ""
        said = self.web.json(f"/cm?{login}cmnd={quote(command)}")
        if "WARNING" in said:
            raise PlugError("wrong_password", str(said["WARNING"])[:80])
        return said

    def read(self) -> State:
        """How it is."""
        said = self.ask("Status 0")
        on = _relays(said).get(self.channel)
        if on is None:
            raise PlugError("garbage", "no such relay in Status 0")
        sensors = said.get("StatusSNS")
        energy = sensors.get("ENERGY") if isinstance(sensors, dict) else None
        energy = energy if isinstance(energy, dict) else {}
        total = number(energy.get("Total"))
        return State(
            key=f"{_mac(said)}:{self.channel}",
            on=on,
            watts=_of_channel(energy.get("Power"), self.channel),
            counter_wh=None if total is None else total * 1000,
            meter=bool(energy),
        )

    def switch(self, on: bool) -> None:
        """On or off."""
        self.ask(f"Power{self.channel} {'On' if on else 'Off'}")

    def close(self) -> None:
        """Each question was a connection of its own."""


def look(host: str, port: int, wait: float) -> list[Seen]:
    """What answers there, if it is a Tasmota.  Raises PlugError."""
    web = Web(host, port, wait=wait)
    status_code, _, body = fetch(web.address, port, host, "GET", "/cm?cmnd=Status%200", wait=wait)
    said = parsed(200 if status_code == 401 else status_code, body)  # it says in JSON that it wants a password
    place = {} if port == 80 else {"port": port}
    if "Need user" in str(said.get("WARNING")):
        return [Seen("tasmota", f"{UNKNOWN}{host}:{port}", "Tasmota", "Tasmota", host, place, locked=True)]
    status = said.get("Status")
    names = status.get("FriendlyName") if isinstance(status, dict) else None
    sensors = said.get("StatusSNS")
    meter = isinstance(sensors, dict) and "ENERGY" in sensors
    seen = []
    for channel in sorted(_relays(said)):
        name = names[channel - 1] if isinstance(names, list) and len(names) >= channel else "Tasmota"
        where = place | {"channel": channel}
        seen.append(Seen("tasmota", f"{_mac(said)}:{channel}", str(name), "Tasmota", host, where, meter=meter))
    return seen


def _relays(said: dict[str, Any]) -> dict[int, bool]:
    states = said.get("StatusSTS")
    found = {}
    for name, value in states.items() if isinstance(states, dict) else ():
        number_of = name.removeprefix("POWER") if name.startswith("POWER") else "x"
        on = switched(value)
        if on is not None and (number_of == "" or number_of.isdigit()):
            found[int(number_of or 1)] = on
    return found


def _of_channel(value: Any, channel: int) -> float | None:
    if isinstance(value, list):
        value = value[channel - 1] if len(value) >= channel else None
    return number(value)


def _mac(said: dict[str, Any]) -> str:
    net = said.get("StatusNET")
    mac = net.get("Mac") if isinstance(net, dict) else None
    if not isinstance(mac, str) or not mac:
        raise PlugError("garbage", "no Mac in Status 0")
    return mac.replace(":", "").upper()
